//! Reading the files of a directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::{Content, FileBounds, FileError, read_by, within_time};

/// The limits of a directory's read.
#[derive(Clone, Copy, Debug)]
pub struct DirectoryBounds {
    pub max_files: usize,
    /// The most bytes of all its files together.
    pub max_bytes: u64,
}

/// A file of a directory, or the reason why it was not read.
pub(super) type Entry = (PathBuf, Result<Content, FileError>);

/// Reads the regular files of a directory, not of those below it. Its other entries are passed over.
pub fn read_directory(path: &Path, bounds: DirectoryBounds) -> Result<Vec<Entry>, FileError> {
    let path = path.to_owned();
    within_time(move |deadline| read_by_deadline(&path, bounds, deadline))
}

fn read_by_deadline(
    path: &Path,
    bounds: DirectoryBounds,
    deadline: Instant,
) -> Result<Vec<Entry>, FileError> {
    let (mut entries, mut left) = (Vec::new(), bounds.max_bytes);
    for entry in fs::read_dir(path)?.take(bounds.max_files) {
        let path = entry?.path();
        if Instant::now() >= deadline {
            return Err(FileError::TooSlow);
        }
        let read = read_by(&path, FileBounds::regular(left), deadline);
        match &read {
            Ok(content) => left = left.saturating_sub(content.bytes.len() as u64),
            Err(FileError::TooLarge(_)) => return Err(FileError::TooLarge(bounds.max_bytes)),
            // A dangling link, or an entry other than a file.
            Err(error) if error.is_absent() || error.is_directory() => continue,
            Err(FileError::NotRegular(_)) => continue,
            Err(_) => {}
        }
        entries.push((path, read));
    }
    Ok(entries)
}
