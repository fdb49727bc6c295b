//! A session's turns in the local store.

use std::time::Instant;

use turn_store::{Attempt, End, Speech, Stage, Store, Turn, length_us};

use crate::llm::AttemptReport;
use crate::room::Place;
use crate::session::turn_record::{TurnEnd, TurnRecord, TurnSink};

/// Hands the turns of one session to the local store.
pub(in crate::session) struct StoreSink {
    store: Store,
    place: Place,
    agent: String,
}

// === impl StoreSink ===

impl StoreSink {
    pub(in crate::session) fn new(store: Store, place: &Place, agent: &str) -> Self {
        Self { store, place: place.clone(), agent: agent.to_owned() }
    }

    fn put(&self, turn: &TurnRecord, end: Option<End>) {
        self.store.put(Turn {
            span_id: turn.span_id.clone(),
            trace_id: turn.trace_id.clone(),
            session: self.place.sid.clone(),
            room: self.place.room.clone(),
            agent: self.agent.clone(),
            speaker: turn.speaker.clone(),
            index: turn.index,
            started_us: turn.started_us,
            question: turn.question.clone(),
            end,
        });
    }
}

impl TurnSink for StoreSink {
    fn began(&mut self, turn: &TurnRecord) {
        self.put(turn, None);
    }

    fn ended(&mut self, turn: &TurnRecord, end: &TurnEnd) {
        let attempts = end.attempts.iter().zip(1..);
        let end = End {
            outcome: end.outcome.clone(),
            ended_us: Some(turn.at_us(end.ended)),
            answer: end.answer.clone().unless_empty(),
            model: end.model.clone(),
            finish_reason: end.finish_reason.clone(),
            usage: end.usage,
            ttft_us: end.time_to_first_token.map(length_us),
            e2e_us: end.latency.map(length_us),
            speech: Speech::default(),
            attempts: attempts.map(|(report, number)| turn.attempt(report, number)).collect(),
        };
        self.put(turn, Some(end));
    }
}

// === impl TurnRecord ===

impl TurnRecord {
    /// Microseconds since 1970. They only go forward, even when the system's clock is set during the turn.
    fn at_us(&self, instant: Instant) -> i64 {
        self.started_us.saturating_add(length_us(instant.saturating_duration_since(self.started)))
    }

    fn attempt(&self, report: &AttemptReport, number: u32) -> Attempt {
        Attempt {
            stage: Stage::Llm,
            number,
            started_us: self.at_us(report.started),
            ended_us: self.at_us(report.ended),
            first_us: None,
            http_status: report.http_status,
            error: report.failure.clone(),
        }
    }
}
