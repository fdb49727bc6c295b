//! The LLM call against a provider that misbehaves on a real port.

mod cancel;
mod faults;
mod livekit;
mod replies;
mod retry;
mod spans;
mod streams;
pub(crate) mod support;
