//! Whatever fails around a worker, and the worker itself: each test inflicts one fault on the real process in a real room,
//! takes the time until everything works as before, and counts what was lost. `tests/faults.toml` names them; `cargo xtask
//! faults` runs them and writes README's table.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why by panicking")]

mod account;
mod disk;
mod door;
mod llm;
mod otlp;
mod process;
mod room;
mod stage;

#[allow(dead_code, reason = "shared with other test programs")]
#[path = "../support/exposition.rs"]
mod exposition;
#[path = "../support/fault.rs"]
mod fault;
#[path = "../support/hostile.rs"]
mod hostile;
#[allow(dead_code, reason = "shared with other test programs")]
#[path = "../support/otlp_gate.rs"]
mod otlp_gate;
#[path = "../support/small_disk.rs"]
mod small_disk;
#[path = "../support/world.rs"]
mod world;
