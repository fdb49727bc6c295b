//! The way of finished spans out of the process: a bounded queue and a thread of its own that empties it.
//!
//! Ending a span only takes a lock for a moment; nobody who answers a turn ever waits for the network. What carries a
//! batch away stands behind [`Carrier`], the seam at which another transport or a spool takes its place.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::delivery::{Delivery, Notice, Standing};

/// How long the first span of a batch waits for company: the spans of a turn end within moments of each other.
const BATCH_DELAY: Duration = Duration::from_secs(1);

/// The most that waits for export. A turn is three spans and some kilobytes, so this is minutes of a full worker.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) spans: usize,
    pub(super) bytes: usize,
    /// Of one batch; a single larger span still goes, alone.
    pub(super) batch_spans: usize,
    pub(super) batch_bytes: usize,
}

/// What became of the spans so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportStatus {
    /// Spans that the receiver took.
    pub exported: u64,
    /// Spans that are lost: the queue was full, a batch failed, or the receiver rejected them.
    pub dropped: u64,
    /// Batches that failed as a whole.
    pub failed_batches: u64,
    /// What the latest batch met with; None when it went well.
    pub last_error: Option<String>,
}

/// What the last flush achieved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Spans that were waiting and did not reach the receiver.
    pub lost: u64,
}

/// Takes batches away, on a thread that may block.
pub(super) trait Carrier<T> {
    fn carry(&mut self, batch: Vec<T>) -> Delivery;
}

/// The queue between those who end spans and the thread that exports them. Cheap to clone.
pub(super) struct Exporter<T> {
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    limits: Limits,
    state: Mutex<State<T>>,
    /// Something was queued, or the queue was closed.
    work: Condvar,
    /// A batch is done.
    done: Condvar,
}

struct State<T> {
    queue: VecDeque<Item<T>>,
    bytes: usize,
    /// Spans of the batch under way.
    in_flight: usize,
    closed: bool,
    /// Since the queue was last empty: said once, counted always.
    overflowing: bool,
    standing: Standing,
    status: ExportStatus,
}

struct Item<T> {
    span: T,
    bytes: usize,
    queued: Instant,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self { spans: 8_192, bytes: 64 << 20, batch_spans: 512, batch_bytes: 8 << 20 }
    }
}

// === impl Exporter ===

impl<T: Send + 'static> Exporter<T> {
    /// Starts the thread. The carrier is made on it, because a blocking HTTP client must neither be made nor dropped
    /// inside an async runtime.
    pub(super) fn start<C, E>(
        limits: Limits,
        make: impl FnOnce() -> Result<C, E> + Send + 'static,
    ) -> Result<Self, E>
    where
        C: Carrier<T>,
        E: From<std::io::Error> + Send + 'static,
    {
        let exporter = Self { shared: Arc::new(Shared::new(limits)) };
        let shared = exporter.shared.clone();
        let (made, outcome) = std::sync::mpsc::sync_channel(1);
        let thread = thread::Builder::new().name("otlp-export".to_owned()).spawn(move || {
            let carrier = match make() {
                Ok(carrier) => carrier,
                Err(error) => return drop(made.send(Err(error))),
            };
            let _ = made.send(Ok(()));
            shared.run(carrier);
        })?;
        match outcome.recv() {
            Ok(result) => result.map(|()| exporter),
            // The sender is gone without a word only when making the carrier panicked.
            Err(_) => Err(std::io::Error::other(panic_of(thread)).into()),
        }
    }

    /// Queues a finished span of about `bytes` bytes; drops and counts it when the queue is full.
    pub(super) fn push(&self, span: T, bytes: usize) {
        let limits = self.shared.limits;
        let mut state = self.shared.lock();
        let full = state.queue.len() >= limits.spans || state.bytes.saturating_add(bytes) > limits.bytes;
        if full || state.closed {
            state.status.dropped += 1;
            let first = !state.overflowing && !state.closed;
            state.overflowing |= full;
            drop(state);
            if first {
                tracing::warn!("the export queue is full: spans are dropped until the receiver catches up");
            }
            return;
        }
        state.bytes += bytes;
        state.queue.push_back(Item { span, bytes, queued: Instant::now() });
        drop(state);
        self.shared.work.notify_one();
    }

    pub(super) fn status(&self) -> ExportStatus {
        self.shared.lock().status.clone()
    }

    /// Takes no more spans and lets the thread end when it has exported what is queued.
    pub(super) fn close(&self) {
        self.shared.lock().closed = true;
        self.shared.work.notify_all();
    }

    /// Closes, then waits until everything queued was exported, but not past `patience`.
    pub(super) fn flush(&self, patience: Duration) -> Flushed {
        let dropped_before = self.status().dropped;
        self.close();
        let deadline = Instant::now() + patience;
        let mut state = self.shared.lock();
        while state.pending() > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.shared.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Flushed { lost: state.pending() as u64 + state.status.dropped - dropped_before }
    }
}

impl<T> Clone for Exporter<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone() }
    }
}

impl<T> std::fmt::Debug for Exporter<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Exporter").finish_non_exhaustive()
    }
}

fn panic_of(thread: thread::JoinHandle<()>) -> String {
    let panic = thread.join().err();
    let text = panic.as_ref().and_then(|panic| panic.downcast_ref::<String>().map(String::as_str));
    format!("the exporter panicked while it was made: {}", text.unwrap_or("no message"))
}

// === impl Shared ===

impl<T> Shared<T> {
    fn new(limits: Limits) -> Self {
        let state = State {
            queue: VecDeque::new(),
            bytes: 0,
            in_flight: 0,
            closed: false,
            overflowing: false,
            standing: Standing::default(),
            status: ExportStatus::default(),
        };
        Self { limits, state: Mutex::new(state), work: Condvar::new(), done: Condvar::new() }
    }

    /// A panic elsewhere leaves the counters as they were; spans still go out.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut carrier: impl Carrier<T>) {
        while let Some(batch) = self.next_batch() {
            let delivery = carrier.carry(batch);
            let notice = self.lock().settle(delivery);
            self.done.notify_all();
            if let Some(notice) = notice {
                say(&notice);
            }
        }
    }

    /// Waits for a batch that is due. None when the queue is closed and empty.
    fn next_batch(&self) -> Option<Vec<T>> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            match state.due_in(now, &self.limits) {
                Some(wait) if wait.is_zero() => return Some(state.take_batch(&self.limits)),
                Some(wait) => {
                    state = self.work.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0;
                }
                None if state.closed => return None,
                None => state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

fn say(notice: &Notice) {
    match notice {
        Notice::Working => tracing::info!("{notice}"),
        Notice::Recovered { .. } => tracing::warn!("{notice}"),
        Notice::Trouble(_) => tracing::error!("{notice}"),
    }
}

// === impl State ===

impl<T> State<T> {
    fn pending(&self) -> usize {
        self.queue.len() + self.in_flight
    }

    /// How long until the next batch should go. None while nothing waits.
    fn due_in(&self, now: Instant, limits: &Limits) -> Option<Duration> {
        let first = self.queue.front()?;
        let full = self.queue.len() >= limits.batch_spans || self.bytes >= limits.batch_bytes;
        if self.closed || full {
            return Some(Duration::ZERO);
        }
        Some((first.queued + BATCH_DELAY).saturating_duration_since(now))
    }

    fn take_batch(&mut self, limits: &Limits) -> Vec<T> {
        let (mut count, mut bytes) = (0, 0);
        for item in self.queue.iter().take(limits.batch_spans) {
            if count > 0 && bytes + item.bytes > limits.batch_bytes {
                break;
            }
            (count, bytes) = (count + 1, bytes + item.bytes);
        }
        let batch: Vec<T> = self.queue.drain(..count).map(|item| item.span).collect();
        self.bytes -= bytes;
        self.in_flight = batch.len();
        self.overflowing &= !self.queue.is_empty();
        batch
    }

    /// Books what became of the batch under way; says what is worth logging.
    fn settle(&mut self, delivery: Delivery) -> Option<Notice> {
        let sent = std::mem::take(&mut self.in_flight) as u64;
        let lost = delivery.lost(sent);
        self.status.exported += sent - lost;
        self.status.dropped += lost;
        self.status.failed_batches += u64::from(matches!(delivery, Delivery::Failed(_)));
        self.status.last_error = delivery.trouble().map(|trouble| trouble.message.clone());
        self.standing.observe(&delivery, lost)
    }
}

#[cfg(test)]
mod tests;
