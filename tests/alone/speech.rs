//! A spoken sentence goes through a real server between our SDK and LiveKit's own in Python, and a recogniser reads what
//! came out: the sound is speech, not merely energy.
//!
//! The yardstick is always Python to Python over the same network in the same run.

mod delay;
mod ends;
mod loopback;
mod lossy;
mod reading;
mod simulated;
mod steady;
mod synthesis;
mod wire;
