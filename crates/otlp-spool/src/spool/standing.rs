//! The state of the disk, by which any number of equal outcomes make one line of log.

use std::fmt;
use std::io;

/// The last known state of the disk.
#[derive(Debug, Default)]
pub(super) struct Standing {
    trouble: Option<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    kind: io::ErrorKind,
    /// The spans that were lost before the trouble began.
    lost_before: u64,
}

/// A change that is worth a line in the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Notice {
    Fails(String),
    Works { lost: u64 },
}

// === impl Standing ===

impl Standing {
    /// Whether the last write to the disk succeeded.
    pub(super) fn is_good(&self) -> bool {
        self.trouble.is_none()
    }

    /// Takes note of a failed write. `lost` counts the spans that were lost so far.
    pub(super) fn failed(&mut self, error: &io::Error, lost: u64) -> Option<Notice> {
        let before = self.trouble.as_ref();
        if before.is_some_and(|trouble| trouble.kind == error.kind()) {
            return None;
        }
        let lost_before = before.map_or(lost, |trouble| trouble.lost_before);
        self.trouble = Some(Trouble { kind: error.kind(), lost_before });
        Some(Notice::Fails(error.to_string()))
    }

    /// Takes note of a whole batch that was written. Only that proves it: a short record may fit where a batch does
    /// not.
    pub(super) fn worked(&mut self, lost: u64) -> Option<Notice> {
        let trouble = self.trouble.take()?;
        Some(Notice::Works { lost: lost.saturating_sub(trouble.lost_before) })
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
        let mut standing = Standing::default();
        assert_eq!((standing.worked(0), standing.is_good()), (None, true));
        assert_eq!(standing.failed(&full, 3), said(&full));
        assert_eq!((standing.failed(&full, 4), standing.is_good()), (None, false));
        assert_eq!(standing.failed(&denied, 5), said(&denied));
        assert_eq!(standing.worked(9), Some(Notice::Works { lost: 6 }));
        assert_eq!((standing.worked(9), standing.is_good()), (None, true));
        assert_eq!(standing.failed(&full, 9), said(&full));
        assert_eq!(standing.worked(9), Some(Notice::Works { lost: 0 }));
    }
}
