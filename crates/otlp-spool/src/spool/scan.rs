//! The content of a spool directory, seen from outside: by the names of the files alone, without a lock or a change.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::batch::{BatchName, on_disk};

/// The spans of all workers that share a directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Spans in batches that wait for the receiver.
    pub spans: u64,
    pub bytes: u64,
    pub oldest: Option<SystemTime>,
    /// Spans that the receiver never takes, kept for people.
    pub rejected: u64,
}

impl Survey {
    /// A directory that does not exist holds nothing.
    pub fn of(root: &Path) -> io::Result<Self> {
        let mut scan = Self::default();
        for slot in entries(root)? {
            for (name, bytes) in batches(&slot?.path().join("batches"))? {
                scan.spans += u64::from(name.spans);
                scan.bytes += bytes;
                let created = UNIX_EPOCH + Duration::from_micros(name.created);
                scan.oldest = Some(scan.oldest.map_or(created, |oldest| oldest.min(created)));
            }
        }
        for slot in entries(root)? {
            let rejected = batches(&slot?.path().join("rejected"))?;
            scan.rejected += rejected.iter().map(|(name, _)| u64::from(name.spans)).sum::<u64>();
        }
        Ok(scan)
    }
}

fn batches(directory: &Path) -> io::Result<Vec<(BatchName, u64)>> {
    let mut found = Vec::new();
    for entry in entries(directory)? {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().and_then(BatchName::parse) else { continue };
        match entry.metadata() {
            Ok(metadata) => found.push((name, on_disk(metadata.len()))),
            // The batch was delivered a moment ago.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// The entries of a directory; none when there is no directory.
fn entries(directory: &Path) -> io::Result<impl Iterator<Item = io::Result<fs::DirEntry>>> {
    let listing = match fs::read_dir(directory) {
        Ok(listing) => Some(listing),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
        Err(error) => return Err(error),
    };
    Ok(listing.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_batches_of_all_workers_are_counted_and_nothing_is_made() {
        let root = tempfile::tempdir().unwrap();
        let spool = root.path().join("spool");
        assert_eq!(Survey::of(&spool).unwrap(), Survey::default());
        assert!(!spool.exists());
        for (location, created, spans) in
            [("a.0/batches", 2_000, 5), ("b.0/batches", 1_000, 7), ("b.0/rejected", 500, 2)]
        {
            let directory = spool.join(location);
            fs::create_dir_all(&directory).unwrap();
            fs::write(directory.join(BatchName::new(created, spans).to_string()), "x").unwrap();
            fs::write(directory.join("other.txt"), "x").unwrap();
        }
        let scan = Survey::of(&spool).unwrap();
        assert_eq!((scan.spans, scan.rejected), (12, 2));
        assert_eq!(scan.bytes, 2 * on_disk(1));
        assert_eq!(scan.oldest, Some(UNIX_EPOCH + Duration::from_millis(1)));
    }
}
