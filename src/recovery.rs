//! After a crash: the rooms where people still wait are joined again.
//!
//! LiveKit dispatches nothing a second time, so each running session stands in a file of its own (`notes`) that its
//! end removes. A worker that finds such files of a process that is dead asks LiveKit who is in those rooms, and goes
//! back to where people are and no other agent of ours is (`verdict`), under the identity that the dead one had: if
//! its connection still lingers, the server replaces it. What was said before comes from the record (`memory`).
//!
//! One process takes up what another left: the next start, or a living worker with the same server, agent name and
//! directory.

#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod memory;
mod notes;
mod search;
mod verdict;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

pub use self::memory::Memory;
use self::notes::{Note, Notes};
use self::search::Search;
use crate::config::{Config, ConfigError};
use crate::metrics::{Metrics, Resumption};
use crate::record::Reader;
use crate::worker::{Assignment, Health};

/// Assignments on their way to the worker.
const QUEUE: usize = 64;

/// A session as its worker wrote it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    job_id: String,
    dispatch_id: String,
    room_name: String,
    /// A room of the same name with another SID is another conversation.
    room_sid: String,
    url: url::Url,
    identity: String,
    metadata: String,
    attributes: HashMap<String, String>,
}

/// What running sessions leave for the next process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// None: nothing is written down.
    notes: Option<Arc<Notes>>,
    resuming: Resuming,
    memory: Memory,
    metrics: Metrics,
}

/// Sessions that the worker was asked to take up again, by job id, until it is back in their rooms.
#[derive(Clone, Debug, Default)]
struct Resuming(Arc<Mutex<HashMap<String, Asked>>>);

#[derive(Debug)]
struct Asked {
    entry: Note,
    /// The worker has given it a slot.
    joining: bool,
}

/// How far the worker is with a session that it was asked to take up.
#[derive(Debug)]
enum Progress {
    /// It had no slot for it, or could not join its room: to be asked again.
    Refused(Note),
    Joining,
    /// It is a running session like others.
    Done,
}

/// A session that stands in the notes until this is dropped.
#[derive(Debug)]
pub(crate) struct Noted {
    _note: Option<Note>,
    /// Whether a process that died began it.
    pub(crate) resumed: bool,
}

// === impl Recovery ===

impl Recovery {
    /// Nothing is written down, and nothing taken up.
    pub fn off() -> Self {
        let (resuming, metrics) = (Resuming::default(), Metrics::default());
        Self { notes: None, resuming, memory: Memory::none(), metrics }
    }

    /// Opens the notes and starts to look for what dead processes left. What is to be taken up comes out of the channel.
    /// A directory that cannot be used is logged: calls are worth more than their safety.
    pub fn start(
        config: &Config,
        health: watch::Receiver<Health>,
        metrics: &Metrics,
    ) -> Result<(Self, mpsc::Receiver<Assignment>), ConfigError> {
        let (found, assignments) = mpsc::channel(QUEUE);
        let Some(path) = &config.worker.recovery_dir else { return Ok((Self::off(), assignments)) };
        let credentials = config.livekit_credentials()?;
        let (notes, left) = match Notes::open(path, &credentials.url, &config.worker.agent_name) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(
                    "[worker] recovery_dir: {} cannot be used: {error}; after a crash nobody goes back to the rooms",
                    path.display()
                );
                return Ok((Self::off(), assignments));
            }
        };
        let memory = Memory::new(config.store.path.as_deref().map(Reader::new), config.agent.history_turns);
        let (notes, resuming) = (Some(Arc::new(notes)), Resuming::default());
        let recovery = Self { notes, resuming, memory, metrics: metrics.clone() };
        let search = Search::new(recovery.clone(), config, credentials, left);
        tokio::spawn(search.run(found, health));
        Ok((recovery, assignments))
    }

    /// What was said in a session before its process died.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// A job was started.
    pub(crate) fn joining(&self, job_id: &str) {
        self.resuming.set(job_id, true);
    }

    /// Its room could not be joined.
    pub(crate) fn not_joined(&self, job_id: &str) {
        self.resuming.set(job_id, false);
    }

    /// Writes down that a session runs, or goes on; to be dropped when it has ended. Never fails: what cannot be written
    /// down is logged.
    pub(crate) async fn note(&self, assignment: &Assignment, room_sid: &str) -> Noted {
        if let Some(entry) = self.resuming.finish(&assignment.job_id) {
            self.metrics.session_resumed(Resumption::Resumed);
            return Noted { _note: Some(entry), resumed: true };
        }
        let Some(notes) = self.notes.clone() else { return Noted { _note: None, resumed: false } };
        let left = Left::new(assignment, room_sid);
        let noted = tokio::task::spawn_blocking(move || notes.note(&left)).await;
        let entry = noted.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
        if let Err(error) = &entry {
            tracing::warn!("this session is not written down, and a crash would end it: {error}");
        }
        Noted { _note: entry.ok(), resumed: false }
    }
}

// === impl Resuming ===

impl Resuming {
    fn ask(&self, job_id: String, entry: Note) {
        self.lock().insert(job_id, Asked { entry, joining: false });
    }

    fn set(&self, job_id: &str, joining: bool) {
        if let Some(asked) = self.lock().get_mut(job_id) {
            asked.joining = joining;
        }
    }

    fn finish(&self, job_id: &str) -> Option<Note> {
        self.lock().remove(job_id).map(|asked| asked.entry)
    }

    fn progress(&self, job_id: &str) -> Progress {
        let mut asked = self.lock();
        match asked.get(job_id) {
            None => Progress::Done,
            Some(asked) if asked.joining => Progress::Joining,
            Some(_) => asked.remove(job_id).map_or(Progress::Done, |asked| Progress::Refused(asked.entry)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Left ===

impl Left {
    fn new(assignment: &Assignment, room_sid: &str) -> Self {
        Self {
            job_id: assignment.job_id.clone(),
            dispatch_id: assignment.dispatch_id.clone(),
            room_name: assignment.room_name.clone(),
            room_sid: room_sid.to_owned(),
            url: assignment.url.clone(),
            identity: assignment.identity.clone(),
            metadata: assignment.metadata.clone(),
            attributes: assignment.attributes.clone(),
        }
    }
}
