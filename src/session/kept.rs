//! A session's turns as the local record keeps them.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime};

use conversation::{Failure, Utterance};
use turn_store::{Attempt, End, Outcome, Record, Stage, Turn, length_us, micros};

use crate::llm::AttemptReport;
use crate::room::Place;
use crate::telemetry::spans::TurnSpan;

use super::machine::{TurnEnding, TurnResult};

/// Hands the turns of one session to the local record.
pub(super) struct Keeper {
    record: Record,
    place: Place,
    agent: String,
    /// When the last turn started.
    latest_us: AtomicI64,
}

/// A turn under way, as it stands in the record.
pub(super) struct Kept {
    turn: Turn,
    started: Instant,
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn new(record: Record, place: &Place, agent: &str) -> Self {
        Self { record, place: place.clone(), agent: agent.to_owned(), latest_us: AtomicI64::new(0) }
    }

    /// For tests: keeps nothing.
    #[cfg(test)]
    pub(super) fn nothing(session_id: &str) -> Self {
        let place =
            Place { room: "room".to_owned(), sid: session_id.to_owned(), identity: "agent".to_owned() };
        Self::new(Record::off(), &place, "agent")
    }

    pub(super) fn session_id(&self) -> &str {
        &self.place.sid
    }

    pub(super) fn begin(&self, span: &TurnSpan, index: u64, utterance: &Utterance) -> Kept {
        let turn = Turn {
            span_id: span.span_id(),
            trace_id: span.trace_id(),
            session: self.place.sid.clone(),
            room: self.place.room.clone(),
            agent: self.agent.clone(),
            speaker: self.record.speaker(&utterance.speaker),
            index,
            started_us: self.start(micros(SystemTime::now())),
            question: self.record.said(&utterance.text),
            end: None,
        };
        self.record.put(turn.clone());
        Kept { turn, started: Instant::now() }
    }

    pub(super) fn end(&self, kept: Kept, result: &TurnResult) {
        let answer = &result.answer;
        let attempts = answer.attempts.iter().zip(1..);
        let end = End {
            outcome: self.outcome(&result.outcome),
            ended_us: Some(kept.at(Instant::now())),
            answer: (!answer.text.is_empty()).then(|| self.record.said(&answer.text)).flatten(),
            model: answer.model.clone(),
            finish_reason: answer.finish_reason.clone(),
            usage: answer.usage,
            ttft_us: answer.time_to_first_token.map(length_us),
            e2e_us: result.latency.map(length_us),
            attempts: attempts.map(|(report, number)| self.attempt(&kept, report, number)).collect(),
        };
        self.record.put(Turn { end: Some(end), ..kept.turn });
    }

    /// For a turn whose session broke down.
    pub(super) fn abort(&self, kept: Kept) {
        let message = "the session broke down in the middle of this turn; see the log".to_owned();
        let end = End {
            outcome: Outcome::Aborted(Failure { class: "aborted".to_owned(), message }),
            ended_us: Some(kept.at(Instant::now())),
            ..End::unknown()
        };
        self.record.put(Turn { end: Some(end), ..kept.turn });
    }

    /// The start of the next turn: after the last one, since that is their order, also when the system's clock was set
    /// back.
    fn start(&self, now_us: i64) -> i64 {
        let next = |latest: i64| now_us.max(latest.saturating_add(1));
        let before =
            self.latest_us.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |latest| Some(next(latest)));
        before.map_or(now_us, next)
    }

    fn outcome(&self, ending: &TurnEnding) -> Outcome {
        match ending {
            TurnEnding::Answered => Outcome::Answered,
            TurnEnding::Interrupted => Outcome::Interrupted,
            TurnEnding::Failed(failure) => Outcome::Failed(self.record.failure(failure)),
        }
    }

    fn attempt(&self, kept: &Kept, report: &AttemptReport, number: u32) -> Attempt {
        Attempt {
            stage: Stage::Llm,
            number,
            started_us: kept.at(report.started),
            ended_us: kept.at(report.ended),
            http_status: report.http_status,
            error: report.failure.as_ref().map(|failure| self.record.failure(failure)),
        }
    }
}

// === impl Kept ===

impl Kept {
    /// The record's time of an instant. It only goes forward, even when the system's clock is set during the turn.
    fn at(&self, instant: Instant) -> i64 {
        self.turn.started_us.saturating_add(length_us(instant.saturating_duration_since(self.started)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_keep_their_order_when_the_clock_is_set_back() {
        let keeper = Keeper::nothing("RM_1");
        let starts = [7_000, 7_010, 3_000, 3_005, 7_100].map(|now| keeper.start(now));
        assert_eq!(starts, [7_000, 7_010, 7_011, 7_012, 7_100]);
    }
}
