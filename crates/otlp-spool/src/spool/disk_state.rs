//! The state of the disk, by which any number of equal outcomes make one line of log.

use std::fmt;
use std::io;

use bounded::{Change, Latch};

/// The last known state of the disk.
#[derive(Debug, Default)]
pub(super) struct DiskState {
    latch: Latch<io::ErrorKind>,
}

/// A change that is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Fails(String),
    Works { lost: u64 },
}

// === impl DiskState ===

impl DiskState {
    /// Whether the last write to the disk succeeded.
    pub(super) fn is_good(&self) -> bool {
        self.latch.is_good()
    }

    /// Takes note of a failed write. `lost` counts the spans that were lost so far.
    pub(super) fn failed(&mut self, error: &io::Error, lost: u64) -> Option<Notice> {
        self.latch.observe(Err(error.kind()), lost).map(|_| Notice::Fails(error.to_string()))
    }

    /// Takes note of a whole batch that was written. Only that proves it: a short record may fit where a batch does
    /// not.
    pub(super) fn worked(&mut self, lost: u64) -> Option<Notice> {
        match self.latch.observe(Ok(()), lost)? {
            Change::Recovered { lost } => Some(Notice::Works { lost }),
            Change::Works | Change::Fails => None,
        }
    }
}

// === impl Notice ===

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fails(error) => write!(
                f,
                "the trace spool cannot be written: {error}; traces are kept in memory, and a crash would lose them"
            ),
            Self::Works { lost: 0 } => write!(f, "the trace spool is written again; no span was lost"),
            Self::Works { lost } => {
                write!(f, "the trace spool is written again; {lost} spans were lost meanwhile")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_change_is_said_once_with_what_was_lost_since() {
        let error = |kind: io::ErrorKind| io::Error::from(kind);
        let (full, denied) = (error(io::ErrorKind::StorageFull), error(io::ErrorKind::PermissionDenied));
        let said = |error: &io::Error| Some(Notice::Fails(error.to_string()));
        let mut state = DiskState::default();
        assert_eq!((state.worked(0), state.is_good()), (None, true));
        assert_eq!(state.failed(&full, 3), said(&full));
        assert_eq!((state.failed(&full, 4), state.is_good()), (None, false));
        assert_eq!(state.failed(&denied, 5), said(&denied));
        assert_eq!(state.worked(9), Some(Notice::Works { lost: 6 }));
        assert_eq!((state.worked(9), state.is_good()), (None, true));
        assert_eq!(state.failed(&full, 9), said(&full));
        assert_eq!(state.worked(9), Some(Notice::Works { lost: 0 }));
    }
}
