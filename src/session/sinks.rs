//! The places that record the turns of a session.

mod log;
mod spans;
mod store;

pub(super) use self::log::TurnLog;
pub(super) use self::spans::SpanSink;
pub(super) use self::store::StoreSink;

use crate::metrics::Metrics;

use super::turn_record::{TurnEnd, TurnRecord, TurnSink};

impl TurnSink for Metrics {
    fn began(&mut self, _: &TurnRecord) {}

    fn ended(&mut self, turn: &TurnRecord, end: &TurnEnd) {
        let duration = end.unasked.is_none().then(|| end.ended.saturating_duration_since(turn.started));
        self.turn_ended(&end.outcome, end.phase(), end.latency, duration);
    }
}
