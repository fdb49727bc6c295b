//! What a program may count of its worker.

use std::fmt;
use std::time::Duration;

/// Hears what happens in the worker. Every method does nothing unless it is defined, and none may block: they are called
/// in the worker's loop and beside its socket.
pub trait Observer: fmt::Debug + Send + Sync + 'static {
    /// An attempt to connect to the server begins.
    fn connecting(&self) {}

    /// An offered job was answered; `took` is from the frame that brought the offer to the frame of the answer.
    fn offer_answered(&self, _answer: Answered, _took: Duration) {}

    /// A job's task is over.
    fn job_ended(&self, _result: JobResult) {}
}

/// The answer to an offered job.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    Taken,
    Declined,
    /// The room has its agent already.
    Superfluous,
}

/// The end of a job's task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobResult {
    Success,
    Failed,
    Panicked,
    /// It did not stop in time and was ended.
    Aborted,
}

/// Counts nothing.
impl Observer for () {}

// === impl Answered ===

impl Answered {
    /// The value of a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Declined => "declined",
            Self::Superfluous => "superfluous",
        }
    }
}

// === impl JobResult ===

impl JobResult {
    pub const ALL: [Self; 4] = [Self::Success, Self::Failed, Self::Panicked, Self::Aborted];

    /// The value of a metric's label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failed => "failed",
            Self::Panicked => "panicked",
            Self::Aborted => "aborted",
        }
    }
}
