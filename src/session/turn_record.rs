//! A turn as it is recorded, and the seam to the places that record it: spans, the local store, metrics and the log.
//!
//! All of its texts are in the form in which they may be recorded.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use conversation::{Failure, TurnOutcome, Usage};
use redaction::{Privacy, Recorded};

use crate::llm::{Answer, AttemptReport};
use crate::metrics::Phase;

use super::machine::TurnResult;
use super::spoken_record::SpokenRecord;

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
    /// When it was put to the model.
    pub(super) started: Instant,
    /// When its trace begins: of a spoken turn, before that.
    pub(super) began: Instant,
    /// The same, in microseconds since 1970.
    pub(super) began_us: i64,
}

/// The end of a turn.
#[derive(Clone, Debug)]
pub(super) struct TurnEnd {
    pub(super) outcome: TurnOutcome,
    pub(super) ended: Instant,
    /// None: the turn was put to the model.
    pub(super) unasked: Option<Unasked>,
    pub(super) answer: Recorded,
    /// How far it had come.
    pub(super) phase: Phase,
    /// From the end of the utterance to the first word of the reply, or to its first sound.
    pub(super) latency: Option<Duration>,
    pub(super) spoken: SpokenRecord,
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
    /// Its words are not known.
    Unheard,
}

// === impl TurnEnd ===

impl TurnEnd {
    /// `answer` is the recordable form of the result's text.
    pub(super) fn new(result: TurnResult, answer: Recorded, spoken: SpokenRecord, privacy: &Privacy) -> Self {
        let TurnResult { outcome, answer: Answer { attempts, .. }, latency } = &result;
        let phase = if latency.is_some() { Phase::Speaking } else { Phase::Thinking };
        let attempts = attempts.iter().map(|attempt| AttemptReport {
            failure: attempt.failure.as_ref().map(|failure| recorded_failure(failure, privacy)),
            ..attempt.clone()
        });
        Self {
            outcome: recorded_outcome(outcome, privacy),
            ended: Instant::now(),
            unasked: None,
            answer,
            phase,
            latency: spoken.latency(result.latency),
            spoken: recorded_speech(spoken, outcome, privacy),
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
    pub(super) fn unasked(why: Unasked, answer: Recorded, spoken: SpokenRecord, privacy: &Privacy) -> Self {
        let outcome = TurnOutcome::Interrupted;
        Self {
            unasked: Some(why),
            answer,
            phase: Phase::Waiting,
            spoken: recorded_speech(spoken, &outcome, privacy),
            ..Self::without_answer(outcome)
        }
    }

    /// The end of a turn whose words are not known.
    pub(super) fn unheard(failure: &Failure, spoken: SpokenRecord, privacy: &Privacy) -> Self {
        let outcome = TurnOutcome::Failed(recorded_failure(failure, privacy));
        Self {
            unasked: Some(Unasked::Unheard),
            spoken: recorded_speech(spoken, &outcome, privacy),
            ..Self::without_answer(outcome)
        }
    }

    /// The end of a turn whose session broke down.
    pub(super) fn aborted() -> Self {
        let failure = Failure::aborted("the session broke down in the middle of this turn; see the log");
        Self::without_answer(TurnOutcome::Aborted(failure))
    }

    fn without_answer(outcome: TurnOutcome) -> Self {
        Self {
            outcome,
            ended: Instant::now(),
            unasked: None,
            answer: Recorded::default(),
            phase: Phase::Thinking,
            latency: None,
            spoken: SpokenRecord::default(),
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

/// The speech as it may be recorded. A reply that was heard to its end was not cut, though sound was dropped then.
fn recorded_speech(mut spoken: SpokenRecord, outcome: &TurnOutcome, privacy: &Privacy) -> SpokenRecord {
    let attempts = spoken.stt.iter_mut().chain(&mut spoken.tts).flat_map(|report| &mut report.attempts);
    for failure in attempts.filter_map(|attempt| attempt.failure.as_mut()) {
        *failure = recorded_failure(failure, privacy);
    }
    spoken.figures.cut = spoken.figures.cut.filter(|_| *outcome == TurnOutcome::Interrupted);
    spoken
}

fn recorded_failure(failure: &Failure, privacy: &Privacy) -> Failure {
    Failure { class: failure.class.clone(), message: privacy.message(&failure.message) }
}
