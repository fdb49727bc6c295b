//! The event log of a session: what its state machines were told and what they did, in a file of JSON lines that
//! `voiced replay` plays again.
//!
//! - `line`: what a file holds; `said`: texts in it, with or without their words
//! - `forms`: how the types of other layers become those of `line`
//! - `recorder`: the log of one session, for its tasks; `writer`: the thread that writes files, within their bounds
//!
//! The first line is a `Header`, each other one a `Line`. What people and the agent said is in it when all content is
//! captured (`telemetry.capture_content = "full"`). Otherwise a text is its length, the number of its words and what the
//! rules say of it, which is all that a replay needs.

pub(crate) mod line;
pub(crate) mod said;

mod forms;
mod recorder;
mod writer;

pub(crate) use self::line::Header;
pub(crate) use self::recorder::Recorder;
pub use self::writer::EventLogs;
