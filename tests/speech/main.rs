//! A spoken sentence goes through a real server between our SDK and LiveKit's own in Python, and a recogniser reads what
//! came out: the sound is speech, not merely energy.
//!
//! The yardstick is always Python to Python over the same network in the same run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/private_network.rs"]
mod private_network;
#[path = "../support/sdk.rs"]
mod sdk;
#[path = "../support/small_disk.rs"]
mod small_disk;
#[path = "../support/world.rs"]
mod world;

mod delay;
mod ends;
mod loopback;
mod lossy;
mod reading;
mod simulated;
mod speech;
mod steady;
mod wire;
