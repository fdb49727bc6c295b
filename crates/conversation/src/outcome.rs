//! How turns end.

/// The reason why a question got no whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `error.type` of the span: an HTTP status ("429") or a class ("first_token_timeout").
    pub class: String,
    /// One sentence for the operator: the event, its place, and the remedy. Holds no secret and no speech.
    pub message: String,
}

/// The end of a turn, or of the call that answers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TurnOutcome {
    /// The whole answer was said.
    Answered,
    /// The person spoke again, or the session ended.
    Interrupted,
    Failed(Failure),
    /// The work on it ended without a result: a crash, a panic.
    Aborted(Failure),
}

// === impl Failure ===

impl Failure {
    pub fn new(class: impl Into<String>, message: impl Into<String>) -> Self {
        Self { class: class.into(), message: message.into() }
    }

    /// The failure of work that ended without a result.
    pub fn aborted(message: impl Into<String>) -> Self {
        Self::new("aborted", message)
    }
}

// === impl TurnOutcome ===

impl TurnOutcome {
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Interrupted => "interrupted",
            Self::Failed(_) => "failed",
            Self::Aborted(_) => "aborted",
        }
    }

    /// None when the turn was answered or interrupted.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Answered | Self::Interrupted => None,
            Self::Failed(failure) | Self::Aborted(failure) => Some(failure),
        }
    }
}
