//! The bounded queue between the code that opens and ends spans and the thread that writes them down.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::journal::Record;

/// The most records that wait for the writer. A turn is six records and some kilobytes, so this is minutes of a full
/// worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) records: usize,
    pub(super) bytes: usize,
}

#[derive(Debug)]
pub(super) struct Intake {
    limits: Limits,
    state: Mutex<State>,
    arrived: Condvar,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<(Record, usize)>,
    bytes: usize,
    closed: bool,
    /// Set until the queue is empty again: an overflow is logged once and counted always.
    overflowing: bool,
    dropped: u64,
}

/// The records that the writer gets at once.
#[derive(Debug, PartialEq)]
pub(super) struct Taken {
    pub(super) records: Vec<Record>,
    /// No record will come after these.
    pub(super) last: bool,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self { records: 16_384, bytes: 64 << 20 }
    }
}

// === impl Intake ===

impl Intake {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default(), arrived: Condvar::new() }
    }

    /// Queues a record; never waits. When there is no room the record is dropped, and a span that ended is counted.
    pub(super) fn push(&self, record: Record) {
        let bytes = record.weight();
        let mut state = self.lock();
        let full = state.queue.len() >= self.limits.records || state.bytes + bytes > self.limits.bytes;
        if full || state.closed {
            state.dropped += u64::from(matches!(record, Record::Ended(_)));
            let first = full && !std::mem::replace(&mut state.overflowing, full);
            drop(state);
            if first {
                tracing::warn!("spans end faster than they can be written down: some are dropped");
            }
            return;
        }
        state.bytes += bytes;
        state.queue.push_back((record, bytes));
        drop(state);
        self.arrived.notify_one();
    }

    /// Closes the queue to new records.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.arrived.notify_all();
    }

    /// Waits for records until the deadline; returns at most `records` of at most `bytes` together, but one at least.
    pub(super) fn take(&self, deadline: Option<Instant>, records: usize, bytes: usize) -> Taken {
        let mut state = self.lock();
        while state.queue.is_empty() && !state.closed {
            let Some(deadline) = deadline else {
                state = self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.take(records, bytes)
    }

    /// The number of spans that there was no room for.
    pub(super) fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// The number of ended spans that wait here.
    pub(super) fn ended(&self) -> u64 {
        let ended = |(record, _): &&(Record, usize)| matches!(record, Record::Ended(_));
        self.lock().queue.iter().filter(ended).count() as u64
    }

    /// A panic elsewhere leaves the queue whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn take(&mut self, records: usize, bytes: usize) -> Taken {
        let (mut count, mut weight) = (0, 0);
        for (_, size) in self.queue.iter().take(records) {
            if count > 0 && weight + size > bytes {
                break;
            }
            (count, weight) = (count + 1, weight + size);
        }
        self.bytes -= weight;
        let records = self.queue.drain(..count).map(|(record, _)| record).collect();
        self.overflowing &= !self.queue.is_empty();
        Taken { records, last: self.closed && self.queue.is_empty() }
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
        let intake = Intake::new(Limits { records: 2, ..Limits::default() });
        [opened(1), ended(1), opened(2), ended(2), ended(3)]
            .into_iter()
            .for_each(|record| intake.push(record));
        assert_eq!((intake.dropped(), intake.ended()), (2, 1));
        let taken = intake.take(None, 10, 10_000);
        assert_eq!(taken, Taken { records: vec![opened(1), ended(1)], last: false });
        intake.push(ended(2));
        assert_eq!(intake.dropped(), 2);
    }

    #[test]
    fn bytes_are_bounded_too_and_one_record_always_goes() {
        let weight = ended(1).weight();
        let intake = Intake::new(Limits { bytes: 2 * weight, ..Limits::default() });
        (1..=3).for_each(|id| intake.push(ended(id)));
        assert_eq!(intake.dropped(), 1);
        assert_eq!(intake.take(None, 10, weight).records, [ended(1)]);
        assert_eq!(intake.take(None, 10, 1).records, [ended(2)]);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_takes_no_more() {
        let intake = Intake::new(Limits::default());
        intake.push(ended(1));
        intake.close();
        intake.push(ended(2));
        assert_eq!(intake.take(None, 10, 10_000), Taken { records: vec![ended(1)], last: true });
        assert_eq!(intake.take(None, 10, 10_000), Taken { records: Vec::new(), last: true });
        assert_eq!(intake.dropped(), 1);
    }

    #[test]
    fn a_deadline_ends_the_wait() {
        let intake = Intake::new(Limits::default());
        assert_eq!(intake.take(Some(Instant::now()), 10, 10_000), Taken { records: Vec::new(), last: false });
    }
}
