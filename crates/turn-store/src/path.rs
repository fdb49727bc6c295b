//! The record's files: their places, and their permissions, which let no other user read them.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use statedir::named_file::refuse_irregular;
use statedir::private::{self, beside};

/// The files that SQLite keeps beside a database in WAL mode.
const SIDE_FILES: [&str; 2] = ["-wal", "-shm"];

/// The identity of the file that a path led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
}

/// Makes the directory and an empty file, both for our user only. An existing file stays as it is, and must be regular.
pub(super) fn prepare(path: &Path) -> io::Result<()> {
    refuse_irregular(path)?;
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        private::make_directory(parent)?;
    }
    private::open(path).map(drop)
}

/// The file that `path` leads to now; None when there is none.
pub(super) fn identity(path: &Path) -> Option<Identity> {
    let metadata = fs::metadata(path).ok()?;
    Some(Identity { device: metadata.dev(), inode: metadata.ino() })
}

/// Moves an unreadable file out of the way, with the files that SQLite keeps beside it; returns its new path.
pub(super) fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let free = |n: &u32| {
        let suffix = if *n == 0 { format!(".corrupt-{seconds}") } else { format!(".corrupt-{seconds}-{n}") };
        let aside = beside(path, &suffix);
        (!aside.exists()).then_some(aside)
    };
    let aside = (0..100).find_map(|n| free(&n)).ok_or(io::ErrorKind::AlreadyExists)?;
    fs::rename(path, &aside)?;
    for side in SIDE_FILES {
        // A log of changes that stayed behind would be replayed into the new file.
        match fs::rename(beside(path, side), beside(&aside, side)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().mode() & 0o777
    }

    #[test]
    fn only_we_may_read_what_is_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/voiced/record.sqlite");
        prepare(&path).unwrap();
        assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o700));
        fs::write(&path, "content").unwrap();
        prepare(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"content");
    }

    #[test]
    fn a_device_or_directory_in_its_place_is_refused_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        for (path, kind) in [(dir.path(), "directory"), (Path::new("/dev/null"), "it is a character device")]
        {
            let refusal = prepare(path).unwrap_err().to_string();
            assert!(refusal.contains(kind), "{refusal}");
        }
        assert!(Path::new("/dev/null").exists() && dir.path().is_dir());
    }

    #[test]
    fn a_file_moves_aside_with_its_log_and_never_over_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("record.sqlite");
        let mut places = Vec::new();
        for content in ["one", "two"] {
            fs::write(&path, content).unwrap();
            fs::write(beside(&path, "-wal"), content).unwrap();
            places.push(move_aside(&path).unwrap());
        }
        assert!(!path.exists() && !beside(&path, "-wal").exists());
        for (place, content) in places.iter().zip(["one", "two"]) {
            assert!(place.to_str().unwrap().contains("record.sqlite.corrupt-"));
            assert_eq!(fs::read_to_string(place).unwrap(), content);
            assert_eq!(fs::read_to_string(beside(place, "-wal")).unwrap(), content);
        }
    }
}
