//! Sound between the network and the program: the codec, the jitter buffer, resampling, and the clocks of both directions.
//!
//! ```text
//! out: source -> sender -> (engine) -> RTP      in: RTP -> (engine) -> receiver -> stream
//!      queue,    resampling, Opus, RED               RED, jitter buffer, Opus    resampling, queue
//!      10 ms clock                                   10 ms clock
//! ```
//!
//! Everything between runs at 48 kHz in blocks of 10 ms, as Opus and WebRTC do. Programs see their own rate and channels.

pub(crate) mod clock;
pub(crate) mod jitter;
pub(crate) mod level;
pub(crate) mod opus;
pub(crate) mod receiver;
pub(crate) mod red;
pub(crate) mod resample;
pub(crate) mod sender;
#[cfg(test)]
mod sounds;
pub(crate) mod source;
