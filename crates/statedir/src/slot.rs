//! A process's own place in a directory that several share, and the places that dead processes left behind.
//!
//! `<root>/<owner>.<n>/lock`: the process that holds the lock owns the directory; the kernel frees it when the process
//! dies. Processes of the same owner take the lowest free number and, now and then, the content of numbers that no
//! process holds. Directories are never removed, so that no two processes can hold locks of one name on two different
//! files.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::{FileLock, private};

/// The most workers of one owner that share a directory.
const MAX_SLOTS: u32 = 1_000;
/// The most characters of a name in a directory's name.
const NAME_CHARS: usize = 64;

/// A locked slot.
#[derive(Debug)]
pub struct Slot {
    path: PathBuf,
    number: u32,
    _lock: FileLock,
}

/// All slots of one owner.
#[derive(Clone, Debug)]
pub struct Slots {
    root: PathBuf,
    owner: String,
}

// === impl Slots ===

impl Slots {
    /// The slots of the workers that have both names in common; people know them by the second.
    pub fn new(root: &Path, first: &str, second: &str) -> Self {
        Self { root: root.to_owned(), owner: owner(first, second) }
    }

    /// Takes the first slot that no process holds.
    pub fn acquire(&self) -> io::Result<Slot> {
        private::make_directory(&self.root)?;
        self.warn_of_owner()?;
        for number in 0..MAX_SLOTS {
            if let Some(slot) = self.lock(number)? {
                return Ok(slot);
            }
        }
        Err(io::Error::other(format!("all {MAX_SLOTS} slots of {} are in use", self.owner)))
    }

    /// Takes the slots besides `ours` that no process holds, with whatever dead workers left in them.
    pub fn abandoned(&self, ours: &Slot) -> io::Result<Vec<Slot>> {
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

    /// Says who can take away what is kept here.
    fn warn_of_owner(&self) -> io::Result<()> {
        let owner = fs::metadata(&self.root)?.uid();
        if owner != 0 && our_user().is_some_and(|user| user != owner) {
            let root = self.root.display();
            tracing::warn!(
                "{root} belongs to user {owner}, who can take away what is kept there; use a directory of our own"
            );
        }
        Ok(())
    }

    /// None when another process holds it, or another user made it.
    fn lock(&self, number: u32) -> io::Result<Option<Slot>> {
        let path = self.root.join(format!("{}.{number}", self.owner));
        if is_anothers(&path)? {
            return Ok(None);
        }
        private::make_directory(&path)?;
        let lock = FileLock::take(&path.join("lock"))?;
        Ok(lock.map(|lock| Slot { path, number, _lock: lock }))
    }
}

// === impl Slot ===

impl Slot {
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Whether another user made what is at this path, or it is no directory. What we write there could be read, or a link
/// could lead it over a file of ours.
fn is_anothers(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(found) => Ok(!found.is_dir() || our_user().is_some_and(|user| user != found.uid())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The effective user id (proc(5)); None where it cannot be read.
fn our_user() -> Option<u32> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let ids = status.lines().find_map(|line| line.strip_prefix("Uid:"))?;
    ids.split_whitespace().nth(1)?.parse().ok()
}

/// A directory's name for two names. The checksum distinguishes names that look alike without their special characters
/// or their full length.
fn owner(first: &str, second: &str) -> String {
    let exact = format!("{first}\0{second}");
    let plain = |c: char| if c.is_ascii_alphanumeric() || "-_".contains(c) { c } else { '_' };
    let shown = if second.is_empty() { first.to_owned() } else { format!("{first}-{second}") };
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
    fn only_slots_without_a_process_are_taken_over() {
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
    fn a_link_or_a_file_in_the_place_of_a_slot_is_left_alone() {
        let (root, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let slots = Slots::new(root.path(), "voiced", "ada");
        let place = |number: u32| root.path().join(format!("{}.{number}", slots.owner));
        std::os::unix::fs::symlink(elsewhere.path(), place(0)).unwrap();
        std::os::unix::fs::symlink("nothing", place(1)).unwrap();
        fs::write(place(2), "").unwrap();
        assert_eq!(slots.acquire().unwrap().path(), place(3));
        assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_user_is_the_one_who_owns_what_we_make() {
        let made = tempfile::tempdir().unwrap();
        assert_eq!(our_user(), Some(fs::metadata(made.path()).unwrap().uid()));
    }

    #[test]
    fn owners_that_look_alike_are_kept_apart() {
        assert_ne!(owner("a-b", "c"), owner("a", "b-c"));
        assert_ne!(owner("v", "a/b"), owner("v", "a.b"));
        assert_ne!(owner("v", &"x".repeat(200)), owner("v", &"x".repeat(201)));
        assert!(owner("../../etc", "é").starts_with("______etc-_-"));
    }
}
