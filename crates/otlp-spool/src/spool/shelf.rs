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
const BLAMES: u32 = 10;

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
pub(super) enum Place {
    Disk,
    Memory,
}

/// The sender's next step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Send(BatchName, Place),
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
        blame: bool,
    },
}

/// The outcomes of spans so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) taken: u64,
    pub(super) rejected: u64,
    /// The spans that fell off: too many or too old, or their file was damaged.
    pub(super) dropped: u64,
    /// Attempts that failed.
    pub(super) failures: u64,
}

#[derive(Debug)]
pub(super) struct Shelf {
    bounds: Bounds,
    waiting: BTreeMap<BatchName, Held>,
    /// The batches of `waiting` that go after the others.
    demoted: BTreeSet<BatchName>,
    sending: Option<BatchName>,
    disk_bytes: u64,
    memory_bytes: u64,
    spans: u64,
    /// Failures in a row.
    failures: u32,
    not_before: Duration,
    ending: Ending,
    tally: Tally,
    random: fastrand::Rng,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    bytes: u64,
    place: Place,
    blames: u32,
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

// === impl Shelf ===

impl Shelf {
    pub(super) fn new(bounds: Bounds, random: fastrand::Rng) -> Self {
        Self {
            bounds,
            waiting: BTreeMap::new(),
            demoted: BTreeSet::new(),
            sending: None,
            disk_bytes: 0,
            memory_bytes: 0,
            spans: 0,
            failures: 0,
            not_before: Duration::ZERO,
            ending: Ending::NotYet,
            tally: Tally::default(),
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
        place: Place,
    ) -> Vec<(BatchName, Place)> {
        self.insert(name, Held { bytes, place, blames: 0 });
        self.make_room(now)
    }

    pub(super) fn next(&mut self, now: Now) -> Next {
        if self.sending.is_some() {
            return Next::Idle;
        }
        let Some((name, place)) = self.candidate() else { return Next::Idle };
        let wait = self.pause(now);
        if !wait.is_zero() {
            return Next::Wait(wait);
        }
        self.sending = Some(name);
        Next::Send(name, place)
    }

    /// Books the outcome of the batch under way; returns the batches that have to go for its parts, when it was cut.
    #[must_use]
    pub(super) fn settle(&mut self, now: Now, outcome: Outcome) -> Vec<(BatchName, Place)> {
        let Some(name) = self.sending.take() else { return Vec::new() };
        let spans = u64::from(name.spans);
        match outcome {
            Outcome::Taken => self.tally.taken += spans,
            Outcome::Refused { spans: refused } => {
                self.tally.rejected += refused.min(spans);
                self.tally.taken += spans.saturating_sub(refused);
            }
            Outcome::Unreadable => self.tally.dropped += spans,
            Outcome::Cut(_) => {}
            Outcome::Later { after, blame } => {
                self.fail(now, name, after, blame);
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
        let resting =
            |(name, held): &(&BatchName, &Held)| held.place == Place::Memory && self.sending != Some(**name);
        self.waiting.iter().filter(resting).map(|(name, _)| *name)
    }

    /// A batch that was in memory is on the disk now; false when it is under way or gone, and stays as it is.
    pub(super) fn moved_to_disk(&mut self, name: BatchName, bytes: u64) -> bool {
        let resting = self.sending != Some(name);
        let Some(held) = self.waiting.get(&name).copied().filter(|_| resting) else { return false };
        self.insert(name, Held { bytes, place: Place::Disk, ..held });
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
        let memory = self.waiting.iter().filter(|(_, held)| held.place == Place::Memory);
        let memory = memory.map(|(name, _)| u64::from(name.spans)).sum();
        (self.spans - memory, memory)
    }

    pub(super) fn tally(&self) -> Tally {
        self.tally
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

    fn candidate(&self) -> Option<(BatchName, Place)> {
        let wanted = |held: &Held| match self.ending {
            Ending::NotYet | Ending::Hurrying => true,
            Ending::MemoryOnly { tries } => held.place == Place::Memory && tries > 0,
        };
        let mut batches = self.waiting.iter().filter(|(_, held)| wanted(held));
        let first = batches.clone().find(|(name, _)| !self.demoted.contains(name)).or_else(|| batches.next());
        first.map(|(name, held)| (*name, held.place))
    }

    fn fail(&mut self, now: Now, name: BatchName, after: Option<Duration>, blame: bool) {
        self.tally.failures += 1;
        self.failures = self.failures.saturating_add(1);
        let wait = RETRIES.wait(self.failures, &mut self.random);
        self.not_before = now.elapsed + after.map_or(wait, |asked| asked.clamp(wait, asked_wait::LONGEST));
        self.ending = match self.ending {
            Ending::NotYet => Ending::NotYet,
            Ending::Hurrying => Ending::MemoryOnly { tries: LAST_TRIES - 1 },
            Ending::MemoryOnly { tries } => Ending::MemoryOnly { tries: tries.saturating_sub(1) },
        };
        let Some(held) = self.waiting.get_mut(&name).filter(|_| blame) else { return };
        held.blames += 1;
        if held.blames == BLAMES {
            self.demoted.insert(name);
        }
    }

    fn make_room(&mut self, now: Now) -> Vec<(BatchName, Place)> {
        let mut fallen = Vec::new();
        while let Some((name, place)) = self.must_go(now) {
            self.remove(name);
            self.tally.dropped += u64::from(name.spans);
            fallen.push((name, place));
        }
        fallen
    }

    /// The oldest batch that is too old, or of a place that is too full. The one under way is left alone, because its
    /// outcome is about to be known.
    fn must_go(&self, now: Now) -> Option<(BatchName, Place)> {
        let horizon = now.unix.saturating_sub(self.bounds.age.as_micros().try_into().unwrap_or(u64::MAX));
        let full = |place| match place {
            Place::Disk => self.disk_bytes > self.bounds.bytes,
            Place::Memory => self.memory_bytes > self.bounds.memory_bytes,
        };
        let (oldest, held) = self.waiting.iter().find(|(name, _)| Some(**name) != self.sending)?;
        if oldest.created < horizon {
            return Some((*oldest, held.place));
        }
        if !full(Place::Disk) && !full(Place::Memory) {
            return None;
        }
        let mut others = self.waiting.iter().filter(|(name, _)| Some(**name) != self.sending);
        others.find(|(_, held)| full(held.place)).map(|(name, held)| (*name, held.place))
    }

    fn insert(&mut self, name: BatchName, held: Held) {
        *self.bytes_of(held.place) += held.bytes;
        self.spans += u64::from(name.spans);
        if let Some(before) = self.waiting.insert(name, held) {
            *self.bytes_of(before.place) -= before.bytes;
            self.spans -= u64::from(name.spans);
        }
    }

    fn remove(&mut self, name: BatchName) -> Option<Held> {
        let held = self.waiting.remove(&name)?;
        self.demoted.remove(&name);
        *self.bytes_of(held.place) -= held.bytes;
        self.spans -= u64::from(name.spans);
        Some(held)
    }

    fn bytes_of(&mut self, place: Place) -> &mut u64 {
        match place {
            Place::Disk => &mut self.disk_bytes,
            Place::Memory => &mut self.memory_bytes,
        }
    }
}

#[cfg(test)]
mod tests;
