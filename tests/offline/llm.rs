//! The LLM call against a provider that misbehaves on a real port.

mod cancel;
mod faults;
mod replies;
mod retry;
mod spans;
mod streams;
pub(crate) mod support;
