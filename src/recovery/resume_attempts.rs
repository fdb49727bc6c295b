//! Counts the returns to a session, so that a session which breaks its worker is not taken up for ever: pure.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

/// A session that is torn out of its room again after less than this has won nothing by our return.
const STEADY: Duration = Duration::from_secs(60);
/// This many returns in a row that win nothing are enough.
const MOST: u32 = 3;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ResumeAttempts {
    in_a_row: u32,
    last: Option<SystemTime>,
}

// === impl ResumeAttempts ===

impl ResumeAttempts {
    /// Counts a return.
    pub(super) fn count(&mut self, now: SystemTime) {
        self.in_a_row = if self.is_soon(now) { self.in_a_row + 1 } else { 1 };
        self.last = Some(now);
    }

    /// Whether the session, torn out of the room again at `now`, has had enough returns, so that no worker goes back
    /// once more.
    pub(super) fn are_enough(&self, now: SystemTime) -> bool {
        self.in_a_row >= MOST && self.is_soon(now)
    }

    /// A clock that was set back counts as soon.
    fn is_soon(&self, now: SystemTime) -> bool {
        self.last.is_some_and(|last| now.duration_since(last).unwrap_or_default() < STEADY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_returns_that_do_not_last_are_enough_and_a_steady_one_starts_anew() {
        let (mut returns, mut now) = (ResumeAttempts::default(), SystemTime::UNIX_EPOCH);
        for _ in 0..MOST {
            assert!(!returns.are_enough(now));
            returns.count(now);
            now += Duration::from_secs(5);
        }
        assert!(returns.are_enough(now));
        assert!(!returns.are_enough(now + STEADY), "it held for a minute");
        returns.count(now + STEADY);
        assert!(!returns.are_enough(now + STEADY));
    }
}
