//! Tells the turns of a living process from those of one that was killed: each process holds a lock on a file of its
//! own beside the database for as long as it lives, and the kernel releases it, however the process ends.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use statedir::FileLock;
use statedir::private::beside;

/// The text between the name of the database and that of a run.
const INFIX: &str = ".run-";
/// The most locks that are examined at a time.
const MOST: usize = 1000;

/// This process's lock. Dropping it declares that the process is done.
#[derive(Debug)]
pub(super) struct RunLock {
    path: PathBuf,
    _lock: FileLock,
}

/// Held while a database is opened, repaired and tidied, so that two processes do not do that at once.
#[derive(Debug)]
pub(super) struct Gate {
    _lock: FileLock,
}

// === impl RunLock ===

impl RunLock {
    pub(super) fn take(database: &Path, run: &str, _gate: &Gate) -> io::Result<Self> {
        let path = file(database, run);
        let lock = FileLock::take(&path)?.ok_or(io::ErrorKind::WouldBlock)?;
        Ok(Self { path, _lock: lock })
    }
}

impl Drop for RunLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether the process of `run` is gone. The file of its lock is then removed.
pub(super) fn is_over(database: &Path, run: &str, _gate: &Gate) -> bool {
    let path = file(database, run);
    match FileLock::take_existing(&path) {
        Ok(Some(_)) => {
            let _ = fs::remove_file(&path);
            true
        }
        Ok(None) => false,
        // A lock that cannot be examined may be held.
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

fn file(database: &Path, run: &str) -> PathBuf {
    beside(database, &format!("{INFIX}{run}"))
}

/// The processes whose lock files lie beside the database, living or not.
pub(super) fn all(database: &Path) -> Vec<String> {
    let (Some(directory), Some(name)) = (database.parent(), database.file_name()) else { return Vec::new() };
    let prefix = format!("{}{INFIX}", name.to_string_lossy());
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.strip_prefix(&prefix).map(str::to_owned)).take(MOST).collect()
}

// === impl Gate ===

impl Gate {
    /// Fails with `WouldBlock` while another process holds the gate.
    pub(super) fn pass(database: &Path) -> io::Result<Self> {
        let lock = FileLock::take(&beside(database, ".lock"))?.ok_or(io::ErrorKind::WouldBlock)?;
        Ok(Self { _lock: lock })
    }
}

#[cfg(test)]
mod tests {
    use statedir::private;

    use super::*;

    #[test]
    fn a_run_is_over_when_no_process_holds_its_lock() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("record.sqlite");
        let gate = Gate::pass(&database).unwrap();
        assert!(is_over(&database, "never-was", &gate));
        let lock = RunLock::take(&database, "a", &gate).unwrap();
        assert!(!is_over(&database, "a", &gate));
        assert_eq!(all(&database), ["a"]);
        drop(lock);
        assert!(is_over(&database, "a", &gate));
        // A killed process leaves its file like this.
        private::open(&file(&database, "b")).unwrap();
        assert!(is_over(&database, "b", &gate));
        assert!(!file(&database, "b").exists());
    }
}
