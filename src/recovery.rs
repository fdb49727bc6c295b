//! Rejoins the rooms where people still wait after a crash, or after a connection is lost for good.
//!
//! LiveKit dispatches nothing a second time, so each running session stands in a file of its own (`session_files`)
//! that its end removes. A worker that finds such files of a process that is dead asks LiveKit who is in those rooms,
//! and goes back to rooms with people and without another agent of ours (`decision`), under the identity that the dead
//! one had: if its connection still lingers, the server replaces it. The conversation so far comes from the store
//! (`stored_context`).
//!
//! One process takes up the sessions that another left: the next start, or a living worker with the same server, agent
//! name and directory. A living process goes back to its own sessions in the same way: those whose connection the SDK
//! gave up (`suspended` has their conversations), and those that broke down. A session that is interrupted again and
//! again is left alone (`resume_attempts`).

mod decision;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod resume_attempts;
mod resuming;
mod search;
mod session_files;
mod stored_context;
mod suspended;
mod tracked;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use agent_worker::{Assignment, Health};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use turn_store::Reader;

use self::resume_attempts::ResumeAttempts;
use self::resuming::{Answer, Asked, Progress, Resuming};
use self::search::Search;
use self::session_files::{SessionFile, SessionFiles};
use self::stored_context::StoredContext;
use self::suspended::SuspendedSessions;
pub(crate) use self::tracked::TrackedSession;
use self::tracked::{Claims, InterruptedSession};
use crate::config::{Config, ConfigError};
use crate::metrics::{Metrics, Resumption};
use crate::session::ClaimContext;

/// Assignments on their way to the worker.
const QUEUE: usize = 64;
/// Sessions on their way to the search: all sessions of a large worker may lose their server at once. Those without a
/// place stay in the notes until the next start.
const INTERRUPTED: usize = 1024;

/// A session as its worker wrote it down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ResumableSession {
    job_id: String,
    dispatch_id: String,
    room_name: String,
    /// A room of the same name with another SID is another conversation.
    room_sid: String,
    url: url::Url,
    identity: String,
    metadata: String,
    attributes: HashMap<String, String>,
    #[serde(default, rename = "returns")]
    attempts: ResumeAttempts,
}

/// The notes that running sessions leave for the next process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// None: no notes are written.
    notes: Option<Arc<SessionFiles>>,
    resuming: Resuming,
    suspended: SuspendedSessions,
    interrupted: mpsc::Sender<InterruptedSession>,
    memory: StoredContext,
    metrics: Metrics,
}

// === impl Recovery ===

impl Recovery {
    /// Writes no notes, and takes up no sessions.
    pub fn off() -> Self {
        let (interrupted, _) = mpsc::channel(1);
        Self::new(None, interrupted, StoredContext::none(), Metrics::default())
    }

    fn new(
        notes: Option<Arc<SessionFiles>>,
        interrupted: mpsc::Sender<InterruptedSession>,
        memory: StoredContext,
        metrics: Metrics,
    ) -> Self {
        let (resuming, suspended) = (Resuming::default(), SuspendedSessions::default());
        Self { notes, resuming, suspended, interrupted, memory, metrics }
    }

    /// Opens the notes and starts to look for sessions that dead processes left. The channel yields those to take up. A
    /// directory that cannot be used is logged: calls are worth more than their safety.
    pub fn start(
        config: &Config,
        health: watch::Receiver<Health>,
        metrics: &Metrics,
    ) -> Result<(Self, mpsc::Receiver<Assignment>), ConfigError> {
        let (found, assignments) = mpsc::channel(QUEUE);
        let Some(path) = &config.worker.recovery_dir else { return Ok((Self::off(), assignments)) };
        let credentials = config.livekit_credentials()?;
        let (notes, session) = match SessionFiles::open(path, &credentials.url, &config.worker.agent_name) {
            Ok(opened) => opened,
            Err(error) => {
                tracing::error!(
                    "[worker] recovery_dir: {} cannot be used: {error}; after a crash no worker goes back to the rooms",
                    path.display()
                );
                return Ok((Self::off(), assignments));
            }
        };
        let memory =
            StoredContext::new(Reader::of(&config.store.settings()).ok(), config.agent.history_turns);
        let (interrupted, lost) = mpsc::channel(INTERRUPTED);
        let recovery = Self::new(Some(Arc::new(notes)), interrupted, memory, metrics.clone());
        let search = Search::new(recovery.clone(), config, credentials, session, lost);
        tokio::spawn(search.run(found, health));
        Ok((recovery, assignments))
    }

    /// A job was started.
    pub(crate) fn joining(&self, job_id: &str) {
        self.resuming.answer(job_id, Answer::Joining);
    }

    /// There is no slot for it, or its room could not be joined.
    pub(crate) fn not_joined(&self, job_id: &str) {
        self.resuming.answer(job_id, Answer::No);
    }

    /// Writes down that a session runs, or goes on. Never fails: a note that cannot be written is logged. `stop` is
    /// that of the session; `people` are there already.
    pub(crate) async fn track(
        &self,
        assignment: &Assignment,
        room_sid: &str,
        people: &[String],
        stop: CancellationToken,
    ) -> TrackedSession {
        let chat_context = match self.resuming.finish(&assignment.job_id) {
            Some(asked) => return self.resumed(asked, room_sid, stop).await,
            None => self.suspended.claim(&assignment.room_name, people),
        };
        let session = ResumableSession::new(assignment, room_sid);
        let tracked = self.write_down(session).await;
        TrackedSession { tracked, chat_context, stop, recovery: self.clone() }
    }

    async fn write_down(&self, session: ResumableSession) -> Option<(ResumableSession, SessionFile)> {
        let notes = self.notes.clone()?;
        let tracked = tokio::task::spawn_blocking(move || Ok((notes.note(&session)?, session))).await;
        let tracked = tracked.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
        let tracked = tracked.inspect_err(|error| {
            tracing::warn!("this session is not written down, and a crash would end it: {error}");
        });
        tracked.ok().map(|(note, session)| (session, note))
    }

    async fn resumed(&self, asked: Asked, room_sid: &str, stop: CancellationToken) -> TrackedSession {
        let Asked { mut session, note, .. } = asked;
        self.metrics.instruments.resumptions.add(Resumption::Resumed);
        let chat_context = match self.suspended.take(&session.job_id) {
            Some(chat_context) => chat_context,
            None => self.memory.of(&session.room_sid).await,
        };
        session.room_sid = room_sid.to_owned();
        session.attempts.count(SystemTime::now());
        let tracked = tokio::task::spawn_blocking(move || {
            if let Err(error) = note.write(&session) {
                tracing::warn!("what is written down of this session is not up to date: {error}");
            }
            (session, note)
        });
        TrackedSession {
            tracked: tracked.await.ok(),
            chat_context: Some(chat_context),
            stop,
            recovery: self.clone(),
        }
    }

    /// The earlier conversations that a session which began without its people may claim later.
    pub(crate) fn claims(&self, room_name: &str) -> Arc<dyn ClaimContext> {
        Arc::new(Claims { room_name: room_name.to_owned(), suspended: self.suspended.clone() })
    }

    fn interrupted(&self, interrupted: InterruptedSession) {
        if let Err(error) = self.interrupted.try_send(interrupted) {
            let InterruptedSession { session, .. } = error.into_inner();
            self.suspended.take(&session.job_id);
            tracing::error!(
                room = session.room_name,
                "a session that was torn out of its room waits for the next start"
            );
        }
    }
}

// === impl ResumableSession ===

impl ResumableSession {
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
            attempts: ResumeAttempts::default(),
        }
    }
}

#[cfg(test)]
mod tests;
