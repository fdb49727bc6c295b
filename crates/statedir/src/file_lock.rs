//! Locks on files.

use std::fs::{File, TryLockError};
use std::io;
use std::path::Path;

use crate::private;

/// An exclusive lock on a file. It ends with this value, or with the process, however that ends.
///
/// A child that is forked at this moment holds a copy of the lock until it executes its program.
#[derive(Debug)]
pub struct FileLock {
    /// Held, not read: closing the file releases the lock.
    _file: File,
}

// === impl FileLock ===

impl FileLock {
    /// Locks the file, which is made when it is absent. None while another process, or another value, holds the lock.
    ///
    /// # Errors
    ///
    /// When the file can be neither opened nor made, or when its file system has no locks.
    pub fn take(path: &Path) -> io::Result<Option<Self>> {
        Self::of(private::open(path)?)
    }

    /// Locks the file, as [`take`](Self::take) does, and fails with `NotFound` when it is absent.
    pub fn take_existing(path: &Path) -> io::Result<Option<Self>> {
        Self::of(File::open(path)?)
    }

    fn of(file: File) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(Some(Self { _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_once_and_free_again_when_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        let absent = FileLock::take_existing(&path).unwrap_err();
        assert_eq!(absent.kind(), io::ErrorKind::NotFound);
        let lock = FileLock::take(&path).unwrap().unwrap();
        assert!(FileLock::take(&path).unwrap().is_none());
        assert!(FileLock::take_existing(&path).unwrap().is_none());
        drop(lock);
        // A program that another test starts at this moment holds a copy of the lock until it runs.
        while FileLock::take_existing(&path).unwrap().is_none() {
            std::thread::yield_now();
        }
    }
}
