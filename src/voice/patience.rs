//! How long the text of a reply waits for its sound: pure.

use std::time::{Duration, Instant};

/// Sound that is later than this is not waited for by the text.
const LET_GO: Duration = Duration::from_secs(5);
/// The same behind a reply whose sound was late or failed.
const LET_GO_IN_DOUBT: Duration = Duration::from_secs(2);
/// Sound that is later than this does not come. Providers give up sooner.
const GIVE_UP: Duration = Duration::from_secs(75);

/// The wait of one segment.
#[derive(Debug)]
pub(super) struct Patience {
    let_go: Duration,
    /// Since when sound is due and none is there.
    since: Option<Instant>,
    has_let_go: bool,
}

/// What is to be done about sound that does not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The text is written without it.
    LetGo,
    /// It is not waited for any more.
    GiveUp,
}

// === impl Patience ===

impl Patience {
    /// `in_doubt`: the sound of the segment before was late, or failed.
    pub(super) fn new(in_doubt: bool) -> Self {
        let let_go = if in_doubt { LET_GO_IN_DOUBT } else { LET_GO };
        Self { let_go, since: None, has_let_go: false }
    }

    /// `is_due`: the segment should sound now, and has nothing to be played.
    pub(super) fn step(&mut self, now: Instant, is_due: bool) -> Option<Verdict> {
        if !is_due {
            self.since = None;
            return None;
        }
        let waited = now.saturating_duration_since(*self.since.get_or_insert(now));
        if waited >= GIVE_UP {
            return Some(Verdict::GiveUp);
        }
        let is_over =
            waited >= self.let_go && !std::mem::replace(&mut self.has_let_go, waited >= self.let_go);
        is_over.then_some(Verdict::LetGo)
    }

    /// When [`Patience::step`] is to be called again.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let wait = if self.has_let_go { GIVE_UP } else { self.let_go };
        self.since.map(|since| since + wait)
    }

    /// Whether the text went ahead.
    pub(super) fn has_let_go(&self) -> bool {
        self.has_let_go
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn text_waits_five_seconds_for_late_sound_and_is_let_go_once() {
        let (mut patience, now) = (Patience::new(false), Instant::now());
        assert_eq!(patience.step(now, true), None);
        assert_eq!(patience.deadline(), Some(now + LET_GO));
        assert_eq!(patience.step(now + LET_GO - SECOND, true), None);
        assert_eq!(patience.step(now + LET_GO, true), Some(Verdict::LetGo));
        assert!(patience.has_let_go());
        assert_eq!(patience.step(now + LET_GO + SECOND, true), None);
        assert_eq!(patience.deadline(), Some(now + GIVE_UP));
        assert_eq!(patience.step(now + GIVE_UP, true), Some(Verdict::GiveUp));
    }

    #[test]
    fn text_waits_less_behind_a_reply_whose_sound_failed() {
        let (mut patience, now) = (Patience::new(true), Instant::now());
        patience.step(now, true);
        assert_eq!(patience.step(now + LET_GO_IN_DOUBT, true), Some(Verdict::LetGo));
    }

    #[test]
    fn sound_that_comes_ends_the_wait() {
        let (mut patience, mut now) = (Patience::new(false), Instant::now());
        for _ in 0..10 {
            assert_eq!(patience.step(now, true), None);
            now += LET_GO - SECOND;
            assert_eq!(patience.step(now, true), None);
            assert_eq!(patience.step(now, false), None);
            assert_eq!(patience.deadline(), None);
        }
        assert!(!patience.has_let_go());
    }
}
