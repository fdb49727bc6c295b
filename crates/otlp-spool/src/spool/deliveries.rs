//! The state that the writer and the sender of a spool share: the queue, and the batches that are in memory.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::batch::BatchName;
use super::delivery_queue::{Bounds, DeliveryQueue, Location, Next, Now, Outcome, Stats};
use crate::asked_wait::AskedWaits;
use crate::delivery::{ExportError, ExportState, Notice};

#[derive(Debug)]
pub(super) struct Deliveries {
    started: Instant,
    state: Mutex<State>,
    /// A batch was stored, or the end has come.
    changed: Condvar,
    /// The sender has ended.
    ended: Condvar,
}

#[derive(Debug)]
struct State {
    queue: DeliveryQueue,
    /// The batches that the disk did not take.
    memory: HashMap<BatchName, Arc<[u8]>>,
    export: ExportState,
    asked_waits: AskedWaits,
    last_error: Option<String>,
    /// Spans that fell off since the receiver was last heard of.
    unreported: u64,
    /// Set until the receiver takes a batch: a full queue is logged once and counted always.
    full: bool,
    phase: Phase,
    /// What the settings of the limits are called.
    limits: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Running,
    /// The writer has stored its last batch.
    Closing,
    /// The process does not wait for the deliveries any more.
    Abandoned,
    Ended,
}

/// A batch to be sent.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) name: BatchName,
    /// None: it is on the disk.
    pub(super) in_memory: Option<Arc<[u8]>>,
}

/// A view of the queue's state.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) stats: Stats,
    pub(super) spans: u64,
    pub(super) bytes: u64,
    pub(super) oldest: Option<u64>,
    pub(super) last_error: Option<String>,
}

// === impl Deliveries ===

impl Deliveries {
    pub(super) fn new(bounds: Bounds, limits: &'static str) -> Self {
        let state = State {
            queue: DeliveryQueue::new(bounds, fastrand::Rng::new()),
            memory: HashMap::new(),
            export: ExportState::default(),
            asked_waits: AskedWaits::default(),
            last_error: None,
            unreported: 0,
            full: false,
            phase: Phase::Running,
            limits,
        };
        Self {
            started: Instant::now(),
            state: Mutex::new(state),
            changed: Condvar::new(),
            ended: Condvar::new(),
        }
    }

    /// Puts up a batch that is on the disk; returns the batches whose files have to go for it.
    pub(super) fn store(&self, name: BatchName, bytes: u64) -> Vec<BatchName> {
        self.enqueue(name, bytes, None)
    }

    /// Puts up a batch that the disk did not take.
    pub(super) fn store_in_memory(&self, name: BatchName, content: Vec<u8>) -> Vec<BatchName> {
        self.enqueue(name, content.len() as u64, Some(content.into()))
    }

    /// A batch that only memory holds and that is not under way.
    pub(super) fn in_memory(&self) -> Option<(BatchName, Arc<[u8]>)> {
        let state = self.lock();
        state.queue.in_memory().find_map(|name| Some((name, state.memory.get(&name)?.clone())))
    }

    /// Forgets the content of a batch that is on the disk now; false when it was sent, or is about to be, from memory.
    pub(super) fn moved_to_disk(&self, name: BatchName, bytes: u64) -> bool {
        let mut state = self.lock();
        let moved = state.queue.moved_to_disk(name, bytes);
        if moved {
            state.memory.remove(&name);
        }
        moved
    }

    /// The writer has stored its last batch: every waiting batch is tried once more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Running {
            state.phase = Phase::Closing;
        }
        state.queue.hurry();
        self.changed.notify_all();
    }

    /// Waits until the sender has ended, but not past the deadline; returns the number of spans left on the disk and in
    /// memory.
    pub(super) fn wait(&self, deadline: Instant) -> (u64, u64) {
        let mut state = self.lock();
        while state.phase != Phase::Ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                state.phase = Phase::Abandoned;
                self.changed.notify_all();
                break;
            }
            state = self.ended.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.queue.left()
    }

    /// The next batch, when it is time for it. None when the spool has ended.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            let next = state.queue.next(self.now());
            let wait = match (state.phase, next) {
                (Phase::Abandoned | Phase::Ended, _) | (Phase::Closing, Next::Idle) => return None,
                (_, Next::Send(name, _)) => {
                    let in_memory = state.memory.get(&name).cloned();
                    return Some(Job { name, in_memory });
                }
                (Phase::Running, Next::Idle) => Duration::MAX,
                (_, Next::Wait(wait)) => wait,
            };
            state = match wait {
                Duration::MAX => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                wait => self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0,
            };
        }
    }

    /// Books the outcome of a batch, and logs what is worth a line; returns the batches whose files have to go.
    pub(super) fn settle(&self, outcome: Outcome, trouble: Option<&ExportError>) -> Vec<BatchName> {
        let mut state = self.lock();
        let asked = outcome.asked_wait();
        let evicted = state.queue.settle(self.now(), outcome);
        let pause = state.queue.pause(self.now());
        let wait = asked.and_then(|asked| state.asked_waits.wait(asked, pause));
        state.last_error = trouble.map(|trouble| trouble.message.clone());
        let evicted = state.evict(evicted);
        let unreported = std::mem::take(&mut state.unreported);
        let notice = state.export.observe(trouble, unreported);
        state.full &= trouble.is_some();
        drop(state);
        if let Some(notice) = notice {
            say(&notice);
        }
        if let Some(wait) = wait {
            tracing::warn!("trace export: {wait}");
        }
        evicted
    }

    /// Puts up parts of the batch under way that are in memory. The queue hears of them when it is settled.
    pub(super) fn remember(&self, name: BatchName, content: Vec<u8>) {
        self.lock().memory.insert(name, content.into());
    }

    /// Forgets the content of a batch that was sent.
    pub(super) fn forget(&self, name: BatchName) {
        self.lock().memory.remove(&name);
    }

    /// The sender ends.
    pub(super) fn end(&self) {
        self.lock().phase = Phase::Ended;
        self.ended.notify_all();
    }

    pub(super) fn snapshot(&self) -> Snapshot {
        let state = self.lock();
        let queue = &state.queue;
        Snapshot {
            stats: queue.stats(),
            spans: queue.spans(),
            bytes: queue.bytes(),
            oldest: queue.oldest(),
            last_error: state.last_error.clone(),
        }
    }

    pub(super) fn now(&self) -> Now {
        Now { elapsed: self.started.elapsed(), unix: unix_micros() }
    }

    fn enqueue(&self, name: BatchName, bytes: u64, content: Option<Arc<[u8]>>) -> Vec<BatchName> {
        let mut state = self.lock();
        let location = if content.is_some() { Location::Memory } else { Location::Disk };
        if let Some(content) = content {
            state.memory.insert(name, content);
        }
        let evicted = state.queue.store(self.now(), name, bytes, location);
        let evicted = state.evict(evicted);
        drop(state);
        self.changed.notify_all();
        evicted
    }

    /// A panic elsewhere leaves the queue as it was.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Books batches that fell off; returns those that have a file.
    fn evict(&mut self, evicted: Vec<(BatchName, Location)>) -> Vec<BatchName> {
        let spans: u64 = evicted.iter().map(|(name, _)| u64::from(name.spans)).sum();
        if spans > 0 && !std::mem::replace(&mut self.full, true) {
            tracing::error!(
                "the trace spool is full: the oldest traces are dropped until the receiver takes them again; see {}",
                self.limits
            );
        }
        self.unreported += spans;
        for (name, _) in evicted.iter().filter(|(_, location)| *location == Location::Memory) {
            self.memory.remove(name);
        }
        evicted
            .into_iter()
            .filter(|(_, location)| *location == Location::Disk)
            .map(|(name, _)| name)
            .collect()
    }
}

/// Microseconds since 1970.
pub(super) fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

fn say(notice: &Notice) {
    match notice {
        Notice::Working => tracing::info!("{notice}"),
        Notice::Recovered { .. } => tracing::warn!("{notice}"),
        Notice::Trouble(_) => tracing::error!("{notice}"),
    }
}
