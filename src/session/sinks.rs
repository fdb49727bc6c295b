//! The places that record the turns of a session.

mod log;
mod spans;
mod store;

pub(super) use self::log::TurnLog;
pub(super) use self::spans::SpanSink;
pub(super) use self::store::StoreSink;

use crate::metrics::{Metrics, Spoken};

use super::turn_record::{TurnEnd, TurnRecord, TurnSink};

impl TurnSink for Metrics {
    fn began(&mut self, _: &TurnRecord) {}

    fn ended(&mut self, turn: &TurnRecord, end: &TurnEnd) {
        let duration = end.unasked.is_none().then(|| end.ended.saturating_duration_since(turn.started));
        self.turn_ended(&end.outcome, end.phase, end.latency, duration);
        let figures = end.spoken.figures;
        self.turn_spoken(&Spoken {
            e2e_latency: end.spoken.e2e_latency,
            transcription_delay: figures.transcription_delay,
            end_of_turn_delay: figures.end_of_turn_delay,
            tts_ttfb: figures.tts_ttfb,
            heard: figures.heard.unwrap_or_default(),
            played: figures.played.unwrap_or_default(),
        });
    }
}
