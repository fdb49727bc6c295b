//! Batches that the receiver will never take, kept apart for people: the spans in `NAME.otlp`, and the receiver's
//! answer in `NAME.txt`. They are not sent again; the oldest make room for new ones.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use statedir::private::{self, Durability};

use super::batch::{BatchName, on_disk};

/// The bytes of all that is kept. Enough to see what is wrong, too little to fill a disk.
const MAX_BYTES: u64 = 16 << 20;

/// A directory of rejected batches.
#[derive(Clone, Debug)]
pub(super) struct RejectedDir(PathBuf);

// === impl RejectedDir ===

impl RejectedDir {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        private::make_directory(&path)?;
        private::remove_unpublished(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn keep(&self, name: BatchName, batch: &[u8], reason: &str) -> io::Result<()> {
        private::replace(&self.spans(name), batch, Durability::Disk)?;
        let why = self.spans(name).with_extension("txt");
        private::replace(&why, format!("{reason}\n").as_bytes(), Durability::Disk)?;
        self.make_room()
    }

    /// Moves all batches of another directory here.
    pub(super) fn take_all(&self, other: &Self) -> io::Result<()> {
        for entry in fs::read_dir(&other.0)? {
            let entry = entry?;
            fs::rename(entry.path(), self.0.join(entry.file_name()))?;
        }
        self.make_room()
    }

    fn make_room(&self) -> io::Result<()> {
        let mut kept = self.list()?;
        let mut bytes: u64 = kept.iter().map(|(_, bytes)| bytes).sum();
        kept.sort_unstable();
        for (name, size) in kept {
            if bytes <= MAX_BYTES {
                break;
            }
            fs::remove_file(self.spans(name))?;
            // A reason that is missing already is no reason to stop.
            drop(fs::remove_file(self.spans(name).with_extension("txt")));
            bytes -= size;
        }
        Ok(())
    }

    /// The batches, each with the bytes of both its files.
    fn list(&self) -> io::Result<Vec<(BatchName, u64)>> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            if let Some(name) = entry.file_name().to_str().and_then(BatchName::parse) {
                kept.push((name, on_disk(entry.metadata()?.len()) + on_disk(1)));
            }
        }
        Ok(kept)
    }

    fn spans(&self, name: BatchName) -> PathBuf {
        self.0.join(name.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_rejected_is_kept_with_the_reason_and_the_oldest_go_first() {
        let parent = tempfile::tempdir().unwrap();
        let rejected = RejectedDir::open(parent.path().join("rejected")).unwrap();
        let batch = vec![7; 3 << 20];
        let names: Vec<BatchName> = (0..7).map(|created| BatchName::new(created, 3)).collect();
        names.iter().for_each(|name| rejected.keep(*name, &batch, "400: too odd").unwrap());
        let mut kept: Vec<BatchName> = rejected.list().unwrap().into_iter().map(|(name, _)| name).collect();
        kept.sort_unstable();
        assert_eq!(kept, names[2..]);
        let reason = rejected.spans(names[6]).with_extension("txt");
        assert_eq!(fs::read_to_string(reason).unwrap(), "400: too odd\n");
        assert_eq!(fs::read_dir(rejected.path()).unwrap().count(), 10);
    }
}
