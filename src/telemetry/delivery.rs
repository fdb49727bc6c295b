//! What came of handing a batch over, and what of that an operator should hear.

use std::fmt;

/// What came of one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Accepted,
    /// The receiver took the batch, and says that some spans were rejected (OTLP "partial success"). None rejected: a
    /// warning.
    Partial {
        rejected: u64,
        trouble: Trouble,
    },
    Failed(Trouble),
}

/// Why spans did not arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// Two troubles of the same class are one state and are said once: an HTTP status, `unreachable`.
    pub(super) class: String,
    /// What happened, where, and what to do next.
    pub(super) message: String,
}

/// Whether export works, as far as it is known: what makes one line of log out of any number of equal outcomes.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// None before the first batch.
    last: Option<Result<(), String>>,
    lost: u64,
}

/// A change that is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Working,
    Trouble(String),
    Recovered { lost: u64 },
}

// === impl Delivery ===

impl Delivery {
    /// How many of the `sent` spans are lost.
    pub(super) fn lost(&self, sent: u64) -> u64 {
        match self {
            Self::Accepted => 0,
            Self::Partial { rejected, .. } => sent.min(*rejected),
            Self::Failed(_) => sent,
        }
    }

    pub(super) fn trouble(&self) -> Option<&Trouble> {
        match self {
            Self::Accepted => None,
            Self::Partial { trouble, .. } | Self::Failed(trouble) => Some(trouble),
        }
    }
}

// === impl Standing ===

impl Standing {
    pub(super) fn observe(&mut self, delivery: &Delivery, lost: u64) -> Option<Notice> {
        self.lost += lost;
        let now = delivery.trouble().map_or(Ok(()), |trouble| Err(trouble.class.clone()));
        if self.last.as_ref() == Some(&now) {
            return None;
        }
        let before = self.last.replace(now);
        match (delivery.trouble(), before) {
            (Some(trouble), _) => Some(Notice::Trouble(trouble.message.clone())),
            (None, None) => Some(Notice::Working),
            (None, Some(_)) => Some(Notice::Recovered { lost: std::mem::take(&mut self.lost) }),
        }
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

    fn failed(class: &str) -> Delivery {
        Delivery::Failed(Trouble { class: class.to_owned(), message: format!("it was {class}") })
    }

    fn partial(rejected: u64) -> Delivery {
        let trouble = Trouble { class: "partial".to_owned(), message: "too old".to_owned() };
        Delivery::Partial { rejected, trouble }
    }

    #[test]
    fn each_change_of_state_is_said_once() {
        let mut standing = Standing::default();
        let said = [
            (Delivery::Accepted, Some(Notice::Working)),
            (Delivery::Accepted, None),
            (failed("unreachable"), Some(Notice::Trouble("it was unreachable".to_owned()))),
            (failed("unreachable"), None),
            (failed("401"), Some(Notice::Trouble("it was 401".to_owned()))),
            (Delivery::Accepted, Some(Notice::Recovered { lost: 9 })),
            (Delivery::Accepted, None),
            (partial(1), Some(Notice::Trouble("too old".to_owned()))),
            (partial(2), None),
            (Delivery::Accepted, Some(Notice::Recovered { lost: 3 })),
        ];
        for (step, (delivery, expected)) in said.into_iter().enumerate() {
            let lost = delivery.lost(3);
            assert_eq!(standing.observe(&delivery, lost), expected, "step {step}");
        }
    }

    #[test]
    fn a_receiver_cannot_reject_more_than_was_sent() {
        assert_eq!(partial(u64::MAX).lost(3), 3);
        assert_eq!(partial(0).lost(3), 0);
        assert_eq!(failed("503").lost(3), 3);
    }
}
