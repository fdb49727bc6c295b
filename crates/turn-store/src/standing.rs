//! The state of the record, and the part of it that an operator should hear: one line of log for each change.

use std::fmt;

/// The trouble with the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    pub(super) kind: TroubleKind,
    /// The event, its place, and the remedy.
    pub(super) message: String,
}

/// Two troubles of one kind are one state and are logged once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TroubleKind {
    /// Another process holds the lock.
    Busy,
    /// No room on the disk: it may pass. An open file stays open, or readers would find no room for what they need.
    Full,
    /// No permission, no such directory: it may pass.
    Unavailable,
    /// The content is no database of ours.
    Corrupt,
    /// A database of another program, or of a later version of ours.
    NotOurs,
    /// The write was refused; the same write again would be, too.
    Refused,
}

/// The last known state.
#[derive(Debug, Default)]
pub(super) struct Standing {
    /// None before the first outcome.
    last: Option<Result<(), TroubleKind>>,
    lost_before: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Working,
    Trouble(String),
    Recovered { lost: u64 },
}

// === impl Standing ===

impl Standing {
    /// Notes an outcome. `lost` counts the turns that were lost so far.
    pub(super) fn observe(&mut self, outcome: Result<(), &Trouble>, lost: u64) -> Option<Notice> {
        let now = outcome.map_err(|trouble| trouble.kind);
        if self.last == Some(now) {
            return None;
        }
        let before = self.last.replace(now);
        match (outcome, before) {
            (Err(trouble), _) => Some(Notice::Trouble(trouble.message.clone())),
            (Ok(()), None) => Some(Notice::Working),
            (Ok(()), Some(_)) => {
                let since = lost.saturating_sub(std::mem::replace(&mut self.lost_before, lost));
                Some(Notice::Recovered { lost: since })
            }
        }
    }
}

// === impl Notice ===

impl Notice {
    pub(super) fn say(&self) {
        match self {
            Self::Working => tracing::debug!("{self}"),
            Self::Recovered { .. } => tracing::warn!("{self}"),
            Self::Trouble(_) => tracing::error!("{self}"),
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Working => write!(f, "turns are recorded"),
            Self::Trouble(message) => write!(f, "the record of sessions: {message}"),
            Self::Recovered { lost: 0 } => write!(f, "turns are recorded again; none was lost"),
            Self::Recovered { lost } => write!(f, "turns are recorded again; {lost} were lost meanwhile"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_of_state_is_said_once() {
        let mut standing = Standing::default();
        let trouble = |kind| Trouble { kind, message: format!("{kind:?}") };
        let (busy, full) = (trouble(TroubleKind::Busy), trouble(TroubleKind::Unavailable));
        let said = [
            (Ok(()), 0, Some(Notice::Working)),
            (Ok(()), 0, None),
            (Err(&busy), 0, Some(Notice::Trouble("Busy".to_owned()))),
            (Err(&busy), 2, None),
            (Err(&full), 3, Some(Notice::Trouble("Unavailable".to_owned()))),
            (Ok(()), 5, Some(Notice::Recovered { lost: 5 })),
            (Err(&full), 5, Some(Notice::Trouble("Unavailable".to_owned()))),
            (Ok(()), 6, Some(Notice::Recovered { lost: 1 })),
        ];
        for (step, (outcome, lost, expected)) in said.into_iter().enumerate() {
            assert_eq!(standing.observe(outcome, lost), expected, "step {step}");
        }
    }
}
