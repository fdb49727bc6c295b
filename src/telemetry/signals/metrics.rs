//! The push of metrics: a thread that sends them at an interval, and once more at the end.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use otlp_spool::{Delivery, MetricsEncoder, RequestBody, Signal};
use url::Url;

use super::Counts;
use super::post::{self, Poster};
use crate::metrics::{Metrics, Temporality};
use crate::telemetry::StartError;
use crate::telemetry::settings::Settings;

/// How many pushes of differences are kept while the receiver is away: an hour at the default interval. Sums since the
/// start need no keeping, since the next push contains the last one.
const KEPT: usize = 60;

/// A handle to the thread. Clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct MetricsPush {
    /// None once it was closed: a receiver without a sender ends the thread.
    open: Arc<Mutex<Option<Sender<()>>>>,
    /// Disconnected when the thread is done.
    done: Arc<Mutex<Receiver<()>>>,
}

/// The state of the thread.
struct Pusher {
    poster: Poster,
    metrics: Metrics,
    encoder: MetricsEncoder,
    counts: Arc<Counts>,
    waiting: VecDeque<RequestBody>,
    kept: usize,
    /// The receiver does not want to be asked before this time.
    not_before: Instant,
}

// === impl MetricsPush ===

impl MetricsPush {
    pub(super) fn start(
        config: &Settings,
        url: Url,
        metrics: Metrics,
        counts: Arc<Counts>,
    ) -> Result<Self, StartError> {
        let (open, closed) = mpsc::channel();
        let (finished, done) = mpsc::channel();
        let interval = config.metrics_interval;
        let kept = if config.metrics_temporality == Temporality::Cumulative { 0 } else { KEPT };
        let encoder = MetricsEncoder::new()?;
        post::spawn(config, url, Signal::Metrics, move |poster| {
            let (waiting, not_before) = (VecDeque::new(), Instant::now());
            Pusher { poster, metrics, encoder, counts, waiting, kept, not_before }.run(interval, &closed);
            drop(finished);
        })?;
        Ok(Self { open: Arc::new(Mutex::new(Some(open))), done: Arc::new(Mutex::new(done)) })
    }

    /// Makes the thread push once more and end.
    pub(super) fn close(&self) {
        drop(self.open.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    pub(super) fn wait(&self, patience: Duration) {
        let done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        if done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            tracing::warn!(
                "the last metrics were not exported before exit: the receiver did not answer in time"
            );
        }
    }
}

// === impl Pusher ===

impl Pusher {
    fn run(mut self, interval: Duration, closed: &Receiver<()>) {
        let mut open = true;
        while open {
            open = closed.recv_timeout(interval) == Err(RecvTimeoutError::Timeout);
            self.waiting.extend(self.metrics.otlp_request(&self.encoder));
            if !open || Instant::now() >= self.not_before {
                self.push();
            }
            let surplus = self.waiting.len().saturating_sub(self.kept);
            self.waiting.drain(..surplus);
        }
    }

    fn push(&mut self) {
        while let Some(request) = self.waiting.front() {
            let delivery = self.poster.post(request, 1);
            if matches!(delivery, Delivery::Later { .. } | Delivery::Refused(_)) {
                self.counts.pushes_failed.fetch_add(1, Ordering::Relaxed);
            }
            if delivery.is_transient() {
                self.not_before = Instant::now() + self.poster.wait(&delivery, Duration::ZERO);
                break;
            }
            self.waiting.pop_front();
        }
    }
}
