//! The disk side of a spool: the slot that this process holds, its journal, and the files that dead workers left
//! behind.

use std::io;
use std::path::Path;

use statedir::Slots;

use super::batch::{BatchDir, BatchName};
use super::journal::{Journal, Record};
use super::live::Live;
use super::rejected::RejectedDir;
use super::slot::SpoolSlot;
use crate::wire::Envelope;

#[derive(Debug)]
pub(super) struct Disk {
    slots: Slots,
    slot: SpoolSlot,
    journal: Journal,
}

/// The spans that were found of processes that died.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Recovered {
    /// Spans that had ended and were in no batch yet.
    pub(super) ended: usize,
    /// Spans that were open, and are closed as aborted.
    pub(super) aborted: usize,
}

// === impl Disk ===

impl Disk {
    /// Takes a slot, and puts the spans that an earlier process left in it into batches.
    pub(super) fn open(slots: Slots, envelope: &Envelope, now: u64) -> io::Result<(Self, Recovered)> {
        let slot = SpoolSlot::open(slots.acquire()?)?;
        let (mut journal, recovered) = recover(&slot, envelope, now)?;
        journal.rewrite(&[Record::Envelope(envelope.clone())])?;
        Ok((Self { slots, slot, journal }, recovered))
    }

    pub(super) fn path(&self) -> &Path {
        self.slot.path()
    }

    pub(super) fn batches(&self) -> &BatchDir {
        &self.slot.batches
    }

    pub(super) fn rejected(&self) -> &RejectedDir {
        &self.slot.rejected
    }

    pub(super) fn append(&mut self, records: &[Record]) -> io::Result<()> {
        self.journal.append(records)
    }

    /// Writes all ended spans into a batch; it is sent once it is published.
    pub(super) fn store(&mut self, name: BatchName, content: &[u8]) -> io::Result<()> {
        store(&mut self.journal, &self.slot.batches, name, content)
    }

    /// Writes a batch that the journal does not know: it was in memory.
    pub(super) fn rescue(&mut self, name: BatchName, content: &[u8]) -> io::Result<()> {
        let batches = &self.slot.batches;
        let stored = batches.prepare(name, content).and_then(|()| batches.publish(name));
        if stored.is_err() {
            batches.withdraw(name);
        }
        stored
    }

    /// Shortens the journal when most of it is obsolete.
    pub(super) fn tidy(&mut self, live: &Live) -> io::Result<()> {
        if self.journal.is_heavy(live.bytes()) { self.rewrite(live) } else { Ok(()) }
    }

    /// Replaces the journal by one with exactly this state, after a record could not be appended.
    pub(super) fn rewrite(&mut self, live: &Live) -> io::Result<()> {
        self.journal.rewrite(&live.records())
    }

    /// Takes over the content of slots that no process holds any more; returns the batches that came.
    pub(super) fn adopt(
        &mut self,
        envelope: &Envelope,
        now: u64,
    ) -> io::Result<(Vec<(BatchName, u64)>, Recovered)> {
        let (mut batches, mut recovered) = (Vec::new(), Recovered::default());
        for left in self.slots.abandoned(self.slot.slot())? {
            let left = SpoolSlot::open(left)?;
            let (mut journal, found) = recover(&left, envelope, now)?;
            journal.rewrite(&[])?;
            batches.extend(self.slot.batches.take_all(&left.batches)?);
            self.slot.rejected.take_all(&left.rejected)?;
            recovered.ended += found.ended;
            recovered.aborted += found.aborted;
        }
        Ok((batches, recovered))
    }
}

/// Completes the work of a dead process in this slot: its open spans are closed, and all spans of its journal go into a
/// batch. Each step is in the journal before the next, so that dying on the way loses and doubles nothing.
fn recover(slot: &SpoolSlot, ours: &Envelope, now: u64) -> io::Result<(Journal, Recovered)> {
    let (mut journal, records) = Journal::open(&slot.journal())?;
    let mut live = Live::replay(records);
    slot.batches.recover(live.batched)?;
    let aborted = live.aborted();
    let recovered = Recovered { ended: live.ended.len(), aborted: aborted.len() };
    journal.append(&aborted)?;
    aborted.into_iter().for_each(|record| live.apply(record));
    if !live.ended.is_empty() {
        let envelope = live.envelope.as_ref().unwrap_or(ours);
        let name = BatchName::new(now, live.ended.len());
        store(&mut journal, &slot.batches, name, &envelope.batch(live.ended))?;
    }
    Ok((journal, recovered))
}

/// The journal knows of a batch when it is whole, and before the sender can send it: else a crash in between would
/// leave its spans twice, or not at all.
fn store(journal: &mut Journal, batches: &BatchDir, name: BatchName, content: &[u8]) -> io::Result<()> {
    batches.prepare(name, content)?;
    let stored = journal.append(&[Record::Batched(name)]).and_then(|()| batches.publish(name));
    if stored.is_err() {
        // The batch is sent from memory, and a file that stayed here would be sent again.
        batches.withdraw(name);
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tests::{envelope, span};
    use crate::wire::{WireSpan, count};

    struct Location(tempfile::TempDir);

    impl Location {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn slots(&self) -> Slots {
            Slots::new(self.0.path(), "voiced", "ada")
        }

        fn open(&self) -> (Disk, Recovered) {
            Disk::open(self.slots(), &envelope(), 77).unwrap()
        }

        /// Opens the slot that `disk` held. A program that another test starts at this moment holds a copy of the lock
        /// until it runs.
        fn reopen(&self, disk: Disk) -> (Disk, Recovered) {
            let path = disk.path().to_owned();
            drop(disk);
            loop {
                let opened = self.open();
                if opened.0.path() == path {
                    return opened;
                }
            }
        }
    }

    /// The spans of all batches.
    fn spans(batches: &BatchDir) -> usize {
        let batches_of = batches.list().unwrap();
        batches_of.iter().map(|(name, _)| count(&batches.read(*name).unwrap().unwrap()).unwrap()).sum()
    }

    fn ended(id: u8) -> WireSpan {
        span(1, id).ended_at(5_000)
    }

    /// Drops `dead`, and waits until its lock is free: see [`Location::reopen`].
    fn free(ours: &mut Disk, dead: Disk) {
        drop(dead);
        while ours.slots.abandoned(ours.slot.slot()).unwrap().is_empty() {}
    }

    #[test]
    fn a_killed_process_s_spans_come_back_ended_or_aborted() {
        let location = Location::new();
        let (mut disk, nothing) = location.open();
        assert_eq!(nothing, Recovered::default());
        let records = [Record::Opened(span(1, 1)), Record::Opened(span(1, 2)), Record::Ended(ended(2))];
        disk.append(&records).unwrap();
        let (disk, recovered) = location.reopen(disk);
        assert_eq!(recovered, Recovered { ended: 1, aborted: 1 });
        assert_eq!(spans(disk.batches()), 2);
        assert_eq!(location.reopen(disk).1, Recovered::default(), "once");
    }

    /// Dies after each step of storing a batch, in the states that the file system would show.
    #[test]
    fn dying_while_a_batch_is_stored_neither_loses_nor_doubles_it() {
        let content = envelope().batch(vec![ended(2)]);
        for steps in 0..4 {
            let location = Location::new();
            let (mut disk, _) = location.open();
            disk.append(&[Record::Opened(span(1, 2)), Record::Ended(ended(2))]).unwrap();
            let name = BatchName::new(5, 1);
            if steps > 0 {
                disk.batches().prepare(name, &content).unwrap();
            }
            if steps > 1 {
                disk.append(&[Record::Batched(name)]).unwrap();
            }
            if steps > 2 {
                disk.batches().publish(name).unwrap();
            }
            assert_eq!(spans(location.reopen(disk).0.batches()), 1, "after {steps} steps");
        }
    }

    #[test]
    fn a_batch_that_was_sent_before_the_crash_stays_away() {
        let location = Location::new();
        let (mut disk, _) = location.open();
        disk.append(&[Record::Ended(ended(2))]).unwrap();
        let name = BatchName::new(5, 1);
        disk.store(name, &envelope().batch(vec![ended(2)])).unwrap();
        disk.batches().remove(name).unwrap();
        assert_eq!(spans(location.reopen(disk).0.batches()), 0);
    }

    #[test]
    fn a_living_worker_takes_over_what_a_dead_one_left_and_nothing_of_the_living() {
        let location = Location::new();
        let (mut ours, mut dead, mut alive) = (location.open().0, location.open().0, location.open().0);
        dead.append(&[Record::Opened(span(1, 1)), Record::Ended(ended(2))]).unwrap();
        alive.append(&[Record::Ended(span(3, 3))]).unwrap();
        free(&mut ours, dead);
        let (batches, recovered) = ours.adopt(&envelope(), 99).unwrap();
        assert_eq!(recovered, Recovered { ended: 1, aborted: 1 });
        assert_eq!((batches.len(), spans(ours.batches())), (1, 2));
        assert_eq!(ours.adopt(&envelope(), 99).unwrap().0, []);
        free(&mut ours, alive);
        assert_eq!(ours.adopt(&envelope(), 99).unwrap().1, Recovered { ended: 1, aborted: 0 });
    }
}
