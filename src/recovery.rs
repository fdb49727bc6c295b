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
mod search;
mod session_files;
mod stored_context;
mod suspended;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use agent_worker::{Assignment, Health};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use turn_store::Reader;

use self::resume_attempts::ResumeAttempts;
use self::search::Search;
use self::session_files::{SessionFile, SessionFiles};
use self::stored_context::StoredContext;
use self::suspended::{SuspendedSession, SuspendedSessions};
use crate::config::{Config, ConfigError};
use crate::metrics::{Metrics, Resumption};
use crate::session::{ChatContext, ClaimContext, Summary};

/// Assignments on their way to the worker.
const QUEUE: usize = 64;
/// Sessions on their way to the search: all sessions of a large worker may lose their server at once. Those without a
/// place stay in the notes until the next start.
const INTERRUPTED: usize = 1024;

/// A worker that has not answered by then has lost the question.
const UNANSWERED: Duration = Duration::from_secs(60);

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

/// A session that was torn out of its room.
#[derive(Debug)]
struct InterruptedSession {
    session: ResumableSession,
    note: SessionFile,
    /// Its connection was lost; its conversation is kept in this process.
    suspended: bool,
}

/// Sessions that the worker was asked to take up again, by job id, until it is back in their rooms.
#[derive(Clone, Debug, Default)]
struct Resuming(Arc<Mutex<HashMap<String, Asked>>>);

#[derive(Debug)]
struct Asked {
    session: ResumableSession,
    note: SessionFile,
    since: Instant,
    answer: Answer,
}

/// What the worker says to a session that it was asked to take up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// Nothing yet.
    None,
    /// It has given it a slot.
    Joining,
    /// It had no slot, or could not join the room.
    No,
}

/// The progress of the worker with a session that it was asked to take up.
#[derive(Debug)]
enum Progress {
    /// The worker has refused it, or has not answered for long: to be asked again.
    Refused(SessionFile),
    UnderWay,
    /// It is a running session like others.
    Done,
}

/// A session that stands in the notes until it is [`TrackedSession::over`]. One that is dropped before it was told to stop broke
/// down: the search goes back to it as if its worker had died.
#[derive(Debug)]
pub(crate) struct TrackedSession {
    tracked: Option<(ResumableSession, SessionFile)>,
    /// The earlier conversation, when the session goes on with one.
    chat_context: Option<ChatContext>,
    stop: CancellationToken,
    recovery: Recovery,
}

/// A session whose connection was lost, while it leaves its room. Once it has left, the search looks for people who
/// wait there.
#[derive(Debug)]
pub(crate) struct Interruption {
    tracked: Option<(ResumableSession, SessionFile)>,
    recovery: Recovery,
}

/// The conversations in a room before the connection to it was lost, for a new job of that room's people. Cheap to
/// clone.
#[derive(Clone, Debug)]
struct Claims {
    room_name: String,
    suspended: SuspendedSessions,
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

// === impl TrackedSession ===

impl TrackedSession {
    /// The earlier conversation, once; None in a new session.
    pub(crate) fn chat_context(&mut self) -> Option<ChatContext> {
        self.chat_context.take()
    }

    /// The session has ended, and no worker needs to go back.
    pub(crate) fn over(mut self) {
        if let Some((_, note)) = self.tracked.take() {
            note.remove();
        }
    }

    /// The connection was lost: the search is to go back with the whole conversation, also if the room is a new one by
    /// then. A new job for the room may go on with it from now on.
    pub(crate) fn lost(mut self, summary: Summary) -> Interruption {
        let (tracked, recovery) = (self.tracked.take(), self.recovery.clone());
        if let Some((session, _)) = &tracked {
            let Summary { chat_context, people: met, .. } = summary;
            let suspended = SuspendedSession { room_name: session.room_name.clone(), met, chat_context };
            recovery.suspended.suspend(session.job_id.clone(), suspended);
        }
        Interruption { tracked, recovery }
    }
}

impl Drop for TrackedSession {
    fn drop(&mut self) {
        match self.tracked.take() {
            Some((_, note)) if self.stop.is_cancelled() => note.remove(),
            Some((session, note)) => {
                self.recovery.interrupted(InterruptedSession { session, note, suspended: false })
            }
            None => {}
        }
    }
}

// === impl Interruption ===

impl Interruption {
    /// Starts the search; we are out of the room.
    pub(crate) fn look(self) {}
}

impl Drop for Interruption {
    /// Starts the search, also when leaving the room was cut short.
    fn drop(&mut self) {
        if let Some((session, note)) = self.tracked.take() {
            self.recovery.interrupted(InterruptedSession { session, note, suspended: true });
        }
    }
}

// === impl Claims ===

impl ClaimContext for Claims {
    fn claim(&self, identity: &str) -> Option<ChatContext> {
        self.suspended.claim(&self.room_name, &[identity.to_owned()])
    }
}

// === impl Resuming ===

impl Resuming {
    fn ask(&self, session: ResumableSession, note: SessionFile) {
        let asked = Asked { note, since: Instant::now(), answer: Answer::None, session };
        self.lock().insert(asked.session.job_id.clone(), asked);
    }

    fn answer(&self, job_id: &str, answer: Answer) {
        if let Some(asked) = self.lock().get_mut(job_id) {
            asked.answer = answer;
        }
    }

    fn finish(&self, job_id: &str) -> Option<Asked> {
        self.lock().remove(job_id)
    }

    fn progress(&self, job_id: &str) -> Progress {
        let mut asked = self.lock();
        match asked.get(job_id) {
            None => Progress::Done,
            Some(asked) if !asked.is_refused() => Progress::UnderWay,
            Some(_) => asked.remove(job_id).map_or(Progress::Done, |asked| Progress::Refused(asked.note)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Asked ===

impl Asked {
    /// A busy worker answers late; asked again meanwhile, it would begin the session without what was said before.
    fn is_refused(&self) -> bool {
        match self.answer {
            Answer::No => true,
            Answer::Joining => false,
            Answer::None => self.since.elapsed() > UNANSWERED,
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
mod tests {
    use std::path::Path;

    use super::*;
    use conversation::Secret;

    fn assignment() -> Assignment {
        Assignment {
            job_id: "AJ_1".to_owned(),
            dispatch_id: String::new(),
            room_name: "room".to_owned(),
            room_sid: "RM_1".to_owned(),
            url: url::Url::parse("ws://127.0.0.1:7880").unwrap(),
            token: Secret::new("token"),
            identity: "agent-AJ_1".to_owned(),
            metadata: String::new(),
            attributes: HashMap::new(),
        }
    }

    /// A recovery whose search is the test.
    fn recovery(root: &Path) -> (Recovery, mpsc::Receiver<InterruptedSession>) {
        let (notes, _) = SessionFiles::open(root, &assignment().url, "ada").unwrap();
        let (interrupted, found) = mpsc::channel(INTERRUPTED);
        (Recovery::new(Some(Arc::new(notes)), interrupted, StoredContext::none(), Metrics::default()), found)
    }

    /// The summary of a session with ada whose connection was lost.
    fn summary() -> Summary {
        Summary {
            reason: crate::session::EndReason::ConnectionLost("cut".to_owned()),
            totals: Default::default(),
            chat_context: ChatContext { turns: Vec::new(), next_turn: 4 },
            people: vec!["ada".to_owned()],
        }
    }

    fn files(root: &Path) -> usize {
        let slots = std::fs::read_dir(root).unwrap().flatten();
        let files = slots.flat_map(|slot| std::fs::read_dir(slot.path()).unwrap().flatten());
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "json")).count()
    }

    async fn tracked(recovery: &Recovery, stop: &CancellationToken) -> TrackedSession {
        recovery.track(&assignment(), "RM_1", &["ada".to_owned()], stop.clone()).await
    }

    #[tokio::test]
    async fn what_breaks_down_is_looked_after_and_what_ended_or_was_stopped_is_not() {
        let (root, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (recovery, mut found) = recovery(root.path());
        tracked(&recovery, &stop).await.over();
        assert_eq!((files(root.path()), found.try_recv().is_ok()), (0, false), "it ended");

        let broken = tracked(&recovery, &stop).await;
        let breaking = async move {
            let _broken = broken;
            panic!("a defect")
        };
        assert!(tokio::spawn(breaking).await.unwrap_err().is_panic());
        let InterruptedSession { session, note, suspended } = found.try_recv().unwrap();
        assert_eq!((session.room_name.as_str(), files(root.path()), suspended), ("room", 1, false));
        drop(note);
        assert_eq!(files(root.path()), 1, "the next process would find it, too");

        let stopped = tracked(&recovery, &stop).await;
        stop.cancel();
        drop(stopped);
        assert_eq!((files(root.path()), found.try_recv().is_ok()), (1, false), "it was told to end");
    }

    #[tokio::test]
    async fn a_session_whose_connection_was_lost_goes_on_in_the_job_that_its_people_bring() {
        let (root, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (recovery, mut found) = recovery(root.path());
        let interrupted = tracked(&recovery, &stop).await.lost(summary());
        assert!(found.try_recv().is_err(), "we are still in the room");
        assert!(recovery.suspended.holds("AJ_1"), "the next job may be there before we are out");
        interrupted.look();
        let InterruptedSession { session, suspended, .. } = found.try_recv().unwrap();
        assert!(suspended);
        let next = Assignment { job_id: "AJ_2".to_owned(), ..assignment() };
        let mut tracked = recovery.track(&next, "RM_2", &["ada".to_owned()], stop).await;
        assert_eq!(tracked.chat_context().map(|chat_context| chat_context.next_turn), Some(4));
        assert!(!recovery.suspended.holds(&session.job_id), "nobody else goes on with it");
    }

    #[tokio::test]
    async fn a_session_is_not_asked_for_again_until_the_worker_has_refused_it() {
        let (root, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (recovery, mut found) = recovery(root.path());
        drop(tracked(&recovery, &stop).await);
        let InterruptedSession { session, note, .. } = found.try_recv().unwrap();
        recovery.resuming.ask(session.clone(), note);
        let progress = || recovery.resuming.progress("AJ_1");
        assert!(matches!(progress(), Progress::UnderWay), "the worker has not looked yet");
        recovery.joining("AJ_1");
        assert!(matches!(progress(), Progress::UnderWay));
        recovery.not_joined("AJ_1");
        let Progress::Refused(note) = progress() else { panic!("it was refused") };
        recovery.resuming.ask(session, note);
        let taken_up = tracked(&recovery, &stop).await;
        assert!(matches!(progress(), Progress::Done), "it is a session again");
        taken_up.over();
        assert_eq!(files(root.path()), 0, "under the note that it had");
    }

    #[tokio::test]
    async fn a_job_that_is_in_its_room_before_its_people_claims_what_was_said_when_they_come() {
        let (root, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (recovery, _found) = recovery(root.path());
        let interrupted = tracked(&recovery, &stop).await.lost(summary());
        let next = Assignment { job_id: "AJ_2".to_owned(), ..assignment() };
        let mut tracked = recovery.track(&next, "RM_2", &[], stop).await;
        assert!(tracked.chat_context().is_none(), "nobody is there");
        let claims = recovery.claims(&next.room_name);
        assert!(claims.claim("eve").is_none(), "a stranger");
        assert_eq!(claims.claim("ada").map(|chat_context| chat_context.next_turn), Some(4));
        assert!(claims.claim("ada").is_none(), "once");
        interrupted.look();
    }
}
