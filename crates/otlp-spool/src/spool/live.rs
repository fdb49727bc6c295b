//! The spans of a process that are in no batch yet: open spans, and spans that ended a moment ago.

use std::collections::BTreeMap;

use super::batch::BatchName;
use super::journal::Record;
use crate::wire::{Envelope, SpanKey, WireSpan};

/// The state that a journal's records add up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Live {
    pub(super) envelope: Option<Envelope>,
    /// Each span in the form that it has if it is never ended.
    pub(super) open: BTreeMap<SpanKey, WireSpan>,
    pub(super) ended: Vec<WireSpan>,
    /// The latest time that any span knows, in nanoseconds since 1970.
    latest: u64,
    open_bytes: u64,
    ended_bytes: u64,
    /// The batch that was announced last.
    pub(super) batched: Option<BatchName>,
}

impl Live {
    pub(super) fn new(envelope: Envelope) -> Self {
        Self { envelope: Some(envelope), ..Self::default() }
    }

    /// The state after all of `records`.
    pub(super) fn replay(records: Vec<Record>) -> Self {
        let mut live = Self::default();
        records.into_iter().for_each(|record| live.apply(record));
        live
    }

    pub(super) fn apply(&mut self, record: Record) {
        match record {
            Record::Envelope(envelope) => self.envelope = Some(envelope),
            Record::Opened(span) => self.opened(span),
            Record::Ended(span) => self.ended(span),
            Record::Batched(name) => {
                self.ended.clear();
                self.ended_bytes = 0;
                self.batched = Some(name);
            }
        }
    }

    /// Bytes of spans that only the journal holds.
    pub(super) fn bytes(&self) -> u64 {
        self.open_bytes + self.ended_bytes
    }

    /// Bytes of spans that wait for a batch.
    pub(super) fn ended_bytes(&self) -> u64 {
        self.ended_bytes
    }

    /// The spans that a killed process left open, ended at the last moment that its journal knows of.
    pub(super) fn aborted(&self) -> Vec<Record> {
        let open = self.open.values().cloned();
        open.map(|span| Record::Ended(span.ended_at(self.latest))).collect()
    }

    /// The shortest journal with the same state.
    pub(super) fn records(&self) -> Vec<Record> {
        let envelope = self.envelope.iter().cloned().map(Record::Envelope);
        let open = self.open.values().cloned().map(Record::Opened);
        let ended = self.ended.iter().cloned().map(Record::Ended);
        envelope.chain(open).chain(ended).collect()
    }

    fn opened(&mut self, span: WireSpan) {
        self.latest = self.latest.max(span.latest());
        self.open_bytes += span.len() as u64;
        let before = self.open.insert(span.key(), span);
        self.open_bytes -= before.map_or(0, |span| span.len() as u64);
    }

    fn ended(&mut self, span: WireSpan) {
        self.latest = self.latest.max(span.latest());
        let opened = self.open.remove(&span.key());
        self.open_bytes -= opened.map_or(0, |span| span.len() as u64);
        self.ended_bytes += span.len() as u64;
        self.ended.push(span);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{envelope, span};

    fn live(records: &[Record]) -> Live {
        Live::replay(records.to_vec())
    }

    #[test]
    fn what_ended_is_no_longer_open_and_what_is_in_a_batch_is_gone() {
        let mut state =
            live(&[Record::Opened(span(1, 1)), Record::Opened(span(1, 2)), Record::Ended(span(1, 2))]);
        assert_eq!((state.open.len(), state.ended.len()), (1, 1));
        assert_eq!(state.bytes(), 2 * span(1, 1).len() as u64);
        state.apply(Record::Batched(BatchName::new(5, 1)));
        assert_eq!((state.open.len(), state.ended.len()), (1, 0));
        assert_eq!(state.bytes(), span(1, 1).len() as u64);
    }

    #[test]
    fn a_killed_process_s_open_spans_end_when_it_was_last_heard_of() {
        let mut state = live(&[Record::Opened(span(1, 1)), Record::Ended(span(2, 2).ended_at(9_000))]);
        state.aborted().into_iter().for_each(|record| state.apply(record));
        assert!(state.open.is_empty());
        assert_eq!(state.ended, [span(2, 2).ended_at(9_000), span(1, 1).ended_at(9_000)]);
    }

    #[test]
    fn its_own_records_bring_it_back() {
        let state = live(&[
            Record::Envelope(envelope()),
            Record::Opened(span(1, 1)),
            Record::Opened(span(1, 2)),
            Record::Ended(span(1, 1)),
        ]);
        assert_eq!(Live::replay(state.records()), state);
    }

    #[test]
    fn an_opening_written_twice_counts_once() {
        let state = live(&[Record::Opened(span(1, 1)), Record::Opened(span(1, 1))]);
        assert_eq!(state.bytes(), span(1, 1).len() as u64);
    }
}
