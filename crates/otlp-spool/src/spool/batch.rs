//! Batches on the disk: one file each, posted as it is.
//!
//! `<microseconds since 1970>-<random>-<spans>.otlp`: names sort by age, and tell the content without opening the file.
//! A file appears under its name only when it is whole and synced.

use std::fmt;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use statedir::{
    named_file,
    private::{self, Durability},
};

/// The size of a file on the disk is a multiple of this on most file systems.
const BLOCK: u64 = 4096;
/// No batch is larger: the spans that a killed process left in its journal become one.
const MAX_BYTES: u64 = super::journal::MAX_BYTES + (1 << 20);

/// The name of a batch. Sorts by the time it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BatchName {
    /// Microseconds since 1970.
    pub(super) created: u64,
    random: u32,
    pub(super) spans: u32,
}

/// A directory of batches.
#[derive(Clone, Debug)]
pub(super) struct BatchDir(PathBuf);

// === impl BatchName ===

impl BatchName {
    pub(super) fn new(created: u64, spans: usize) -> Self {
        Self { created, random: fastrand::u32(..), spans: u32::try_from(spans).unwrap_or(u32::MAX) }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.strip_suffix(".otlp")?.splitn(3, '-');
        let created = parts.next().filter(|digits| digits.len() == 17)?.parse().ok()?;
        let random = u32::from_str_radix(parts.next().filter(|digits| digits.len() == 8)?, 16).ok()?;
        let spans = parts.next()?.parse().ok()?;
        let name_of = Self { created, random, spans };
        (name_of.to_string() == name).then_some(name_of)
    }
}

impl fmt::Display for BatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:017}-{:08x}-{}.otlp", self.created, self.random, self.spans)
    }
}

// === impl BatchDir ===

impl BatchDir {
    /// Opens the directory, made when it is not there. Only our user may read its files.
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        private::make_directory(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The batches, oldest first, with the size of each on the disk. Foreign files are left alone.
    pub(super) fn list(&self) -> io::Result<Vec<(BatchName, u64)>> {
        let mut batches = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().and_then(BatchName::parse) {
                batches.push((name, on_disk(entry.metadata()?.len())));
            }
        }
        batches.sort_unstable();
        Ok(batches)
    }

    /// Writes a batch under its working name, synced.
    pub(super) fn prepare(&self, name: BatchName, content: &[u8]) -> io::Result<()> {
        private::prepare(&self.file(name), content, Durability::Disk)
    }

    /// Gives a prepared batch its name.
    pub(super) fn publish(&self, name: BatchName) -> io::Result<()> {
        private::publish(&self.file(name))?;
        self.sync()
    }

    /// Takes back a batch that could not be published.
    pub(super) fn withdraw(&self, name: BatchName) {
        for path in [self.working(name), self.file(name)] {
            drop(fs::remove_file(path));
        }
    }

    /// Completes the work of a killed process: publishes the batch that its journal announced, and removes the others,
    /// whose spans are still in the journal.
    pub(super) fn recover(&self, announced: Option<BatchName>) -> io::Result<()> {
        if let Some(name) = announced.filter(|name| self.working(*name).exists()) {
            self.publish(name)?;
        }
        private::remove_unpublished(&self.0)
    }

    /// Reads a batch. None when it is gone.
    pub(super) fn read(&self, name: BatchName) -> io::Result<Option<Vec<u8>>> {
        match named_file::read_ours(&self.file(name), MAX_BYTES) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn remove(&self, name: BatchName) -> io::Result<()> {
        match fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Moves every batch of another directory of the same file system here; returns the moved ones.
    pub(super) fn take_all(&self, other: &Self) -> io::Result<Vec<(BatchName, u64)>> {
        let batches = other.list()?;
        for (name, _) in &batches {
            fs::rename(other.file(*name), self.file(*name))?;
        }
        if !batches.is_empty() {
            self.sync()?;
        }
        Ok(batches)
    }

    fn file(&self, name: BatchName) -> PathBuf {
        self.0.join(name.to_string())
    }

    fn working(&self, name: BatchName) -> PathBuf {
        private::working(&self.file(name))
    }

    /// A name is on the disk only when its directory is.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.0)?.sync_all()
    }
}

/// The size on the disk of a file of this length.
pub(super) fn on_disk(bytes: u64) -> u64 {
    bytes.max(1).next_multiple_of(BLOCK)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, BatchDir) {
        let parent = tempfile::tempdir().unwrap();
        let batches = BatchDir::open(parent.path().join("a/batches")).unwrap();
        (parent, batches)
    }

    fn store(batches: &BatchDir, created: u64) -> BatchName {
        let name = BatchName::new(created, 3);
        batches.prepare(name, b"spans").unwrap();
        batches.publish(name).unwrap();
        name
    }

    #[test]
    fn a_name_tells_age_and_spans_and_nothing_else_is_taken_for_one() {
        let name = BatchName::new(1_790_000_000_000_000, 12);
        assert_eq!(BatchName::parse(&name.to_string()), Some(name));
        let others = [
            "",
            "journal",
            "1-2-3.otlp",
            "01790000000000000-0000000g-1.otlp",
            "01790000000000000-+0000001-1.otlp",
        ];
        for other in others {
            assert_eq!(BatchName::parse(other), None, "{other}");
        }
        assert!(BatchName::parse(&format!("{name}.new")).is_none());
    }

    #[test]
    fn batches_are_listed_oldest_first_and_read_back() {
        let (_parent, batches) = directory();
        let (late, early) = (store(&batches, 2), store(&batches, 1));
        fs::write(batches.path().join("notes.txt"), "someone's").unwrap();
        assert_eq!(batches.list().unwrap(), [(early, BLOCK), (late, BLOCK)]);
        assert_eq!(batches.read(early).unwrap().as_deref(), Some(b"spans".as_slice()));
        batches.remove(early).unwrap();
        batches.remove(early).unwrap();
        assert_eq!(batches.read(early).unwrap(), None);
    }

    #[test]
    fn a_batch_half_written_is_no_batch_and_an_announced_one_is() {
        let (_parent, batches) = directory();
        let (announced, cut) = (BatchName::new(1, 3), BatchName::new(2, 3));
        batches.prepare(announced, b"whole").unwrap();
        batches.prepare(cut, b"ha").unwrap();
        assert_eq!(batches.list().unwrap(), []);
        batches.recover(Some(announced)).unwrap();
        assert_eq!(batches.list().unwrap(), [(announced, BLOCK)]);
        assert_eq!(fs::read_dir(batches.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_batch_announced_and_sent_before_the_crash_does_not_come_back() {
        let (_parent, batches) = directory();
        batches.recover(Some(BatchName::new(1, 3))).unwrap();
        assert_eq!(batches.list().unwrap(), []);
    }

    #[test]
    fn another_directory_s_batches_move_over() {
        let (_one, ours) = directory();
        let (_two, theirs) = directory();
        let name = store(&theirs, 7);
        assert_eq!(ours.take_all(&theirs).unwrap(), [(name, BLOCK)]);
        assert_eq!(theirs.list().unwrap(), []);
        assert!(ours.read(name).unwrap().is_some());
    }

    #[test]
    fn only_the_owner_may_read() {
        use std::os::unix::fs::PermissionsExt;
        let (_parent, batches) = directory();
        let name = store(&batches, 1);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(batches.path()), 0o700);
        assert_eq!(mode(&batches.file(name)), 0o600);
    }
}
