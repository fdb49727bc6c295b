//! The trouble with the file, and the log line for each change of its state.

use bounded::Change;
use thiserror::Error;

/// The trouble with the file.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Trouble {
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

/// Logs a change of the file's state, for this reason.
pub(super) fn log(change: Change, trouble: Option<&Trouble>) {
    match (change, trouble) {
        (Change::Fails, trouble) => {
            let message = trouble.map(|trouble| trouble.message.as_str()).unwrap_or_default();
            tracing::error!("the record of sessions: {message}");
        }
        (Change::Works, _) => tracing::debug!("turns are recorded"),
        (Change::Recovered { lost: 0 }, _) => tracing::warn!("turns are recorded again; none was lost"),
        (Change::Recovered { lost }, _) => {
            tracing::warn!("turns are recorded again; {lost} were lost meanwhile");
        }
    }
}
