//! Shared by all tests: servers, workers, callers and receivers that each test has for itself.

#![allow(dead_code, reason = "each test program uses its own part")]

pub(crate) mod again;
pub(crate) mod browser;
pub(crate) mod clock;
pub(crate) mod contract;
pub(crate) mod echo_receiver;
pub(crate) mod exposition;
pub(crate) mod fault;
pub(crate) mod fleet;
pub(crate) mod hostile;
pub(crate) mod http_proxy;
pub(crate) mod livekit_door;
pub(crate) mod memory;
pub(crate) mod openobserve;
pub(crate) mod otlp_gate;
pub(crate) mod otlp_receiver;
pub(crate) mod private_network;
pub(crate) mod python;
pub(crate) mod recorded;
pub(crate) mod sdk;
pub(crate) mod settings;
pub(crate) mod small_disk;
pub(crate) mod sounds;
pub(crate) mod tls;
pub(crate) mod turns;
pub(crate) mod voice;
pub(crate) mod world;

use std::io::Write;

/// Prints that a test does nothing on this machine. Bypasses the harness, which shows the output of failed tests only.
pub(crate) fn skipped(reason: &str) {
    let _ = std::io::stderr().write_all(format!("SKIPPED: {reason}\n").as_bytes());
}
