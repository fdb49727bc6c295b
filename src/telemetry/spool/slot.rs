//! A worker's own place in the spool directory, and the places that dead workers left behind.
//!
//! `<spool_dir>/<owner>.<n>/` holds `lock`, `journal`, `batches/` and `rejected/`. Whoever holds the lock owns the rest; the
//! kernel frees it when the process dies. Workers of the same owner (service and agent name) take the lowest free
//! number and, now and then, what is in numbers that nobody holds. Directories are never removed, so that no two
//! processes can hold locks of one name on two different files.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::batch::{BatchDir, make_private};
use super::rejected::RejectedDir;

/// More workers of one name than this share no spool directory.
const MAX_SLOTS: u32 = 1_000;
/// Of a name in a directory's name.
const NAME_CHARS: usize = 64;

/// A locked slot.
#[derive(Debug)]
pub(super) struct Slot {
    path: PathBuf,
    number: u32,
    /// Held, not read: closing it frees the slot.
    _lock: File,
    pub(super) batches: BatchDir,
    pub(super) rejected: RejectedDir,
}

/// All slots of one owner.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    root: PathBuf,
    owner: String,
}

// === impl Slots ===

impl Slots {
    pub(super) fn new(root: &Path, service: &str, agent: &str) -> Self {
        Self { root: root.to_owned(), owner: owner(service, agent) }
    }

    /// Takes the first slot that nobody holds.
    pub(super) fn acquire(&self) -> io::Result<Slot> {
        make_private(&self.root)?;
        for number in 0..MAX_SLOTS {
            if let Some(slot) = self.lock(number)? {
                return Ok(slot);
            }
        }
        Err(io::Error::other(format!("all {MAX_SLOTS} slots of {} are in use", self.owner)))
    }

    /// Takes the slots besides `ours` that nobody holds, with whatever dead workers left in them.
    pub(super) fn abandoned(&self, ours: &Slot) -> io::Result<Vec<Slot>> {
        let mut free = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let name = entry?.file_name();
            let Some(number) = name.to_str().and_then(|name| self.number(name)) else { continue };
            if number != ours.number {
                free.extend(self.lock(number)?);
            }
        }
        Ok(free)
    }

    fn number(&self, name: &str) -> Option<u32> {
        name.strip_prefix(&self.owner)?.strip_prefix('.')?.parse().ok()
    }

    /// None when another process holds it.
    fn lock(&self, number: u32) -> io::Result<Option<Slot>> {
        let path = self.root.join(format!("{}.{number}", self.owner));
        make_private(&path)?;
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let batches = BatchDir::open(path.join("batches"))?;
        let rejected = RejectedDir::open(path.join("rejected"))?;
        Ok(Some(Slot { path, number, _lock: lock, batches, rejected }))
    }
}

// === impl Slot ===

impl Slot {
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.path.join("journal")
    }
}

/// A directory's name for a service and an agent. The checksum keeps names apart that look alike without their strange
/// characters or their length.
fn owner(service: &str, agent: &str) -> String {
    let exact = format!("{service}\0{agent}");
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let shown = if agent.is_empty() { service.to_owned() } else { format!("{service}-{agent}") };
    let shown: String = shown.chars().map(plain).take(NAME_CHARS).collect();
    format!("{shown}-{:08x}", crc32fast::hash(exact.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_worker_has_a_slot_of_its_own_and_a_free_one_is_taken_again() {
        let root = tempfile::tempdir().unwrap();
        let slots = Slots::new(root.path(), "voiced", "ada");
        let (first, second) = (slots.acquire().unwrap(), slots.acquire().unwrap());
        assert_ne!(first.path(), second.path());
        let freed = first.path().to_owned();
        drop(first);
        wait_until_free(&slots, 0);
        assert_eq!(slots.acquire().unwrap().path(), freed);
    }

    /// A program that another test starts at this moment holds a copy of the lock until it runs.
    fn wait_until_free(slots: &Slots, number: u32) {
        while slots.lock(number).unwrap().is_none() {
            std::thread::yield_now();
        }
    }

    #[test]
    fn only_slots_that_nobody_holds_are_taken_over() {
        let root = tempfile::tempdir().unwrap();
        let slots = Slots::new(root.path(), "voiced", "ada");
        let (ours, dead, alive) =
            (slots.acquire().unwrap(), slots.acquire().unwrap(), slots.acquire().unwrap());
        let stranger = Slots::new(root.path(), "voiced", "bob").acquire().unwrap();
        let left = dead.path().to_owned();
        drop((dead, stranger));
        wait_until_free(&slots, 1);
        let found = slots.abandoned(&ours).unwrap();
        assert_eq!(found.iter().map(Slot::path).collect::<Vec<_>>(), [left.as_path()]);
        drop(alive);
    }

    #[test]
    fn owners_that_look_alike_are_kept_apart() {
        assert_ne!(owner("a-b", "c"), owner("a", "b-c"));
        assert_ne!(owner("v", "a/b"), owner("v", "a.b"));
        assert_ne!(owner("v", &"x".repeat(200)), owner("v", &"x".repeat(201)));
        assert!(owner("../../etc", "é").starts_with("______etc-_-"));
    }
}
