//! The state that the writer and the sender of a spool share: the shelf, and the batches that are in memory.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::batch::BatchName;
use super::shelf::{Bounds, Next, Now, Outcome, Place, Shelf, Tally};
use crate::asked_wait::AskedWaits;
use crate::delivery::{Notice, Standing, Trouble};

#[derive(Debug)]
pub(super) struct Delivering {
    started: Instant,
    state: Mutex<State>,
    /// A batch was stored, or the end has come.
    changed: Condvar,
    /// The sender has ended.
    ended: Condvar,
}

#[derive(Debug)]
struct State {
    shelf: Shelf,
    /// The batches that the disk did not take.
    memory: HashMap<BatchName, Arc<[u8]>>,
    standing: Standing,
    asked_waits: AskedWaits,
    last_error: Option<String>,
    /// Spans that fell off since the receiver was last heard of.
    untold: u64,
    /// Set until the receiver takes a batch: a full shelf is logged once and counted always.
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

/// A view of the shelf's state.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    pub(super) tally: Tally,
    pub(super) spans: u64,
    pub(super) bytes: u64,
    pub(super) oldest: Option<u64>,
    pub(super) last_error: Option<String>,
}

// === impl Delivering ===

impl Delivering {
    pub(super) fn new(bounds: Bounds, limits: &'static str) -> Self {
        let state = State {
            shelf: Shelf::new(bounds, fastrand::Rng::new()),
            memory: HashMap::new(),
            standing: Standing::default(),
            asked_waits: AskedWaits::default(),
            last_error: None,
            untold: 0,
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
        self.shelve(name, bytes, None)
    }

    /// Puts up a batch that the disk did not take.
    pub(super) fn store_in_memory(&self, name: BatchName, content: Vec<u8>) -> Vec<BatchName> {
        self.shelve(name, content.len() as u64, Some(content.into()))
    }

    /// A batch that only memory holds and that is not under way.
    pub(super) fn in_memory(&self) -> Option<(BatchName, Arc<[u8]>)> {
        let state = self.lock();
        state.shelf.in_memory().find_map(|name| Some((name, state.memory.get(&name)?.clone())))
    }

    /// Forgets the content of a batch that is on the disk now; false when it was sent, or is about to be, from memory.
    pub(super) fn moved_to_disk(&self, name: BatchName, bytes: u64) -> bool {
        let mut state = self.lock();
        let moved = state.shelf.moved_to_disk(name, bytes);
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
        state.shelf.hurry();
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
        state.shelf.left()
    }

    /// The next batch, when it is time for it. None when the spool has ended.
    pub(super) fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            let next = state.shelf.next(self.now());
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
    pub(super) fn settle(&self, outcome: Outcome, trouble: Option<&Trouble>) -> Vec<BatchName> {
        let mut state = self.lock();
        let asked = outcome.asked_wait();
        let fallen = state.shelf.settle(self.now(), outcome);
        let pause = state.shelf.pause(self.now());
        let wait = asked.and_then(|asked| state.asked_waits.wait(asked, pause));
        state.last_error = trouble.map(|trouble| trouble.message.clone());
        let fallen = state.let_go(fallen);
        let untold = std::mem::take(&mut state.untold);
        let notice = state.standing.observe(trouble, untold);
        state.full &= trouble.is_some();
        drop(state);
        if let Some(notice) = notice {
            say(&notice);
        }
        if let Some(wait) = wait {
            tracing::warn!("trace export: {wait}");
        }
        fallen
    }

    /// Puts up parts of the batch under way that are in memory. The shelf hears of them when it is settled.
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
        let shelf = &state.shelf;
        Snapshot {
            tally: shelf.tally(),
            spans: shelf.spans(),
            bytes: shelf.bytes(),
            oldest: shelf.oldest(),
            last_error: state.last_error.clone(),
        }
    }

    pub(super) fn now(&self) -> Now {
        Now { elapsed: self.started.elapsed(), unix: unix_micros() }
    }

    fn shelve(&self, name: BatchName, bytes: u64, content: Option<Arc<[u8]>>) -> Vec<BatchName> {
        let mut state = self.lock();
        let place = if content.is_some() { Place::Memory } else { Place::Disk };
        if let Some(content) = content {
            state.memory.insert(name, content);
        }
        let fallen = state.shelf.store(self.now(), name, bytes, place);
        let fallen = state.let_go(fallen);
        drop(state);
        self.changed.notify_all();
        fallen
    }

    /// A panic elsewhere leaves the shelf as it was.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Books batches that fell off; returns those that have a file.
    fn let_go(&mut self, fallen: Vec<(BatchName, Place)>) -> Vec<BatchName> {
        let spans: u64 = fallen.iter().map(|(name, _)| u64::from(name.spans)).sum();
        if spans > 0 && !std::mem::replace(&mut self.full, true) {
            tracing::error!(
                "the trace spool is full: the oldest traces are dropped until the receiver takes them again; see {}",
                self.limits
            );
        }
        self.untold += spans;
        for (name, _) in fallen.iter().filter(|(_, place)| *place == Place::Memory) {
            self.memory.remove(name);
        }
        fallen.into_iter().filter(|(_, place)| *place == Place::Disk).map(|(name, _)| name).collect()
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
