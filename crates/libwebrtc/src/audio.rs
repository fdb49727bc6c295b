//! Sound between the network and the program: the codec, the jitter buffer, resampling, and the clocks of both directions.
//!
//! Everything inside runs at 48 kHz in blocks of 10 ms, as Opus and WebRTC do. Programs see their own rate and channels.

pub(crate) mod jitter;
pub(crate) mod opus;
pub(crate) mod resample;
