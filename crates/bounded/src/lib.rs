//! Waits, queues, log lines and texts with bounds.
//!
//! - [`Backoff`]: the waits between attempts
//! - [`Queue`]: items on their way to a thread; pushing never waits
//! - [`Latch`]: one notice for each change of a state, however many outcomes are alike
//! - [`text`]: the beginnings of long texts

mod backoff;
mod latch;
mod queue;
pub mod text;

pub use self::backoff::{Backoff, Jitter};
pub use self::latch::{Change, Latch};
pub use self::queue::{Limits, Next, Pushed, Queue};
