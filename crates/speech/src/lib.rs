//! The pure parts of hearing and speaking, for any voice agent.
//!
//! Nothing here knows a room, a socket, a thread or a clock: sound, text and times go in, and what they mean comes out.
//! Each part has its own `Settings`, whose documentation names the defaults.
//!
//! - [`vad`]: where a person's speech begins, pauses and ends; Silero's model in safe Rust
//! - [`resample`]: mono sound from one sample rate to another, in a stream
//! - [`text`]: the words of a streamed reply as a voice can say them, without markdown and emoji
//! - [`pieces`]: a reply cut into what is spoken at a time
//! - [`turn`]: when a person's turn has ended, from speech and transcripts
//! - [`interruption`]: whether the agent's voice gives way to the person's
//! - [`pace`]: how much of a piece has been spoken after a part of its sound
//! - [`playout`]: sound on its way out in frames, with its holds, and how much of a reply was heard
//! - [`echo`]: whether what was heard is our own voice
//!
//! Machines take the time as an argument and tell when they want to be asked again (`deadline`).
//!
//! ```
//! use std::time::Duration;
//!
//! use speech::pace::Pace;
//! use speech::pieces::{Pieces, Settings};
//!
//! let reply = "**Yes**, there is a [table](https://example.com) at seven. Shall I book it?";
//! let mut pieces = Pieces::new(Settings::default());
//! let first = pieces.push(reply).remove(0);
//! assert_eq!(first.text, "Yes, there is a table at seven.");
//!
//! // A third of the sound of the piece was heard when the person interrupted.
//! let spoken = Pace::new(&first.text).spoken(Duration::from_millis(700), Duration::from_millis(2100));
//! assert_eq!(&reply[..first.source_at(spoken)], "**Yes**, there is ");
//! ```

#![forbid(unsafe_code)]

pub mod echo;
pub mod interruption;
pub mod pace;
pub mod pieces;
pub mod playout;
pub mod resample;
pub mod text;
pub mod turn;
pub mod vad;
