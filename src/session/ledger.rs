//! The books of a session: each turn goes to every [`TurnSink`], and totals are kept for the end.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::time::{Instant, SystemTime};

use conversation::{Failure, TurnOutcome, Usage};
use redaction::Recorded;
use turn_store::{length_us, micros};

use crate::metrics::{Metrics, Refusal, Tokens};
use crate::room::Unread;
use crate::telemetry::spans::{Conversation, Tracer, TurnContext, TurnSpan, TurnStart};

use super::machine::{TurnResult, UserTurn};
use super::sinks::{SpanSink, StoreSink, TurnLog};
use super::spoken_record::SpokenRecord;
use super::turn_record::{TurnEnd, TurnRecord, TurnSink, Unasked};

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

/// The open turns of one session, and its totals.
pub(super) struct Ledger {
    tracer: Tracer,
    session_id: String,
    /// The dispatcher's; a message's own one wins over it.
    traceparent: Option<String>,
    metrics: Metrics,
    log: TurnLog,
    store: StoreSink,
    spans: SpanSink,
    /// The turns under way: at most the one that is being answered.
    open: HashMap<u64, TurnRecord>,
    /// The turn that was put to the model before it has ended.
    preemptive: Option<PreemptiveTurn>,
    /// What calls cost whose turns ended otherwise, since the last turn ended.
    discarded: Usage,
    /// When the latest turn started.
    latest_us: i64,
    totals: Totals,
    /// The kinds of unread content that were logged, one of each.
    unread: Vec<Unread>,
    /// The senders that were logged for writing too much.
    flooders: HashSet<String>,
    /// It was logged that a participant corrected a message that is not known.
    logged_unknown: bool,
}

/// A turn that may not have ended: its trace is open, its record is not.
struct PreemptiveTurn {
    segment: Option<String>,
    span: TurnSpan,
}

// === impl Ledger ===

impl Ledger {
    /// `traceparent` is the dispatcher's; a message's own one wins over it.
    pub(super) fn new(
        tracer: Tracer,
        metrics: Metrics,
        store: StoreSink,
        session_id: &str,
        traceparent: Option<String>,
    ) -> Self {
        Self {
            tracer,
            session_id: session_id.to_owned(),
            traceparent,
            metrics,
            log: TurnLog::default(),
            store,
            spans: SpanSink::default(),
            open: HashMap::new(),
            preemptive: None,
            discarded: Usage::default(),
            latest_us: 0,
            totals: Totals::default(),
            unread: Vec::new(),
            flooders: HashSet::new(),
            logged_unknown: false,
        }
    }

    /// Opens the turn's trace; the returned context is the parent of everything that answering it does.
    /// `began` is the last moment of the turn's speech, where it was spoken.
    pub(super) fn begin(&mut self, turn: u64, said: UserTurn, began: Option<Instant>) -> TurnContext {
        let is_same = |early: &mut PreemptiveTurn| early.segment == said.utterance.segment;
        let span = match self.preemptive.take_if(is_same) {
            Some(PreemptiveTurn { mut span, .. }) => {
                span.ask(turn, &said.recorded);
                span
            }
            None => self.span(turn, &said, began),
        };
        let context = span.context();
        let record = self.record(turn, said, began, &span);
        self.spans.opened(turn, span);
        self.sinks().into_iter().for_each(|sink| sink.began(&record));
        self.open.insert(turn, record);
        context
    }

    /// Opens the trace of a turn that may not have ended. A later [`Ledger::begin`] of the same segment goes on with it.
    pub(super) fn preempt(&mut self, said: &UserTurn, began: Option<Instant>) -> TurnContext {
        let segment = said.utterance.segment.clone();
        let open = self.preemptive.take().filter(|early| early.segment == segment);
        let span = open.map_or_else(|| self.preemptive_span(said, began), |early| early.span);
        let context = span.context();
        self.preemptive = Some(PreemptiveTurn { segment, span });
        context
    }

    /// Counts what a call cost that was made before its turn had ended, and in vain.
    pub(super) fn discarded(&mut self, usage: Usage) {
        self.discarded = self.discarded.plus(usage);
        for (tokens, count) in Tokens::of(usage) {
            self.metrics.instruments.discarded_tokens.add_many(count, tokens);
        }
    }

    /// Records a turn whose words are not known.
    pub(super) fn unheard(&mut self, turn: u64, failure: &Failure, spoken: SpokenRecord) {
        let end = TurnEnd::unheard(failure, spoken, self.tracer.privacy());
        self.end(turn, &end);
    }

    /// `answer` is the recordable form of the result's text.
    pub(super) fn finish(&mut self, turn: u64, result: TurnResult, answer: Recorded, spoken: SpokenRecord) {
        let end = TurnEnd::new(result, answer, spoken, self.tracer.privacy());
        let discarded = std::mem::take(&mut self.discarded);
        self.end(turn, &TurnEnd { discarded, ..end });
    }

    /// Records a turn that was not put to the model. `answer` is the recordable form of an empty text.
    pub(super) fn unasked(&mut self, turn: u64, why: Unasked, answer: Recorded, spoken: SpokenRecord) {
        let end = TurnEnd::unasked(why, answer, spoken, self.tracer.privacy());
        self.end(turn, &end);
    }

    fn end(&mut self, turn: u64, end: &TurnEnd) {
        let Some(record) = self.open.remove(&turn) else { return };
        self.totals.count(end);
        self.sinks().into_iter().for_each(|sink| sink.ended(&record, end));
    }

    /// The places that record turns, in the order in which a turn reaches them.
    fn sinks(&mut self) -> [&mut dyn TurnSink; 4] {
        [&mut self.metrics, &mut self.log, &mut self.store, &mut self.spans]
    }

    fn conversation(&self, UserTurn { utterance, .. }: &UserTurn) -> Conversation {
        Conversation { id: self.session_id.clone(), user: utterance.speaker.clone() }
    }

    fn preemptive_span(&self, said: &UserTurn, began: Option<Instant>) -> TurnSpan {
        self.tracer.preemptive_turn(&self.conversation(said), self.traceparent.as_deref(), began)
    }

    fn span(&self, turn: u64, said: &UserTurn, began: Option<Instant>) -> TurnSpan {
        let UserTurn { utterance, recorded } = said;
        let conversation = self.conversation(said);
        let traceparent = utterance.traceparent.as_deref().or(self.traceparent.as_deref());
        self.tracer.turn(&conversation, TurnStart { index: turn, question: recorded, traceparent, began })
    }

    fn record(&mut self, index: u64, said: UserTurn, began: Option<Instant>, span: &TurnSpan) -> TurnRecord {
        let started = Instant::now();
        let began = began.unwrap_or(started);
        let now_us = micros(SystemTime::now()).saturating_sub(length_us(started.duration_since(began)));
        TurnRecord {
            index,
            trace_id: span.trace_id(),
            span_id: span.span_id(),
            speaker: self.tracer.privacy().user(&said.utterance.speaker),
            question: said.recorded,
            started,
            began,
            began_us: self.start(now_us),
        }
    }

    /// The start of the next turn: after the last one, since that is their order, also when the system's clock was set
    /// back.
    fn start(&mut self, now_us: i64) -> i64 {
        self.latest_us = now_us.max(self.latest_us.saturating_add(1));
        self.latest_us
    }

    /// Logs content that is not read, once for each kind of it.
    pub(super) fn unread(&mut self, unread: Unread) {
        if !self.unread.iter().any(|logged| logged.is_like(&unread)) {
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
        } else if !std::mem::replace(&mut self.logged_unknown, true) {
            tracing::info!(
                speaker,
                "a message that this session does not know was edited or deleted; that is no turn"
            );
        }
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
}

impl Drop for Ledger {
    /// A turn that is still open here was cut short by a panic or an abort; its span closes itself as `aborted`.
    fn drop(&mut self) {
        let open: Vec<u64> = self.open.keys().copied().collect();
        open.into_iter().for_each(|turn| self.end(turn, &TurnEnd::aborted()));
    }
}

// === impl Totals ===

impl Totals {
    fn count(&mut self, end: &TurnEnd) {
        self.turns += 1;
        self.interrupted += u64::from(end.outcome == TurnOutcome::Interrupted);
        self.failed += u64::from(matches!(end.outcome, TurnOutcome::Failed(_)));
        self.input_tokens += end.usage.input;
        self.output_tokens += end.usage.output;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { turns, interrupted, failed, refused, input_tokens, output_tokens } = self;
        write!(f, "{turns} turns, {interrupted} interrupted, {failed} failed, {refused} texts refused, ")?;
        write!(f, "{input_tokens} tokens in, {output_tokens} out")
    }
}

#[cfg(test)]
mod tests {
    use conversation::Utterance;
    use turn_store::Store;

    use super::*;
    use crate::log::tests as log;
    use crate::room::Place;

    /// The books of a session that records nothing.
    fn ledger() -> Ledger {
        counted(Metrics::default())
    }

    fn counted(metrics: Metrics) -> Ledger {
        let place = Place { room: "room".into(), sid: "RM_1".into(), identity: "agent".into() };
        let store = StoreSink::new(Store::off(), &place, "agent");
        Ledger::new(Tracer::default(), metrics, store, &place.sid, None)
    }

    #[test]
    fn a_session_that_panics_logs_the_trace_of_the_turn_it_was_in() {
        let mut trace_id = String::new();
        let said = log::said(|| {
            let mut ledger = ledger();
            let utterance = Utterance { speaker: "ada".into(), text: "hi".into(), ..Default::default() };
            let said = UserTurn { utterance, recorded: Recorded::default() };
            trace_id = ledger.begin(7, said, None).trace_id();
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
        let mut ledger = counted(metrics.clone());
        [true, false, false].into_iter().for_each(|known| ledger.corrected("ada", known));
        for (known, count) in [("true", 1), ("false", 2)] {
            let line = format!("voiced_messages_corrected_total{{known=\"{known}\"}} {count}\n");
            assert!(metrics.text().contains(&line), "{}", metrics.text());
        }
    }

    #[test]
    fn each_sender_who_floods_is_named_once_however_many_texts_were_refused() {
        let mut ledger = ledger();
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
    fn turns_keep_their_order_when_the_clock_is_set_back() {
        let mut ledger = ledger();
        let starts = [7_000, 7_010, 3_000, 3_005, 7_100].map(|now| ledger.start(now));
        assert_eq!(starts, [7_000, 7_010, 7_011, 7_012, 7_100]);
    }
}
