//! Faults around a worker and of the worker itself: each test inflicts one fault on the real process in a real room,
//! measures the time until everything works as before, and counts what was lost. `tests/faults.toml` lists the tests;
//! `cargo xtask faults` runs them and writes the table in docs/faults.md.

mod account;
mod disk;
mod door;
mod hearing;
mod llm;
mod microphone;
mod otlp;
mod process;
mod room;
mod speaking;
mod spoken;
mod stage;
