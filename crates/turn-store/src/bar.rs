//! A turn as a waterfall: its stages and attempts on the time axis of the turn, whatever the medium it is drawn in.

use super::turn::{Attempt, Status, Turn};

/// One line of the waterfall.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar<'a> {
    /// None: the turn itself.
    pub attempt: Option<&'a Attempt>,
    /// Shares of the turn's time, 0 to 1.
    pub from: f64,
    pub until: f64,
    /// The place of the first word; the part before it is waiting.
    pub first_word: Option<f64>,
    pub length_us: i64,
    pub is_bad: bool,
}

/// The turn first, then its attempts in the order they began. Nothing for a turn whose end is unknown.
pub fn bars(turn: &Turn) -> Vec<Bar<'_>> {
    let (Some(end), Some(total)) = (&turn.end, turn.total_us()) else { return Vec::new() };
    let share = |us: i64| (us.saturating_sub(turn.started_us) as f64 / total.max(1) as f64).clamp(0.0, 1.0);
    let whole = Bar {
        attempt: None,
        from: 0.0,
        until: 1.0,
        first_word: end.e2e_us.map(|us| share(turn.started_us.saturating_add(us))),
        length_us: total,
        is_bad: matches!(turn.status(), Status::Failed | Status::Aborted),
    };
    let attempts = end.attempts.iter().map(|attempt| {
        let (from, until) = (share(attempt.started_us), share(attempt.ended_us));
        let first = end.ttft_us.map(|us| share(turn.started_us.saturating_add(us)));
        Bar {
            attempt: Some(attempt),
            from,
            until,
            first_word: first.filter(|first| (from..=until).contains(first)),
            length_us: attempt.ended_us.saturating_sub(attempt.started_us),
            is_bad: attempt.error.is_some(),
        }
    });
    std::iter::once(whole).chain(attempts).collect()
}
