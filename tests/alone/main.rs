//! Tests that compare speeds, listen in real time, count what this process holds, or load the machine fully. `cargo
//! xtask test` runs them one after the other, with nothing else of ours beside them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

#[path = "../support/mod.rs"]
mod support;

mod attacks;
mod cameras;
mod cancelled_join;
mod chaos;
mod hard_close;
mod http_held;
mod isolation;
mod lossy_text;
mod many_rooms;
mod speech;
