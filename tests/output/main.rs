//! What becomes of a command whose stdout or stderr takes nothing: a closed pipe is a quiet end, a full disk behind stdout an
//! error, and stderr decides over no exit code. And what of others' words reaches either of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says why by panicking")]

#[path = "../support/otlp_receiver.rs"]
#[allow(dead_code, reason = "shared with other test programs")]
mod otlp_receiver;
#[path = "../support/recorded.rs"]
mod recorded;
#[path = "../support/world.rs"]
mod world;

mod answers;
mod calls;
mod daemon;
mod end;
mod every_command;
mod hostile;
