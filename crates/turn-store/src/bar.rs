//! A turn as a waterfall: its stages and attempts on the time axis of the turn, whatever the medium it is drawn in.

use super::turn::{Attempt, Stage, Status, Turn};

/// One line of the waterfall.
#[derive(Clone, Debug, PartialEq)]
pub struct Bar<'a> {
    /// None: the turn itself.
    pub attempt: Option<&'a Attempt>,
    /// Shares of the turn's time, 0 to 1.
    pub from: f64,
    pub until: f64,
    /// The place of the first word, or of the first sound; the part before it is waiting.
    pub first_word: Option<f64>,
    pub length_us: i64,
    pub is_bad: bool,
}

/// The turn first, then its attempts in the order they began. Nothing for a turn whose end is unknown.
pub fn bars(turn: &Turn) -> Vec<Bar<'_>> {
    let (Some(end), Some(total)) = (&turn.end, turn.total_us()) else { return Vec::new() };
    // A spoken turn begins before its question is put to the model, and perhaps before its last speech.
    let said = end.speech.last_speech_us.unwrap_or(turn.started_us);
    let model = end.attempts.iter().find(|attempt| attempt.stage == Stage::Llm);
    let asked = model.map_or(turn.started_us, |attempt| attempt.started_us);
    let share = |us: i64| (us.saturating_sub(turn.started_us) as f64 / total.max(1) as f64).clamp(0.0, 1.0);
    let whole = Bar {
        attempt: None,
        from: 0.0,
        until: 1.0,
        first_word: end.e2e_us.map(|us| share(said.saturating_add(us))),
        length_us: total,
        is_bad: matches!(turn.status(), Status::Failed | Status::Aborted),
    };
    let attempts = end.attempts.iter().map(|attempt| {
        let (from, until) = (share(attempt.started_us), share(attempt.ended_us));
        // Of the model only the first word of all attempts is known, counted from the question.
        let words = end.ttft_us.filter(|_| attempt.stage == Stage::Llm).map(|us| asked.saturating_add(us));
        let first = attempt.first_us.or(words).map(share);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::spoken_turn;

    #[test]
    fn a_spoken_turn_has_a_bar_for_each_service_where_it_was_asked() {
        let turn = spoken_turn();
        let bars = bars(&turn);
        let places: Vec<_> = bars
            .iter()
            .map(|bar| {
                let stage = bar.attempt.map_or("turn", |attempt| attempt.stage.as_str());
                let at = |share: f64| (share * 2000.0).round() as i64;
                (stage, at(bar.from), bar.first_word.map(at), at(bar.until))
            })
            .collect();
        let expected = [
            ("turn", 0, Some(810), 2000),
            ("stt", 20, Some(180), 180),
            ("llm", 500, Some(700), 900),
            ("tts", 710, Some(800), 1000),
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn the_first_sound_is_counted_from_the_last_speech() {
        let mut turn = spoken_turn();
        turn.started_us -= 1_000_000;
        assert_eq!(bars(&turn)[0].first_word, Some(1810.0 / 3000.0));
    }
}
