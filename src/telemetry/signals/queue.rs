//! Log records on their way from the thread that logs to the thread that sends them.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use otlp_spool::Signal;

use super::records::Record;
use crate::telemetry::settings::Settings;

/// How long the first record of a batch waits for company.
const BATCH_DELAY: Duration = Duration::from_secs(1);
/// The most records that wait; some minutes of a full worker.
const MAX_RECORDS: usize = 8_192;
const MAX_BYTES: usize = 8 << 20;
const BATCH_RECORDS: usize = 512;

/// A bounded queue that exists from the first line of the log on, even before a sender empties it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct LogQueue {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    /// A record was queued, or the queue was closed.
    work: Condvar,
    /// Nothing is left to do.
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    records: VecDeque<Record>,
    bytes: usize,
    /// When the record in front was queued.
    since: Option<Instant>,
    dropped: u64,
    closed: bool,
    finished: bool,
}

/// The records that the thread takes at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    /// Records that did not fit into the queue since the last batch.
    pub(super) dropped: u64,
}

// === impl LogQueue ===

impl LogQueue {
    /// The queue to log into, when logs are to be exported.
    pub fn wanted(config: &Settings) -> Option<Self> {
        config.exports(Signal::Logs).then(Self::default)
    }

    /// Never waits and never logs: it is called while a line is being logged.
    pub(super) fn push(&self, record: Record) {
        let mut state = self.lock();
        let bytes = record.bytes();
        let full = state.records.len() >= MAX_RECORDS || state.bytes + bytes > MAX_BYTES;
        if full || state.finished {
            state.dropped += 1;
            return;
        }
        state.bytes += bytes;
        state.since.get_or_insert_with(Instant::now);
        state.records.push_back(record);
        drop(state);
        self.shared.work.notify_one();
    }

    /// Waits for a batch that is due. None when the queue is closed and empty.
    pub(super) fn next_batch(&self) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            let full = state.records.len() >= BATCH_RECORDS;
            match state.since.map(|since| (since + BATCH_DELAY).saturating_duration_since(Instant::now())) {
                Some(wait) if wait.is_zero() || full || state.closed => return Some(state.take()),
                Some(wait) => state = self.wait(state, wait),
                None if state.closed => return None,
                None => state = self.shared.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Waits, less when the queue is closed meanwhile; false when it is closed.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        let until = Instant::now() + pause;
        let mut state = self.lock();
        while !state.closed {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.wait(state, left);
        }
        !state.closed
    }

    /// Lets the queued records out at once, and takes no more.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.shared.work.notify_all();
    }

    /// The thread has ended.
    pub(super) fn finish(&self) {
        self.lock().finished = true;
        self.shared.done.notify_all();
    }

    /// Waits for the thread's end; false when it did not come in time.
    pub(super) fn wait_until_finished(&self, patience: Duration) -> bool {
        let state = self.lock();
        let unfinished = |state: &mut State| !state.finished;
        let waited = self.shared.done.wait_timeout_while(state, patience, unfinished);
        waited.unwrap_or_else(PoisonError::into_inner).0.finished
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, wait: Duration) -> MutexGuard<'a, State> {
        self.shared.work.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl State {
    fn take(&mut self) -> Batch {
        let count = self.records.len().min(BATCH_RECORDS);
        let records: Vec<Record> = self.records.drain(..count).collect();
        self.bytes -= records.iter().map(Record::bytes).sum::<usize>();
        self.since = (!self.records.is_empty()).then(Instant::now);
        Batch { records, dropped: std::mem::take(&mut self.dropped) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::signals::records::tests::record;

    #[test]
    fn what_does_not_fit_is_counted_and_holds_up_no_task() {
        let queue = LogQueue::default();
        (0..MAX_RECORDS + 7).for_each(|number| queue.push(record(&number.to_string())));
        queue.close();
        let mut taken = Vec::new();
        let mut dropped = 0;
        while let Some(batch) = queue.next_batch() {
            assert!(batch.records.len() <= BATCH_RECORDS);
            taken.extend(batch.records);
            dropped += batch.dropped;
        }
        assert_eq!((taken.len(), dropped), (MAX_RECORDS, 7));
        assert_eq!(taken.first().map(|record| record.body.as_str()), Some("0"));
        assert_eq!(queue.lock().bytes, 0);
    }

    #[test]
    fn the_bytes_are_bounded_too() {
        let queue = LogQueue::default();
        let long = "x".repeat(64 << 10);
        (0..MAX_BYTES / long.len() + 5).for_each(|_| queue.push(record(&long)));
        let state = queue.lock();
        assert!(state.bytes <= MAX_BYTES && state.dropped >= 5, "{} {}", state.bytes, state.dropped);
    }

    #[test]
    fn a_pause_ends_with_the_queue() {
        let queue = LogQueue::default();
        queue.close();
        assert!(!queue.pause(Duration::from_secs(3600)));
    }
}
