//! The records of a session: a trace and a log line per turn, and totals at the end.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt;
use std::time::Instant;

use conversation::{Text, Usage, Utterance};
use redaction::Privacy;

use crate::llm::{Answer, Outcome};
use crate::metrics::{self, Metrics, Phase, Refusal};
use crate::room::Unread;
use crate::telemetry::spans::{Conversation, Tracer, TurnContext, TurnEnd, TurnOutcome, TurnSpan, TurnStart};

use super::kept::{Keeper, Kept};
use super::machine::{TurnEnding, TurnResult};

/// A refused text is logged for each of the first few, then only counted, so that no participant can fill the log.
const REFUSALS_LOGGED: u64 = 5;
/// Beyond those, the first text that is refused for its sender's flooding is logged, for so many senders.
const FLOODERS_LOGGED: usize = 64;

/// The figures of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    pub turns: u64,
    pub interrupted: u64,
    pub failed: u64,
    /// Texts that were not taken as turns: too long, not readable, too many at once.
    pub refused: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
}

/// The books of one session: the open turns and the totals.
pub(super) struct Ledger {
    tracer: Tracer,
    metrics: Metrics,
    keeper: Keeper,
    traceparent: Option<String>,
    /// The turns under way: at most the one that is being answered.
    open: HashMap<u64, OpenTurn>,
    totals: Totals,
    /// The fields of the provider's streams that could not be read and were logged.
    skipped: BTreeSet<&'static str>,
    /// The kinds of unread content that were logged, one of each.
    unread: Vec<Unread>,
    /// The senders that were logged for writing too much.
    flooders: HashSet<String>,
    /// It was logged that a participant corrected a message that is not known.
    told_unknown: bool,
}

struct OpenTurn {
    span: TurnSpan,
    trace_id: String,
    span_id: String,
    /// The speaker's name as logs may show it.
    speaker: String,
    started: Instant,
    kept: Kept,
}

// === impl Ledger ===

impl Ledger {
    pub(super) fn new(tracer: Tracer, metrics: Metrics, keeper: Keeper, traceparent: Option<String>) -> Self {
        Self {
            tracer,
            metrics,
            keeper,
            traceparent,
            open: HashMap::new(),
            totals: Totals::default(),
            skipped: BTreeSet::new(),
            unread: Vec::new(),
            flooders: HashSet::new(),
            told_unknown: false,
        }
    }

    /// Opens the turn's trace; the returned context is the parent of everything that answering it does.
    pub(super) fn begin(&mut self, turn: u64, utterance: &Utterance) -> TurnContext {
        let span = self.span(turn, utterance);
        let context = span.context();
        let trace_id = span.trace_id();
        let span_id = span.span_id();
        let speaker = self.tracer.privacy().user(&utterance.speaker);
        let kept = self.keeper.begin(&span, turn, utterance);
        self.open.insert(turn, OpenTurn { span, trace_id, span_id, speaker, started: Instant::now(), kept });
        context
    }

    pub(super) fn finish(&mut self, turn: u64, result: &TurnResult) {
        let Some(open) = self.open.remove(&turn) else { return };
        self.count(result);
        self.metrics.turn_ended(result.ending(), result.latency, Some(open.started.elapsed()));
        log(turn, &open, result, self.tracer.privacy());
        self.log_skipped(turn, &result.answer);
        self.keeper.end(open.kept, result);
        open.span.end(TurnEnd {
            outcome: result.outcome.clone().into(),
            answer: &result.answer.text,
            usage: result.answer.usage,
            e2e_latency: result.latency,
        });
    }

    /// Records a turn that was overtaken by the next one before it could be asked.
    pub(super) fn overtaken(&mut self, turn: u64, utterance: &Utterance) {
        self.unasked(turn, utterance, "turn overtaken by the next before it was asked");
    }

    /// Records a turn that its speaker took back before it could be asked.
    pub(super) fn deleted(&mut self, turn: u64, utterance: &Utterance) {
        self.unasked(turn, utterance, "turn deleted by its speaker before it was asked");
    }

    /// Logs content that is not read, once for each kind of it.
    pub(super) fn unread(&mut self, unread: Unread) {
        if !self.unread.iter().any(|told| told.is_like(&unread)) {
            tracing::info!("{unread}");
            self.unread.push(unread);
        }
    }

    /// Logs a correction; one that has no effect only once.
    pub(super) fn corrected(&mut self, speaker: &str, known: bool) {
        self.metrics.instruments.messages_corrected.add(known);
        let speaker = self.tracer.privacy().user(speaker);
        if known {
            tracing::debug!(
                speaker,
                "a message was edited or deleted; the model is told from the next turn on"
            );
        } else if !std::mem::replace(&mut self.told_unknown, true) {
            tracing::info!(
                speaker,
                "a message that this session does not know was edited or deleted; that is no turn"
            );
        }
    }

    fn unasked(&mut self, turn: u64, utterance: &Utterance, how: &str) {
        let span = self.span(turn, utterance);
        self.totals.turns += 1;
        self.totals.interrupted += 1;
        self.metrics.turn_ended(metrics::TurnEnding::Interrupted(Phase::Waiting), None, None);
        let kept = self.keeper.begin(&span, turn, utterance);
        self.keeper.end(kept, &TurnResult::overtaken());
        let (trace_id, span_id) = (span.trace_id(), span.span_id());
        tracing::info!(turn, trace_id, span_id, "{how}");
        span.end(TurnEnd {
            outcome: TurnOutcome::Interrupted,
            answer: &Text::default(),
            usage: Usage::default(),
            e2e_latency: None,
        });
    }

    pub(super) fn refused(&mut self, sender: &str, refusal: Refusal, why: &str) {
        self.totals.refused += 1;
        self.metrics.instruments.texts_refused.add(refusal);
        if self.totals.refused <= REFUSALS_LOGGED || self.is_new_flooder(sender, refusal) {
            let sender = self.tracer.privacy().user(sender);
            tracing::warn!(sender, refused = self.totals.refused, "a text was refused: {why}");
        }
    }

    fn is_new_flooder(&mut self, sender: &str, refusal: Refusal) -> bool {
        refusal == Refusal::TooMany
            && self.flooders.len() < FLOODERS_LOGGED
            && self.flooders.insert(sender.to_owned())
    }

    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    fn span(&self, turn: u64, utterance: &Utterance) -> TurnSpan {
        let conversation =
            Conversation { id: self.keeper.session_id().to_owned(), user: utterance.speaker.clone() };
        let traceparent = utterance.traceparent.as_deref().or(self.traceparent.as_deref());
        self.tracer.turn(&conversation, TurnStart { index: turn, question: &utterance.text, traceparent })
    }

    /// Logs each field once in a session: servers that send a field oddly do so in every turn.
    fn log_skipped(&mut self, turn: u64, answer: &Answer) {
        let fields: Vec<&str> = answer.skipped.difference(&self.skipped).copied().collect();
        if fields.is_empty() {
            return;
        }
        tracing::warn!(
            turn,
            fields = fields.join(", "),
            "the model's server sent what could not be read; it was skipped"
        );
        self.skipped.extend(&answer.skipped);
    }

    fn count(&mut self, result: &TurnResult) {
        self.totals.turns += 1;
        self.totals.interrupted += u64::from(result.outcome == TurnEnding::Interrupted);
        self.totals.failed += u64::from(matches!(result.outcome, TurnEnding::Failed(_)));
        self.totals.input_tokens += result.answer.usage.input;
        self.totals.output_tokens += result.answer.usage.output;
    }
}

impl Drop for Ledger {
    /// A turn that is still open here was cut short by a panic or an abort; its span closes itself as `aborted`.
    fn drop(&mut self) {
        for (turn, open) in self.open.drain() {
            let OpenTurn { trace_id, span_id, speaker, started, kept, .. } = open;
            self.metrics.turn_ended(metrics::TurnEnding::Aborted, None, Some(started.elapsed()));
            tracing::error!(
                turn,
                speaker,
                trace_id,
                span_id,
                "the session broke down in the middle of this turn"
            );
            self.keeper.abort(kept);
        }
    }
}

impl TurnResult {
    /// The result of a turn that was never put to the model.
    fn overtaken() -> Self {
        let answer = Answer::nothing(Outcome::Interrupted);
        Self { outcome: TurnEnding::Interrupted, answer, latency: None }
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { turns, interrupted, failed, refused, input_tokens, output_tokens } = self;
        write!(f, "{turns} turns, {interrupted} interrupted, {failed} failed, {refused} texts refused, ")?;
        write!(f, "{input_tokens} tokens in, {output_tokens} out")
    }
}

impl TurnResult {
    /// The ending as metrics count it.
    fn ending(&self) -> metrics::TurnEnding {
        match (&self.outcome, self.latency) {
            (TurnEnding::Answered, _) => metrics::TurnEnding::Answered,
            (TurnEnding::Failed(_), _) => metrics::TurnEnding::Failed,
            (TurnEnding::Interrupted, None) => metrics::TurnEnding::Interrupted(Phase::Thinking),
            (TurnEnding::Interrupted, Some(_)) => metrics::TurnEnding::Interrupted(Phase::Speaking),
        }
    }
}

impl From<TurnEnding> for TurnOutcome {
    fn from(ending: TurnEnding) -> Self {
        match ending {
            TurnEnding::Answered => TurnOutcome::Answered,
            TurnEnding::Interrupted => TurnOutcome::Interrupted,
            TurnEnding::Failed(failure) => TurnOutcome::Failed(failure),
        }
    }
}

fn log(turn: u64, open: &OpenTurn, result: &TurnResult, privacy: &Privacy) {
    let OpenTurn { trace_id, span_id, .. } = open;
    let speaker = &open.speaker;
    let total_ms = open.started.elapsed().as_millis();
    let first_word_ms = result.latency.map(|latency| latency.as_millis());
    let Usage { input, output, estimated, .. } = result.answer.usage;
    let attempts = result.answer.attempts.len();
    // The usual reason is not logged.
    let finish_reason = result.answer.finish_reason.as_deref().filter(|reason| *reason != "stop");
    let how = match &result.outcome {
        TurnEnding::Answered => "turn answered",
        TurnEnding::Interrupted => "turn interrupted",
        TurnEnding::Failed(failure) => {
            let class = &failure.class;
            let why = privacy.message(&failure.message);
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
            return;
        }
    };
    tracing::info!(
        turn,
        speaker,
        trace_id,
        span_id,
        first_word_ms,
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
    fn a_session_that_panics_logs_the_trace_of_the_turn_it_was_in() {
        let mut trace_id = String::new();
        let said = log::said(|| {
            let mut ledger =
                Ledger::new(Tracer::default(), Metrics::default(), Keeper::nothing("RM_1"), None);
            let utterance = Utterance { speaker: "ada".into(), text: "hi".into(), ..Default::default() };
            trace_id = ledger.begin(7, &utterance).trace_id();
            let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                let _ledger = ledger;
                panic!("a defect");
            }));
            assert!(broken.is_err());
        });
        assert!(said.contains(&trace_id) && said.contains("turn=7"), "{said}");
    }

    #[test]
    fn corrections_of_known_and_of_unknown_messages_are_counted_apart() {
        let metrics = Metrics::default();
        let mut ledger = Ledger::new(Tracer::default(), metrics.clone(), Keeper::nothing("RM_1"), None);
        [true, false, false].into_iter().for_each(|known| ledger.corrected("ada", known));
        for (known, count) in [("true", 1), ("false", 2)] {
            let line = format!("voiced_messages_corrected_total{{known=\"{known}\"}} {count}\n");
            assert!(metrics.text().contains(&line), "{}", metrics.text());
        }
    }

    #[test]
    fn each_sender_who_floods_is_named_once_however_many_texts_were_refused() {
        let mut ledger = Ledger::new(Tracer::default(), Metrics::default(), Keeper::nothing("RM_1"), None);
        let mut refused = |sender: &str, refusal| log::said(|| ledger.refused(sender, refusal, "why"));
        (0..REFUSALS_LOGGED).for_each(|_| assert!(refused("bob", Refusal::TooLong).contains("bob")));
        assert_eq!(refused("bob", Refusal::TooLong), "");
        assert!(refused("mallory", Refusal::TooMany).contains("mallory"));
        assert_eq!(refused("mallory", Refusal::TooMany), "");
        (0..1000).for_each(|number| drop(refused(&format!("bot {number}"), Refusal::TooMany)));
        assert_eq!(ledger.flooders.len(), FLOODERS_LOGGED);
        assert_eq!(ledger.totals().refused, REFUSALS_LOGGED + 1003);
    }

    #[test]
    fn what_could_not_be_read_is_logged_once_for_each_field_of_a_session() {
        let mut ledger = Ledger::new(Tracer::default(), Metrics::default(), Keeper::nothing("RM_1"), None);
        let mut turn = |fields: &[&'static str]| {
            let skipped = fields.iter().copied().collect();
            let answer = Answer { skipped, ..Answer::nothing(Outcome::Complete) };
            log::said(|| ledger.log_skipped(0, &answer))
        };
        assert!(turn(&["content", "usage"]).contains("content, usage"));
        assert_eq!(turn(&["usage"]), "");
        let other = turn(&["id", "usage"]);
        assert!(other.contains("fields=\"id\"") || other.contains("fields=id"), "{other}");
    }
}
