//! A turn as it is recorded, and the seam to the places that record it: spans, the local store, metrics and the log.
//!
//! All of its texts are in the form in which they may be recorded.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use conversation::{Failure, TurnOutcome, Usage};
use redaction::{Privacy, Recorded};

use crate::llm::{Answer, AttemptReport};
use crate::metrics::Phase;
use crate::telemetry::spans::SpokenTimes;

use super::machine::TurnResult;

/// A place that records turns. Never waits.
pub(super) trait TurnSink {
    fn began(&mut self, turn: &TurnRecord);

    /// Comes once for each turn that began.
    fn ended(&mut self, turn: &TurnRecord, end: &TurnEnd);
}

/// A turn that began.
#[derive(Clone, Debug)]
pub(super) struct TurnRecord {
    /// Counted from 0 in each session.
    pub(super) index: u64,
    pub(super) trace_id: String,
    /// The root span's id.
    pub(super) span_id: String,
    pub(super) speaker: String,
    pub(super) question: Recorded,
    pub(super) started: Instant,
    /// Microseconds since 1970.
    pub(super) started_us: i64,
}

/// The end of a turn.
#[derive(Clone, Debug)]
pub(super) struct TurnEnd {
    pub(super) outcome: TurnOutcome,
    pub(super) ended: Instant,
    /// None: the turn was put to the model.
    pub(super) unasked: Option<Unasked>,
    pub(super) answer: Recorded,
    /// From the end of the utterance to the first word of the reply.
    pub(super) latency: Option<Duration>,
    pub(super) spoken: SpokenTimes,
    pub(super) usage: Usage,
    /// What calls cost that were made before the turn had ended, and in vain.
    pub(super) discarded: Usage,
    /// From the question to the first word of the model.
    pub(super) time_to_first_token: Option<Duration>,
    pub(super) model: Option<String>,
    pub(super) finish_reason: Option<String>,
    pub(super) attempts: Vec<AttemptReport>,
    /// The fields of the provider's stream that could not be read, by name.
    pub(super) skipped: BTreeSet<&'static str>,
}

/// Why a turn was never put to the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unasked {
    /// The next turn came before.
    Overtaken,
    /// Its speaker deleted the message.
    Deleted,
}

// === impl TurnEnd ===

impl TurnEnd {
    /// `answer` is the recordable form of the result's text.
    pub(super) fn new(result: TurnResult, answer: Recorded, privacy: &Privacy) -> Self {
        let TurnResult { outcome, answer: Answer { attempts, .. }, .. } = &result;
        let attempts = attempts.iter().map(|attempt| AttemptReport {
            failure: attempt.failure.as_ref().map(|failure| recorded_failure(failure, privacy)),
            ..attempt.clone()
        });
        Self {
            outcome: recorded_outcome(outcome, privacy),
            ended: Instant::now(),
            unasked: None,
            answer,
            latency: result.latency,
            spoken: SpokenTimes::default(),
            attempts: attempts.collect(),
            usage: result.answer.usage,
            discarded: Usage::default(),
            time_to_first_token: result.answer.time_to_first_token,
            model: result.answer.model,
            finish_reason: result.answer.finish_reason,
            skipped: result.answer.skipped,
        }
    }

    /// `answer` is the recordable form of an empty text.
    pub(super) fn unasked(why: Unasked, answer: Recorded) -> Self {
        Self { unasked: Some(why), answer, ..Self::without_answer(TurnOutcome::Interrupted) }
    }

    /// The end of a turn that was never put to the model, since its words are not known.
    pub(super) fn failed(failure: Failure) -> Self {
        Self::without_answer(TurnOutcome::Failed(failure))
    }

    /// The end of a turn whose session broke down.
    pub(super) fn aborted() -> Self {
        let failure = Failure::aborted("the session broke down in the middle of this turn; see the log");
        Self::without_answer(TurnOutcome::Aborted(failure))
    }

    /// The stage of the turn at its end.
    pub(super) fn phase(&self) -> Phase {
        match (self.unasked, self.latency) {
            (Some(_), _) => Phase::Waiting,
            (None, None) => Phase::Thinking,
            (None, Some(_)) => Phase::Speaking,
        }
    }

    fn without_answer(outcome: TurnOutcome) -> Self {
        Self {
            outcome,
            ended: Instant::now(),
            unasked: None,
            answer: Recorded::default(),
            latency: None,
            spoken: SpokenTimes::default(),
            usage: Usage::default(),
            discarded: Usage::default(),
            time_to_first_token: None,
            model: None,
            finish_reason: None,
            attempts: Vec::new(),
            skipped: BTreeSet::new(),
        }
    }
}

fn recorded_outcome(outcome: &TurnOutcome, privacy: &Privacy) -> TurnOutcome {
    match outcome {
        TurnOutcome::Failed(failure) => TurnOutcome::Failed(recorded_failure(failure, privacy)),
        TurnOutcome::Aborted(failure) => TurnOutcome::Aborted(recorded_failure(failure, privacy)),
        TurnOutcome::Answered | TurnOutcome::Interrupted => outcome.clone(),
    }
}

fn recorded_failure(failure: &Failure, privacy: &Privacy) -> Failure {
    Failure { class: failure.class.clone(), message: privacy.message(&failure.message) }
}
