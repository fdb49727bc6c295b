//! The bounded queue between the code that opens and ends spans and the thread that writes them down.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bounded::{Limits, Next, Pushed, Queue};

use super::journal::Record;

/// The most records that wait for the writer. A turn is six records and some kilobytes, so this is minutes of a full
/// worker.
pub(super) const LIMITS: Limits = Limits { items: 16_384, weight: 64 << 20 };

#[derive(Debug)]
pub(super) struct SpanQueue {
    queue: Queue<Record>,
    /// Spans that ended and found no room.
    dropped: AtomicU64,
}

/// The records that the writer gets at once.
#[derive(Debug, PartialEq)]
pub(super) struct Taken {
    pub(super) records: Vec<Record>,
    /// No record will come after these.
    pub(super) last: bool,
}

// === impl SpanQueue ===

impl SpanQueue {
    pub(super) fn new(limits: Limits) -> Self {
        Self { queue: Queue::new(limits), dropped: AtomicU64::new(0) }
    }

    /// Queues a record; never waits. When there is no room the record is dropped, and a span that ended is counted.
    pub(super) fn push(&self, record: Record) {
        let (weight, ends) = (record.weight(), matches!(record, Record::Ended(_)));
        let pushed = self.queue.push(record, weight);
        if pushed == Pushed::Taken {
            return;
        }
        self.dropped.fetch_add(u64::from(ends), Ordering::Relaxed);
        if pushed == (Pushed::Full { first: true }) {
            tracing::warn!("spans end faster than they can be written down: some are dropped");
        }
    }

    /// Closes the queue to new records.
    pub(super) fn close(&self) {
        self.queue.close();
    }

    /// Waits for records until the deadline; returns at most `records` of at most `bytes` together, but one at least.
    pub(super) fn take(&self, deadline: Option<Instant>, records: usize, bytes: usize) -> Taken {
        self.queue.wait(deadline);
        let records = self.queue.take(Limits { items: records, weight: bytes });
        Taken { records, last: self.queue.wait(Some(Instant::now())) == Next::End }
    }

    /// The number of spans that there was no room for.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// The number of ended spans that wait here.
    pub(super) fn ended(&self) -> u64 {
        self.queue.count(|record| matches!(record, Record::Ended(_))) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::span;

    fn opened(id: u8) -> Record {
        Record::Opened(span(1, id))
    }

    fn ended(id: u8) -> Record {
        Record::Ended(span(1, id))
    }

    #[test]
    fn what_does_not_fit_is_dropped_and_only_ended_spans_count() {
        let span_queue = SpanQueue::new(Limits { items: 2, ..LIMITS });
        [opened(1), ended(1), opened(2), ended(2), ended(3)]
            .into_iter()
            .for_each(|record| span_queue.push(record));
        assert_eq!((span_queue.dropped(), span_queue.ended()), (2, 1));
        let taken = span_queue.take(None, 10, 10_000);
        assert_eq!(taken, Taken { records: vec![opened(1), ended(1)], last: false });
        span_queue.push(ended(2));
        assert_eq!(span_queue.dropped(), 2);
    }

    #[test]
    fn bytes_are_bounded_too_and_one_record_always_goes() {
        let weight = ended(1).weight();
        let span_queue = SpanQueue::new(Limits { weight: 2 * weight, ..LIMITS });
        (1..=3).for_each(|id| span_queue.push(ended(id)));
        assert_eq!(span_queue.dropped(), 1);
        assert_eq!(span_queue.take(None, 10, weight).records, [ended(1)]);
        assert_eq!(span_queue.take(None, 10, 1).records, [ended(2)]);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_no_more() {
        let span_queue = SpanQueue::new(LIMITS);
        span_queue.push(ended(1));
        span_queue.close();
        span_queue.push(ended(2));
        assert_eq!(span_queue.take(None, 10, 10_000), Taken { records: vec![ended(1)], last: true });
        assert_eq!(span_queue.take(None, 10, 10_000), Taken { records: Vec::new(), last: true });
        assert_eq!(span_queue.dropped(), 1);
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let span_queue = SpanQueue::new(LIMITS);
        assert_eq!(
            span_queue.take(Some(Instant::now()), 10, 10_000),
            Taken { records: Vec::new(), last: false }
        );
    }
}
