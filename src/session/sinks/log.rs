//! A log line for each turn.

use std::collections::BTreeSet;
use std::time::Duration;

use conversation::{TurnOutcome, Usage};

use crate::session::turn_record::{TurnEnd, TurnRecord, TurnSink, Unasked};
use crate::telemetry::spans::SpokenFigures;

#[derive(Default)]
pub(in crate::session) struct TurnLog {
    /// The fields of the provider's streams that could not be read and were logged.
    skipped: BTreeSet<&'static str>,
}

// === impl TurnLog ===

impl TurnSink for TurnLog {
    fn began(&mut self, _: &TurnRecord) {}

    fn ended(&mut self, turn: &TurnRecord, end: &TurnEnd) {
        match (&end.outcome, end.unasked) {
            (TurnOutcome::Failed(_) | TurnOutcome::Aborted(_), _) => log_failure(turn, end),
            (_, Some(why)) => log_unasked(turn, why),
            (TurnOutcome::Answered, None) => log(turn, end, "turn answered"),
            (TurnOutcome::Interrupted, None) => log(turn, end, "turn interrupted"),
        }
        self.log_skipped(turn.index, &end.skipped);
    }
}

impl TurnLog {
    /// Logs each field once in a session: servers that send a field oddly do so in every turn.
    fn log_skipped(&mut self, turn: u64, skipped: &BTreeSet<&'static str>) {
        let fields: Vec<&str> = skipped.difference(&self.skipped).copied().collect();
        if fields.is_empty() {
            return;
        }
        tracing::warn!(
            turn,
            fields = fields.join(", "),
            "the model's server sent what could not be read; it was skipped"
        );
        self.skipped.extend(skipped);
    }
}

fn log_unasked(turn: &TurnRecord, why: Unasked) {
    let TurnRecord { index: turn, trace_id, span_id, .. } = turn;
    let what = match why {
        Unasked::Overtaken => "turn overtaken by the next before it was asked",
        Unasked::Deleted => "turn deleted by its speaker before it was asked",
        Unasked::Unheard => "turn not understood",
    };
    tracing::info!(turn, trace_id, span_id, "{what}");
}

fn log_failure(turn: &TurnRecord, end: &TurnEnd) {
    let TurnRecord { index: turn, trace_id, span_id, speaker, started, .. } = turn;
    let total_ms = end.ended.saturating_duration_since(*started).as_millis();
    let attempts = end.attempts.len();
    match &end.outcome {
        TurnOutcome::Failed(failure) => {
            let (class, why) = (&failure.class, &failure.message);
            tracing::error!(
                turn,
                speaker,
                trace_id,
                span_id,
                total_ms,
                attempts,
                class,
                "turn failed: {why}"
            );
        }
        _ => tracing::error!(
            turn,
            speaker,
            trace_id,
            span_id,
            "the session broke down in the middle of this turn"
        ),
    }
}

fn log(turn: &TurnRecord, end: &TurnEnd, how: &str) {
    let TurnRecord { index: turn, trace_id, span_id, speaker, started, .. } = turn;
    let total_ms = end.ended.saturating_duration_since(*started).as_millis();
    let first_word_ms = end.latency.map(|latency| latency.as_millis());
    let Usage { input, output, estimated, .. } = end.usage;
    let attempts = end.attempts.len();
    let ms = |time: Option<Duration>| time.map(|time| time.as_millis());
    let SpokenFigures { transcription_delay, end_of_turn_delay, tts_ttfb, heard, played, .. } =
        end.spoken.figures;
    // The usual reason is not logged.
    let finish_reason = end.finish_reason.as_deref().filter(|reason| *reason != "stop");
    tracing::info!(
        turn,
        speaker,
        trace_id,
        span_id,
        first_word_ms,
        end_of_turn_ms = ms(end_of_turn_delay),
        transcript_ms = ms(transcription_delay),
        tts_ms = ms(tts_ttfb),
        heard_ms = ms(heard),
        played_ms = ms(played),
        total_ms,
        attempts,
        input,
        output,
        estimated,
        finish_reason,
        "{how}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tests as log;

    #[test]
    fn an_unreadable_field_is_logged_once_in_a_session() {
        let mut turns = TurnLog::default();
        let mut turn = |fields: &[&'static str]| {
            let skipped = fields.iter().copied().collect();
            log::said(|| turns.log_skipped(0, &skipped))
        };
        assert!(turn(&["content", "usage"]).contains("content, usage"));
        assert_eq!(turn(&["usage"]), "");
        let other = turn(&["id", "usage"]);
        assert!(other.contains("fields=\"id\"") || other.contains("fields=id"), "{other}");
    }
}
