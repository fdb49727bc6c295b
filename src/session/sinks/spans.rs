//! The root span of each turn.

use std::collections::HashMap;

use conversation::TurnOutcome;

use crate::session::turn_record::{TurnEnd, TurnRecord, TurnSink};
use crate::telemetry::spans::{self, TurnSpan};

/// Ends the root spans of turns.
#[derive(Default)]
pub(in crate::session) struct SpanSink {
    /// The spans of the turns under way: at most the one that is being answered, and one that ends at once.
    open: HashMap<u64, TurnSpan>,
}

// === impl SpanSink ===

impl SpanSink {
    /// Takes a turn's span, whose ids the turn's record has.
    pub(in crate::session) fn opened(&mut self, turn: u64, span: TurnSpan) {
        self.open.insert(turn, span);
    }
}

impl TurnSink for SpanSink {
    fn began(&mut self, _: &TurnRecord) {}

    fn ended(&mut self, turn: &TurnRecord, end: &TurnEnd) {
        let Some(span) = self.open.remove(&turn.index) else { return };
        if let TurnOutcome::Aborted(_) = end.outcome {
            // A span that is dropped closes itself as `aborted`.
            return;
        }
        span.end(spans::TurnEnd {
            outcome: end.outcome.clone(),
            answer: &end.answer,
            usage: end.usage,
            discarded: end.discarded,
            e2e_latency: end.latency,
            spoken: end.spoken.figures,
        });
    }
}
