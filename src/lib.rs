//! `voiced`: a voice agent worker daemon for LiveKit.
//!
//! A dispatch becomes a job, a job a room, a room a session, each user turn an LLM request, and each turn a trace:
//! [`agent_worker`] → [`job`] → [`room`] → [`session`] → [`llm`] → [`telemetry`].
//!
//! # Layout
//!
//! - [`cli`]: the commands; `start` is the boot order of the daemon
//! - [`config`]: `agent.toml`, environment and command line as one validated value
//! - the crate [`agent_worker`]: the agent worker protocol: registration, offers, slots, drain
//! - [`job`]: one dispatched job, from the join to the report of its end
//! - [`room`]: a joined room: the texts of its people, and the agent's words and states
//! - [`session`]: one conversation; its rules are a pure state machine
//! - [`llm`]: the answerer of a turn, behind the trait [`llm::Answerer`]
//! - [`voice`]: what hears a person and speaks the replies, beside the session
//! - [`telemetry`]: the spans of a turn, and their way out; [`attributes`]: every key that a span or metric carries
//! - [`metrics`]: what the process counts, for `/metrics` and OTLP; `observed`: the state of the other parts as metrics
//! - [`runtime`]: the threads that everything asynchronous shares
//! - [`http`], [`systemd`], [`shutdown`], [`log`], [`panics`]: the other needs of a daemon
//! - [`caller`]: the other side of a session, for `voiced call` and for tests
//! - `reload`: the configuration, read again on SIGHUP
//! - `openobserve`: our dashboard and alerts, and their installation
//! - `check`: the questions of `voiced check` to each neighbour
//! - `output`: the one way to stdout and stderr; `terminal`: foreign texts in a form that these may show
//! - the crates [`conversation`] (the words that all of them use), [`statedir`] (private files), [`outbound`] (every
//!   connection), [`redaction`] (what may be recorded), [`otlp_spool`] (the way out of traces) and [`turn_store`] (the
//!   local record)
//!
//! # Invariants
//!
//! Each outside world is named in one place: the worker protocol in the crate `agent_worker`, `livekit` in
//! `room.rs` and below it, `async-openai` in `llm/openai.rs`, OpenTelemetry in `telemetry/otel.rs` and below it,
//! `metrics/meter.rs` and `telemetry/signals/records.rs`, SQLite in the crate `turn_store`. `ARCHITECTURE.md`
//! has the others.

// These macros panic when stdout is a closed pipe or stderr a full disk: `output` writes instead.
#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod attributes;
pub mod caller;
mod check;
pub mod cli;
pub mod config;
pub mod event_log;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(test)]
mod generated_table;
pub mod http;
pub mod job;
pub mod llm;
pub mod log;
pub mod metrics;
mod observed;
mod openobserve;
mod output;
pub mod panics;
pub mod recovery;
mod reload;
mod replay;
pub mod room;
pub mod runtime;
pub mod session;
pub mod shutdown;
pub mod systemd;
pub mod telemetry;
mod terminal;
pub mod voice;
