//! Waits, queues and log lines with bounds.
//!
//! - [`Backoff`]: the waits between attempts
//! - [`Queue`]: items on their way to a thread; pushing never waits
//! - [`Latch`]: one notice for each change of a state, however many outcomes are alike

mod backoff;
mod latch;
mod queue;

pub use self::backoff::{Backoff, Jitter};
pub use self::latch::{Change, Latch};
pub use self::queue::{Limits, Next, Pushed, Queue};
