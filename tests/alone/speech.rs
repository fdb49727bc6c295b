//! A spoken sentence goes through a real server between our SDK and LiveKit's Python SDK, and a recogniser reads the
//! received sound: it is speech, not only energy.
//!
//! The baseline is Python to Python over the same network in the same run.

mod delay;
mod ends;
mod loopback;
mod lossy;
mod reading;
mod simulated;
mod steady;
mod synthesis;
mod turns;
mod wire;
