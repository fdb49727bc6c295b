//! The sessions that run, a file each, so that the worker that starts after a crash knows of them.
//!
//! `<recovery_dir>/<owner>.<n>/<random>.json`, the owner being the server and the agent name. A file is written under
//! another name first, so that no half of one is read. It is not synced: the files must survive the process, and a
//! machine that dies takes its calls with it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use statedir::{
    Slot, Slots, named_file,
    private::{self, Durability},
};
use url::Url;

use super::ResumableSession;

/// LiveKit bounds a dispatcher's metadata and attributes far below this.
const MAX_BYTES: u64 = 1 << 20;

/// The files of this process.
#[derive(Debug)]
pub(super) struct SessionFiles {
    slots: Slots,
    slot: Slot,
}

/// A session's file. It stays when this is dropped: the worker that finds it then goes back to the session.
#[derive(Debug)]
pub(super) struct SessionFile(PathBuf);

// === impl SessionFiles ===

impl SessionFiles {
    /// Takes a slot; returns the notes that the slot's last process left.
    pub(super) fn open(
        root: &Path,
        url: &Url,
        agent: &str,
    ) -> io::Result<(Self, Vec<(ResumableSession, SessionFile)>)> {
        let slots = Slots::new(root, url.as_str(), agent);
        let slot = slots.acquire()?;
        let session = entries(slot.path())?.into_iter().filter_map(read).collect();
        Ok((Self { slots, slot }, session))
    }

    pub(super) fn note(&self, session: &ResumableSession) -> io::Result<SessionFile> {
        let note = SessionFile(self.free_name());
        note.write(session)?;
        Ok(note)
    }

    /// Takes over notes that dead processes left, `most` at once: other workers may have room for the rest.
    pub(super) fn adopt(&self, most: usize) -> io::Result<Vec<(ResumableSession, SessionFile)>> {
        let mut adopted = Vec::new();
        for slot in self.slots.abandoned(&self.slot)? {
            for theirs in entries(slot.path())?.into_iter().take(most - adopted.len()) {
                let ours = self.free_name();
                fs::rename(theirs, &ours)?;
                adopted.extend(read(ours));
            }
        }
        Ok(adopted)
    }

    fn free_name(&self) -> PathBuf {
        self.slot.path().join(format!("{:016x}.json", fastrand::u64(..)))
    }
}

/// The files of a slot, without unfinished ones, which are removed.
fn entries(slot: &Path) -> io::Result<Vec<PathBuf>> {
    private::remove_unpublished(slot)?;
    let mut found = Vec::new();
    for entry in fs::read_dir(slot)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Reads a note. None, and the file is gone, when it is none of ours.
fn read(path: PathBuf) -> Option<(ResumableSession, SessionFile)> {
    let note = SessionFile(path);
    let content = named_file::read_ours(&note.0, MAX_BYTES);
    let session = content.and_then(|content| Ok(serde_json::from_slice(&content)?));
    match session {
        Ok(session) => Some((session, note)),
        Err(error) => {
            tracing::warn!(path = %note.0.display(), "the note of a session cannot be read: {error}; it is dropped");
            note.remove();
            None
        }
    }
}

// === impl SessionFile ===

impl SessionFile {
    pub(super) fn write(&self, session: &ResumableSession) -> io::Result<()> {
        private::replace(&self.0, &serde_json::to_vec(session)?, Durability::Kernel)
    }

    /// The session is over, and no worker is to go back to it.
    pub(super) fn remove(self) {
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!(path = %self.0.display(), "the note of a session that is over stays: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::recovery::ResumeAttempts;

    fn session(job: &str) -> ResumableSession {
        ResumableSession {
            job_id: job.to_owned(),
            dispatch_id: "AD_1".to_owned(),
            room_name: "room".to_owned(),
            room_sid: "RM_1".to_owned(),
            url: url(),
            identity: "agent-1".to_owned(),
            metadata: "{}".to_owned(),
            attributes: [("traceparent".to_owned(), "00-1".to_owned())].into(),
            attempts: ResumeAttempts::default(),
        }
    }

    fn url() -> Url {
        Url::parse("ws://127.0.0.1:7880").unwrap()
    }

    fn open(root: &Path) -> (SessionFiles, Vec<(ResumableSession, SessionFile)>) {
        SessionFiles::open(root, &url(), "ada").unwrap()
    }

    fn jobs(found: &[(ResumableSession, SessionFile)]) -> Vec<&str> {
        let mut jobs: Vec<_> = found.iter().map(|(session, _)| session.job_id.as_str()).collect();
        jobs.sort_unstable();
        jobs
    }

    /// Opens the slot of `path`. A program that another test starts at this moment holds a copy of its lock until it
    /// runs.
    fn reopen(root: &Path, path: &Path) -> (SessionFiles, Vec<(ResumableSession, SessionFile)>) {
        loop {
            let (notes, found) = open(root);
            if notes.slot.path() == path {
                return (notes, found);
            }
        }
    }

    #[test]
    fn what_ended_is_gone_and_what_was_running_is_found_by_the_next_process() {
        let root = tempfile::tempdir().unwrap();
        let (notes, nothing) = open(root.path());
        assert!(nothing.is_empty());
        let (over, _running) =
            (notes.note(&session("over")).unwrap(), notes.note(&session("running")).unwrap());
        over.remove();
        let path = notes.slot.path().to_owned();
        fs::write(path.join("half.new"), "{").unwrap();
        fs::write(path.join("bad.json"), "no JSON").unwrap();
        drop(notes);
        let (_ledger, found) = reopen(root.path(), &path);
        assert_eq!((found.len(), &found[0].0), (1, &session("running")));
        assert_eq!(entries(&path).unwrap().len(), 1, "what cannot be read is gone");
    }

    #[test]
    fn only_we_may_read_a_note_whatever_lay_in_its_place() {
        let root = tempfile::tempdir().unwrap();
        let (notes, _) = open(root.path());
        let note = notes.note(&session("1")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&note.0), mode(notes.slot.path())), (0o600, 0o700));
        let working = private::working(&note.0);
        fs::write(&working, "half").unwrap();
        fs::set_permissions(&working, fs::Permissions::from_mode(0o666)).unwrap();
        note.write(&session("2")).unwrap();
        assert_eq!(mode(&note.0), 0o600);
    }

    #[test]
    fn a_pipe_or_a_directory_in_a_notes_place_is_no_note() {
        let root = tempfile::tempdir().unwrap();
        let (notes, _) = open(root.path());
        let _running = notes.note(&session("running")).unwrap();
        let path = notes.slot.path().to_owned();
        let pipe = std::process::Command::new("mkfifo").arg(path.join("pipe.json")).status().unwrap();
        assert!(pipe.success());
        std::os::unix::fs::symlink("/dev/zero", path.join("endless.json")).unwrap();
        drop(notes);
        let (_ledger, found) = reopen(root.path(), &path);
        assert_eq!(jobs(&found), ["running"]);
        assert!(Path::new("/dev/zero").exists(), "the link is removed, not the device");
    }

    #[test]
    fn a_living_worker_takes_over_as_many_as_it_has_room_for() {
        let root = tempfile::tempdir().unwrap();
        let (alive, _) = open(root.path());
        let (dead, _) = open(root.path());
        let _noted = ["1", "2", "3"].map(|job| dead.note(&session(job)).unwrap());
        assert!(alive.adopt(9).unwrap().is_empty(), "it still lives");
        drop(dead);
        let mut found = Vec::new();
        while found.is_empty() {
            found = alive.adopt(2).unwrap();
        }
        assert_eq!(found.len(), 2);
        assert!(alive.adopt(0).unwrap().is_empty());
        while found.len() < 3 {
            found.extend(alive.adopt(9).unwrap());
        }
        assert_eq!(jobs(&found), ["1", "2", "3"]);
    }

    #[test]
    fn another_agents_sessions_are_none_of_ours() {
        let root = tempfile::tempdir().unwrap();
        let (theirs, _) = SessionFiles::open(root.path(), &url(), "bob").unwrap();
        theirs.note(&session("1")).unwrap();
        drop(theirs);
        let (ours, found) = open(root.path());
        assert!(found.is_empty() && ours.adopt(9).unwrap().is_empty());
    }
}
