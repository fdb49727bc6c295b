//! The thread that sends log records.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bounded::{Backoff, Jitter};
use otlp_spool::Signal;
use url::Url;

use super::Counts;
use super::post::{self, Poster};
use super::queue::{Batch, LogQueue};
use super::records::Requests;
use crate::telemetry::StartError;
use crate::telemetry::settings::Settings;

/// The waits after failures.
const RETRIES: Backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(30), Jitter::Half);

/// A handle to the thread. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct LogExport {
    queue: LogQueue,
}

/// The state of the thread.
struct Sender {
    poster: Poster,
    queue: LogQueue,
    requests: Requests,
    counts: Arc<Counts>,
    /// The queue overflowed with the batch before, and that was logged.
    overflowing: bool,
}

// === impl LogExport ===

impl LogExport {
    pub(super) fn start(
        config: &Settings,
        url: Url,
        resource: Vec<(String, String)>,
        queue: LogQueue,
        counts: Arc<Counts>,
    ) -> Result<Self, StartError> {
        let (shared, requests) = (queue.clone(), Requests::new(resource)?);
        post::spawn(config, url, Signal::Logs, move |poster| {
            let finish = shared.clone();
            Sender { poster, queue: shared, requests, counts, overflowing: false }.run();
            finish.finish();
        })?;
        Ok(Self { queue })
    }

    pub(super) fn close(&self) {
        self.queue.close();
    }

    pub(super) fn wait(&self, patience: Duration) {
        if !self.queue.wait_until_finished(patience) {
            tracing::warn!(
                "the last log records were not exported before exit: the receiver did not answer in time"
            );
        }
    }
}

// === impl Sender ===

impl Sender {
    fn run(mut self) {
        while let Some(batch) = self.queue.next_batch() {
            self.note_overflow(&batch);
            self.send(batch);
        }
    }

    fn note_overflow(&mut self, batch: &Batch) {
        self.drop_records(batch.dropped);
        if batch.dropped > 0 && !self.overflowing {
            tracing::warn!(
                dropped = batch.dropped,
                "log records were not exported: the queue was full; they stand in the log itself"
            );
        }
        self.overflowing = batch.dropped > 0;
    }

    /// Tries until the receiver takes the batch or refuses it for good; at the end of the process only once more.
    fn send(&mut self, batch: Batch) {
        let count = batch.records.len() as u64;
        let request = self.requests.with(batch.records);
        let (mut failures, mut random) = (0, fastrand::Rng::new());
        let delivery = loop {
            let delivery = self.poster.post(&request, count);
            if !delivery.is_transient() {
                break delivery;
            }
            failures += 1;
            let wait = self.poster.wait(&delivery, RETRIES.wait(failures, &mut random));
            if !self.queue.pause(wait) {
                break delivery;
            }
        };
        let lost = delivery.lost(count);
        self.counts.logs_sent.fetch_add(count - lost, Ordering::Relaxed);
        self.drop_records(lost);
    }

    fn drop_records(&self, count: u64) {
        self.counts.logs_dropped.fetch_add(count, Ordering::Relaxed);
    }
}
