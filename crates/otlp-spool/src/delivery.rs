//! The outcome of handing a batch over, and the part of it that an operator should hear.

use std::fmt;
use std::io;
use std::time::Duration;

use bounded::{Change, Latch};

/// The outcome of handing over one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    Accepted,
    /// The receiver took the batch, and says that some spans were rejected (OTLP "partial success"). None rejected: a
    /// warning.
    Partial {
        rejected: u64,
        trouble: ExportError,
    },
    /// The receiver will never take this batch as it is.
    Refused(ExportError),
    /// It may take it later.
    Later {
        trouble: ExportError,
        /// The wait that the receiver asked for.
        after: Option<Duration>,
        /// Whether this very batch may be the one that breaks the receiver.
        strike: bool,
    },
}

/// The reason why spans did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportError {
    pub class: Class,
    /// The event, its place, and the remedy.
    pub message: String,
}

/// The kind of a trouble. Two troubles of one kind are one state, and are reported once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// No whole answer came.
    Unreachable,
    /// A web server that knows nothing of OTLP answered.
    WebPage,
    /// The HTTP status of a refusal.
    Status(u16),
    /// The receiver took a request, and not all of it.
    Partial,
    /// A batch could not be read, or not be removed.
    Disk(io::ErrorKind),
}

/// The last known state of the export, by which any number of equal outcomes make one line of log.
#[derive(Debug, Default)]
pub struct ExportState {
    latch: Latch<Class>,
    lost: u64,
}

/// A change that is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    Working,
    Trouble(String),
    Recovered { lost: u64 },
}

// === impl Delivery ===

impl Delivery {
    /// The number of the `sent` items that are lost, unless they are sent again.
    pub fn lost(&self, sent: u64) -> u64 {
        match self {
            Self::Accepted => 0,
            Self::Partial { rejected, .. } => sent.min(*rejected),
            Self::Refused(_) | Self::Later { .. } => sent,
        }
    }

    /// The wait that the receiver asked for.
    pub fn asked_wait(&self) -> Option<Duration> {
        match self {
            Self::Later { after, .. } => *after,
            Self::Accepted | Self::Partial { .. } | Self::Refused(_) => None,
        }
    }

    /// Whether the same request may be taken a moment later (OTLP specification, "Retryable Response Codes", and 500).
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Later { trouble, .. } => {
                matches!(trouble.class, Class::Unreachable | Class::Status(408 | 429 | 500 | 502..=504))
            }
            Self::Accepted | Self::Partial { .. } | Self::Refused(_) => false,
        }
    }

    pub fn trouble(&self) -> Option<&ExportError> {
        match self {
            Self::Accepted => None,
            Self::Partial { trouble, .. } | Self::Later { trouble, .. } | Self::Refused(trouble) => {
                Some(trouble)
            }
        }
    }
}

// === impl ExportState ===

impl ExportState {
    /// Takes in the error of the latest delivery, and the number of spans that were lost since the one before.
    pub fn observe(&mut self, error: Option<&ExportError>, lost: u64) -> Option<Notice> {
        let before = self.lost;
        self.lost += lost;
        // What was lost by the first failure belongs to it.
        let lost = if error.is_some() { before } else { self.lost };
        let change = self.latch.observe(error.map_or(Ok(()), |error| Err(error.class)), lost)?;
        Some(match (change, error) {
            (Change::Fails, Some(error)) => Notice::Trouble(error.message.clone()),
            (Change::Recovered { lost }, _) => Notice::Recovered { lost },
            (Change::Works | Change::Fails, _) => Notice::Working,
        })
    }
}

// === impl Notice ===

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Working => write!(f, "the first traces were exported"),
            Self::Trouble(message) => write!(f, "trace export: {message}"),
            Self::Recovered { lost: 0 } => write!(f, "traces are exported again"),
            Self::Recovered { lost } => {
                write!(f, "traces are exported again; {lost} spans were lost meanwhile")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(class: Class) -> ExportError {
        ExportError { class, message: format!("it was {class:?}") }
    }

    #[test]
    fn what_passes_by_itself_is_told_from_what_waits_for_an_operator() {
        let later = |class| Delivery::Later { trouble: trouble(class), after: None, strike: false };
        let passing = [408, 429, 500, 502, 503, 504].map(Class::Status);
        for class in passing.into_iter().chain([Class::Unreachable]) {
            assert!(later(class).is_transient(), "{class:?}");
        }
        let lasting = [301, 401, 403, 404, 501].map(Class::Status);
        for class in lasting.into_iter().chain([Class::WebPage]) {
            assert!(!later(class).is_transient(), "{class:?}");
        }
        assert!(!Delivery::Refused(trouble(Class::Status(503))).is_transient());
    }

    #[test]
    fn each_change_of_state_is_said_once() {
        let (unreachable, refused) = (trouble(Class::Unreachable), trouble(Class::Status(401)));
        let said = |what: &ExportError| Some(Notice::Trouble(what.message.clone()));
        let steps = [
            (None, 0, Some(Notice::Working)),
            (None, 0, None),
            (Some(&unreachable), 3, said(&unreachable)),
            (Some(&unreachable), 3, None),
            (Some(&refused), 3, said(&refused)),
            (None, 0, Some(Notice::Recovered { lost: 9 })),
            (None, 0, None),
            (Some(&refused), 1, said(&refused)),
            (None, 0, Some(Notice::Recovered { lost: 1 })),
        ];
        let mut state = ExportState::default();
        for (step, (trouble, lost, expected)) in steps.into_iter().enumerate() {
            assert_eq!(state.observe(trouble, lost), expected, "step {step}");
        }
    }
}
