//! The LLM call against a provider that misbehaves on a real port.

#![expect(clippy::unwrap_used, reason = "the exemption for tests does not reach their helpers")]

mod cancel;
mod faults;
mod replies;
mod retry;
mod spans;
mod streams;
mod support;
