//! The pure parts of hearing and speaking, for any voice agent.
//!
//! Nothing here knows a room, a socket, a thread or a clock: sound, text and times go in, and what they mean comes out.
//! Each part has its own `Settings`, whose documentation names the defaults.
//!
//! - [`vad`]: where a person's speech begins, pauses and ends; Silero's model in safe Rust
//! - [`resample`]: mono sound from one sample rate to another, in a stream
//! - [`text`]: the words of a streamed reply as a voice can say them, without markdown and emoji
//! - [`pieces`]: a reply cut into what is spoken at a time

#![forbid(unsafe_code)]

pub mod pieces;
pub mod resample;
pub mod text;
pub mod vad;
