//! The batches that wait, the order and the times in which they go, and the ones that must go for want of room: pure,
//! without clock, disk or network.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bounded::{Backoff, Jitter};

use super::batch::BatchName;
use crate::asked_wait;

/// The waits after failures: many workers do not come back to a receiver all at once.
const RETRIES: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(30), Jitter::Half);
/// How often batches that are only in memory are tried at the end.
const LAST_TRIES: u32 = 4;
/// A batch that breaks the receiver this often goes after all the others, so that it cannot hold them back.
const MOST_STRIKES: u32 = 10;

/// The limits of the waiting batches.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// On the disk.
    pub(super) bytes: u64,
    /// In memory, when the disk does not take batches.
    pub(super) memory_bytes: u64,
    pub(super) age: Duration,
}

/// The time in two forms: since some fixed moment, and in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Now {
    pub(super) elapsed: Duration,
    pub(super) unix: u64,
}

/// The place of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Location {
    Disk,
    Memory,
}

/// The sender's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Send(BatchName, Location),
    /// Nothing is sent before this much time has passed, unless a new batch comes.
    Wait(Duration),
    /// Nothing waits, or only batches for the next start do.
    Idle,
}

/// The outcome of sending a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Taken,
    /// The receiver will never take this many of its spans.
    Refused {
        spans: u64,
    },
    /// It is replaced by parts of it, each with its size in bytes.
    Cut([(BatchName, u64); 2]),
    /// It cannot be read any more.
    Unreadable,
    Later {
        /// The wait that the receiver asked for.
        after: Option<Duration>,
        /// Whether the batch itself may be the one that breaks the receiver.
        strike: bool,
    },
}

/// The outcomes of spans so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stats {
    pub(super) taken: u64,
    pub(super) rejected: u64,
    /// The spans that fell off: too many or too old, or their file was damaged.
    pub(super) dropped: u64,
    /// Attempts that failed.
    pub(super) failures: u64,
}

#[derive(Debug)]
pub(super) struct DeliveryQueue {
    bounds: Bounds,
    waiting: BTreeMap<BatchName, Held>,
    /// The batches of `waiting` that go after the others.
    deprioritized: BTreeSet<BatchName>,
    sending: Option<BatchName>,
    disk_bytes: u64,
    memory_bytes: u64,
    spans: u64,
    /// Failures in a row.
    failures: u32,
    not_before: Duration,
    ending: Ending,
    stats: Stats,
    random: fastrand::Rng,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    bytes: u64,
    location: Location,
    strikes: u32,
}

/// The stages of the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    NotYet,
    /// Every batch is tried once more.
    Hurrying,
    /// The receiver does not take them: batches on the disk stay there for the next start, and batches in memory are
    /// tried some more times.
    MemoryOnly {
        tries: u32,
    },
}

// === impl Outcome ===

impl Outcome {
    pub(super) fn asked_wait(&self) -> Option<Duration> {
        match self {
            Self::Later { after, .. } => *after,
            _ => None,
        }
    }
}

// === impl DeliveryQueue ===

impl DeliveryQueue {
    pub(super) fn new(bounds: Bounds, random: fastrand::Rng) -> Self {
        Self {
            bounds,
            waiting: BTreeMap::new(),
            deprioritized: BTreeSet::new(),
            sending: None,
            disk_bytes: 0,
            memory_bytes: 0,
            spans: 0,
            failures: 0,
            not_before: Duration::ZERO,
            ending: Ending::NotYet,
            stats: Stats::default(),
            random,
        }
    }

    /// Puts a batch up; returns the batches that have to go for it.
    #[must_use]
    pub(super) fn store(
        &mut self,
        now: Now,
        name: BatchName,
        bytes: u64,
        location: Location,
    ) -> Vec<(BatchName, Location)> {
        self.insert(name, Held { bytes, location, strikes: 0 });
        self.make_room(now)
    }

    pub(super) fn next(&mut self, now: Now) -> Next {
        if self.sending.is_some() {
            return Next::Idle;
        }
        let Some((name, location)) = self.candidate() else { return Next::Idle };
        let wait = self.pause(now);
        if !wait.is_zero() {
            return Next::Wait(wait);
        }
        self.sending = Some(name);
        Next::Send(name, location)
    }

    /// Books the outcome of the batch under way; returns the batches that have to go for its parts, when it was cut.
    #[must_use]
    pub(super) fn settle(&mut self, now: Now, outcome: Outcome) -> Vec<(BatchName, Location)> {
        let Some(name) = self.sending.take() else { return Vec::new() };
        let spans = u64::from(name.spans);
        match outcome {
            Outcome::Taken => self.stats.taken += spans,
            Outcome::Refused { spans: refused } => {
                self.stats.rejected += refused.min(spans);
                self.stats.taken += spans.saturating_sub(refused);
            }
            Outcome::Unreadable => self.stats.dropped += spans,
            Outcome::Cut(_) => {}
            Outcome::Later { after, strike } => {
                self.fail(now, name, after, strike);
                return Vec::new();
            }
        }
        (self.failures, self.not_before) = (0, Duration::ZERO);
        let Some(held) = self.remove(name) else { return Vec::new() };
        if let Outcome::Cut(parts) = outcome {
            parts.into_iter().for_each(|(part, bytes)| self.insert(part, Held { bytes, ..held }));
            return self.make_room(now);
        }
        Vec::new()
    }

    /// The time for which nothing is sent.
    pub(super) fn pause(&self, now: Now) -> Duration {
        self.not_before.saturating_sub(now.elapsed)
    }

    /// The batches that are only in memory and not under way.
    pub(super) fn in_memory(&self) -> impl Iterator<Item = BatchName> {
        let resting = |(name, held): &(&BatchName, &Held)| {
            held.location == Location::Memory && self.sending != Some(**name)
        };
        self.waiting.iter().filter(resting).map(|(name, _)| *name)
    }

    /// A batch that was in memory is on the disk now; false when it is under way or gone, and stays as it is.
    pub(super) fn moved_to_disk(&mut self, name: BatchName, bytes: u64) -> bool {
        let resting = self.sending != Some(name);
        let Some(held) = self.waiting.get(&name).copied().filter(|_| resting) else { return false };
        self.insert(name, Held { bytes, location: Location::Disk, ..held });
        true
    }

    /// No more batches will come: every batch is tried once more, without waiting.
    pub(super) fn hurry(&mut self) {
        if self.ending == Ending::NotYet {
            self.ending = Ending::Hurrying;
            self.not_before = Duration::ZERO;
        }
    }

    /// Spans that are not delivered: on the disk, and in memory.
    pub(super) fn left(&self) -> (u64, u64) {
        let memory = self.waiting.iter().filter(|(_, held)| held.location == Location::Memory);
        let memory = memory.map(|(name, _)| u64::from(name.spans)).sum();
        (self.spans - memory, memory)
    }

    pub(super) fn stats(&self) -> Stats {
        self.stats
    }

    pub(super) fn spans(&self) -> u64 {
        self.spans
    }

    pub(super) fn bytes(&self) -> u64 {
        self.disk_bytes + self.memory_bytes
    }

    /// When the oldest batch was made, in microseconds since 1970.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.waiting.keys().next().map(|name| name.created)
    }

    fn candidate(&self) -> Option<(BatchName, Location)> {
        let wanted = |held: &Held| match self.ending {
            Ending::NotYet | Ending::Hurrying => true,
            Ending::MemoryOnly { tries } => held.location == Location::Memory && tries > 0,
        };
        let mut batches = self.waiting.iter().filter(|(_, held)| wanted(held));
        let first =
            batches.clone().find(|(name, _)| !self.deprioritized.contains(name)).or_else(|| batches.next());
        first.map(|(name, held)| (*name, held.location))
    }

    fn fail(&mut self, now: Now, name: BatchName, after: Option<Duration>, strike: bool) {
        self.stats.failures += 1;
        self.failures = self.failures.saturating_add(1);
        let wait = RETRIES.wait(self.failures, &mut self.random);
        self.not_before = now.elapsed + after.map_or(wait, |asked| asked.clamp(wait, asked_wait::LONGEST));
        self.ending = match self.ending {
            Ending::NotYet => Ending::NotYet,
            Ending::Hurrying => Ending::MemoryOnly { tries: LAST_TRIES - 1 },
            Ending::MemoryOnly { tries } => Ending::MemoryOnly { tries: tries.saturating_sub(1) },
        };
        let Some(held) = self.waiting.get_mut(&name).filter(|_| strike) else { return };
        held.strikes += 1;
        if held.strikes == MOST_STRIKES {
            self.deprioritized.insert(name);
        }
    }

    fn make_room(&mut self, now: Now) -> Vec<(BatchName, Location)> {
        let mut evicted = Vec::new();
        while let Some((name, location)) = self.must_go(now) {
            self.remove(name);
            self.stats.dropped += u64::from(name.spans);
            evicted.push((name, location));
        }
        evicted
    }

    /// The oldest batch that is too old, or of a place that is too full. The one under way is left alone, because its
    /// outcome is about to be known.
    fn must_go(&self, now: Now) -> Option<(BatchName, Location)> {
        let horizon = now.unix.saturating_sub(self.bounds.age.as_micros().try_into().unwrap_or(u64::MAX));
        let full = |location| match location {
            Location::Disk => self.disk_bytes > self.bounds.bytes,
            Location::Memory => self.memory_bytes > self.bounds.memory_bytes,
        };
        let (oldest, held) = self.waiting.iter().find(|(name, _)| Some(**name) != self.sending)?;
        if oldest.created < horizon {
            return Some((*oldest, held.location));
        }
        if !full(Location::Disk) && !full(Location::Memory) {
            return None;
        }
        let mut others = self.waiting.iter().filter(|(name, _)| Some(**name) != self.sending);
        others.find(|(_, held)| full(held.location)).map(|(name, held)| (*name, held.location))
    }

    fn insert(&mut self, name: BatchName, held: Held) {
        *self.bytes_of(held.location) += held.bytes;
        self.spans += u64::from(name.spans);
        if let Some(before) = self.waiting.insert(name, held) {
            *self.bytes_of(before.location) -= before.bytes;
            self.spans -= u64::from(name.spans);
        }
    }

    fn remove(&mut self, name: BatchName) -> Option<Held> {
        let held = self.waiting.remove(&name)?;
        self.deprioritized.remove(&name);
        *self.bytes_of(held.location) -= held.bytes;
        self.spans -= u64::from(name.spans);
        Some(held)
    }

    fn bytes_of(&mut self, location: Location) -> &mut u64 {
        match location {
            Location::Disk => &mut self.disk_bytes,
            Location::Memory => &mut self.memory_bytes,
        }
    }
}

#[cfg(test)]
mod tests;
