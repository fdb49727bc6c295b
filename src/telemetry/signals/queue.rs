//! Log records on their way from the thread that logs to the thread that sends them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bounded::{Limits, Queue};
use otlp_spool::Signal;

use super::records::Record;
use crate::telemetry::settings::Settings;

/// How long the first record of a batch waits for company.
const BATCH_DELAY: Duration = Duration::from_secs(1);
/// The records that wait; some minutes of a full worker.
const WAITING: Limits = Limits { items: 8_192, weight: 8 << 20 };
const BATCH: Limits = Limits::items(512);

/// A bounded queue that exists from the first line of the log on, even before a sender empties it. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LogQueue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    queue: Queue<Record>,
    /// The dropped records that batches have reported.
    reported: AtomicU64,
}

/// The records that the thread takes at once.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) records: Vec<Record>,
    /// Records that did not fit into the queue since the last batch.
    pub(super) dropped: u64,
}

// === impl LogQueue ===

impl Default for LogQueue {
    fn default() -> Self {
        let (queue, reported) = (Queue::new(WAITING), AtomicU64::new(0));
        Self { shared: Arc::new(Shared { queue, reported }) }
    }
}

impl LogQueue {
    /// The queue to log into, when logs are to be exported.
    pub fn wanted(config: &Settings) -> Option<Self> {
        config.exports(Signal::Logs).then(Self::default)
    }

    /// Never waits and never logs: it is called while a line is being logged.
    pub(super) fn push(&self, record: Record) {
        let bytes = record.bytes();
        self.shared.queue.push(record, bytes);
    }

    /// Waits for a batch that is due. None when the queue is closed and empty.
    pub(super) fn next_batch(&self) -> Option<Batch> {
        if !self.shared.queue.wait_for_batch(BATCH.items, BATCH_DELAY) {
            return None;
        }
        let (records, dropped) = (self.shared.queue.take(BATCH), self.shared.queue.dropped());
        let reported = self.shared.reported.swap(dropped, Ordering::Relaxed);
        Some(Batch { records, dropped: dropped - reported })
    }

    /// Waits, less when the queue is closed meanwhile; false when it is closed.
    pub(super) fn pause(&self, pause: Duration) -> bool {
        !self.shared.queue.pause(pause)
    }

    /// Lets the queued records out at once. Those that come until the thread's end still follow.
    pub(super) fn close(&self) {
        self.shared.queue.drain();
    }

    /// The thread has ended.
    pub(super) fn finish(&self) {
        self.shared.queue.finish();
    }

    /// Waits for the thread's end; false when it did not come in time.
    pub(super) fn wait_until_finished(&self, patience: Duration) -> bool {
        self.shared.queue.wait_until_finished(patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::signals::records::tests::record;

    #[test]
    fn what_does_not_fit_is_counted_and_holds_up_no_task() {
        let queue = LogQueue::default();
        (0..WAITING.items + 7).for_each(|number| queue.push(record(&number.to_string())));
        queue.close();
        let mut taken = Vec::new();
        let mut dropped = 0;
        while let Some(batch) = queue.next_batch() {
            assert!(batch.records.len() <= BATCH.items);
            taken.extend(batch.records);
            dropped += batch.dropped;
        }
        assert_eq!((taken.len(), dropped), (WAITING.items, 7));
        assert_eq!(taken.first().map(|record| record.body.as_str()), Some("0"));
    }

    #[test]
    fn the_bytes_are_bounded_too() {
        let queue = LogQueue::default();
        let long = "x".repeat(64 << 10);
        (0..WAITING.weight / long.len() + 5).for_each(|_| queue.push(record(&long)));
        let dropped = queue.shared.queue.dropped();
        assert!((5..10).contains(&dropped), "{dropped}");
    }

    #[test]
    fn a_pause_ends_with_the_queue() {
        let queue = LogQueue::default();
        queue.close();
        assert!(!queue.pause(Duration::from_secs(3600)));
    }
}
