//! Rejoins the rooms where people still wait after a crash, or after a connection is lost for good.
//!
//! LiveKit dispatches nothing a second time, so each running session stands in a file of its own (`notes`) that its
//! end removes. A worker that finds such files of a process that is dead asks LiveKit who is in those rooms, and goes
//! back to rooms with people and without another agent of ours (`verdict`), under the identity that the dead one had:
//! if its connection still lingers, the server replaces it. The conversation so far comes from the record (`memory`).
//!
//! One process takes up the sessions that another left: the next start, or a living worker with the same server, agent
//! name and directory. A living process goes back to its own sessions in the same way: those whose connection the SDK
//! gave up (`parked` has their conversations), and those that broke down. A session that is torn out again and again is
//! left alone (`returns`).

#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod memory;
mod notes;
mod parked;
mod returns;
mod search;
mod verdict;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use agent_worker::{Assignment, Health};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use turn_store::Reader;

use self::memory::Memory;
use self::notes::{Note, Notes};
use self::parked::{Parked, ParkedSessions};
use self::returns::Returns;
use self::search::Search;
use crate::config::{Config, ConfigError};
use crate::metrics::{Metrics, Resumption};
use crate::session::{ClaimPast, Past, Summary};

/// Assignments on their way to the worker.
const QUEUE: usize = 64;
/// Sessions on their way to the search: all sessions of a large worker may lose their server at once. Those without a
/// place stay in the notes until the next start.
const TORN: usize = 1024;

/// A worker that has not answered by then has lost the question.
const UNANSWERED: Duration = Duration::from_secs(60);

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
    #[serde(default)]
    returns: Returns,
}

/// The notes that running sessions leave for the next process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// None: no notes are written.
    notes: Option<Arc<Notes>>,
    resuming: Resuming,
    parked: ParkedSessions,
    torn: mpsc::Sender<Torn>,
    memory: Memory,
    metrics: Metrics,
}

/// A session that was torn out of its room.
#[derive(Debug)]
struct Torn {
    left: Left,
    note: Note,
    /// Its connection was lost; its conversation is kept in this process.
    parked: bool,
}

/// Sessions that the worker was asked to take up again, by job id, until it is back in their rooms.
#[derive(Clone, Debug, Default)]
struct Resuming(Arc<Mutex<HashMap<String, Asked>>>);

#[derive(Debug)]
struct Asked {
    left: Left,
    note: Note,
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
    Refused(Note),
    UnderWay,
    /// It is a running session like others.
    Done,
}

/// A session that stands in the notes until it is [`Noted::over`]. One that is dropped before it was told to stop broke
/// down: the search goes back to it as if its worker had died.
#[derive(Debug)]
pub(crate) struct Noted {
    kept: Option<(Left, Note)>,
    /// The earlier conversation, when the session goes on with one.
    past: Option<Past>,
    stop: CancellationToken,
    recovery: Recovery,
}

/// A session whose connection was lost, while it leaves its room. Once it has left, the search looks for people who
/// wait there.
#[derive(Debug)]
pub(crate) struct TornOut {
    kept: Option<(Left, Note)>,
    recovery: Recovery,
}

/// The conversations in a room before the connection to it was lost, for a new job of that room's people. Cheap to
/// clone.
#[derive(Clone, Debug)]
struct Claims {
    room_name: String,
    parked: ParkedSessions,
}

// === impl Recovery ===

impl Recovery {
    /// Writes no notes, and takes up no sessions.
    pub fn off() -> Self {
        let (torn, _) = mpsc::channel(1);
        Self::new(None, torn, Memory::none(), Metrics::default())
    }

    fn new(notes: Option<Arc<Notes>>, torn: mpsc::Sender<Torn>, memory: Memory, metrics: Metrics) -> Self {
        let (resuming, parked) = (Resuming::default(), ParkedSessions::default());
        Self { notes, resuming, parked, torn, memory, metrics }
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
        let memory = Memory::new(Reader::of(&config.store.settings()).ok(), config.agent.history_turns);
        let (torn, lost) = mpsc::channel(TORN);
        let recovery = Self::new(Some(Arc::new(notes)), torn, memory, metrics.clone());
        let search = Search::new(recovery.clone(), config, credentials, left, lost);
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
    pub(crate) async fn note(
        &self,
        assignment: &Assignment,
        room_sid: &str,
        people: &[String],
        stop: CancellationToken,
    ) -> Noted {
        let past = match self.resuming.finish(&assignment.job_id) {
            Some(asked) => return self.resumed(asked, room_sid, stop).await,
            None => self.parked.claim(&assignment.room_name, people),
        };
        let left = Left::new(assignment, room_sid);
        let kept = self.write_down(left).await;
        Noted { kept, past, stop, recovery: self.clone() }
    }

    async fn write_down(&self, left: Left) -> Option<(Left, Note)> {
        let notes = self.notes.clone()?;
        let noted = tokio::task::spawn_blocking(move || Ok((notes.note(&left)?, left))).await;
        let noted = noted.unwrap_or_else(|panic| Err(std::io::Error::other(panic)));
        let noted = noted.inspect_err(|error| {
            tracing::warn!("this session is not written down, and a crash would end it: {error}");
        });
        noted.ok().map(|(note, left)| (left, note))
    }

    async fn resumed(&self, asked: Asked, room_sid: &str, stop: CancellationToken) -> Noted {
        let Asked { mut left, note, .. } = asked;
        self.metrics.instruments.resumptions.add(Resumption::Resumed);
        let past = match self.parked.take(&left.job_id) {
            Some(past) => past,
            None => self.memory.of(&left.room_sid).await,
        };
        left.room_sid = room_sid.to_owned();
        left.returns.count(SystemTime::now());
        let kept = tokio::task::spawn_blocking(move || {
            if let Err(error) = note.write(&left) {
                tracing::warn!("what is written down of this session is not up to date: {error}");
            }
            (left, note)
        });
        Noted { kept: kept.await.ok(), past: Some(past), stop, recovery: self.clone() }
    }

    /// The earlier conversations that a session which began without its people may claim later.
    pub(crate) fn claims(&self, room_name: &str) -> Arc<dyn ClaimPast> {
        Arc::new(Claims { room_name: room_name.to_owned(), parked: self.parked.clone() })
    }

    fn torn(&self, torn: Torn) {
        if let Err(error) = self.torn.try_send(torn) {
            let Torn { left, .. } = error.into_inner();
            self.parked.take(&left.job_id);
            tracing::error!(
                room = left.room_name,
                "a session that was torn out of its room waits for the next start"
            );
        }
    }
}

// === impl Noted ===

impl Noted {
    /// The earlier conversation, once; None in a new session.
    pub(crate) fn past(&mut self) -> Option<Past> {
        self.past.take()
    }

    /// The session has ended, and no worker needs to go back.
    pub(crate) fn over(mut self) {
        if let Some((_, note)) = self.kept.take() {
            note.remove();
        }
    }

    /// The connection was lost: the search is to go back with the whole conversation, also if the room is a new one by
    /// then. A new job for the room may go on with it from now on.
    pub(crate) fn lost(mut self, summary: Summary) -> TornOut {
        let (kept, recovery) = (self.kept.take(), self.recovery.clone());
        if let Some((left, _)) = &kept {
            let Summary { past, people: met, .. } = summary;
            let parked = Parked { room_name: left.room_name.clone(), met, past };
            recovery.parked.park(left.job_id.clone(), parked);
        }
        TornOut { kept, recovery }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        match self.kept.take() {
            Some((_, note)) if self.stop.is_cancelled() => note.remove(),
            Some((left, note)) => self.recovery.torn(Torn { left, note, parked: false }),
            None => {}
        }
    }
}

// === impl TornOut ===

impl TornOut {
    /// Starts the search; we are out of the room.
    pub(crate) fn look(self) {}
}

impl Drop for TornOut {
    /// Starts the search, also when leaving the room was cut short.
    fn drop(&mut self) {
        if let Some((left, note)) = self.kept.take() {
            self.recovery.torn(Torn { left, note, parked: true });
        }
    }
}

// === impl Claims ===

impl ClaimPast for Claims {
    fn claim(&self, identity: &str) -> Option<Past> {
        self.parked.claim(&self.room_name, &[identity.to_owned()])
    }
}

// === impl Resuming ===

impl Resuming {
    fn ask(&self, left: Left, note: Note) {
        let asked = Asked { note, since: Instant::now(), answer: Answer::None, left };
        self.lock().insert(asked.left.job_id.clone(), asked);
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
            returns: Returns::default(),
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
    fn recovery(root: &Path) -> (Recovery, mpsc::Receiver<Torn>) {
        let (notes, _) = Notes::open(root, &assignment().url, "ada").unwrap();
        let (torn, found) = mpsc::channel(TORN);
        (Recovery::new(Some(Arc::new(notes)), torn, Memory::none(), Metrics::default()), found)
    }

    /// The summary of a session with ada whose connection was lost.
    fn summary() -> Summary {
        Summary {
            reason: crate::session::EndReason::ConnectionLost("cut".to_owned()),
            totals: Default::default(),
            past: Past { turns: Vec::new(), next_turn: 4 },
            people: vec!["ada".to_owned()],
        }
    }

    fn files(root: &Path) -> usize {
        let slots = std::fs::read_dir(root).unwrap().flatten();
        let files = slots.flat_map(|slot| std::fs::read_dir(slot.path()).unwrap().flatten());
        files.filter(|file| file.path().extension().is_some_and(|extension| extension == "json")).count()
    }

    async fn noted(recovery: &Recovery, stop: &CancellationToken) -> Noted {
        recovery.note(&assignment(), "RM_1", &["ada".to_owned()], stop.clone()).await
    }

    #[tokio::test]
    async fn what_breaks_down_is_looked_after_and_what_ended_or_was_stopped_is_not() {
        let (root, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (recovery, mut found) = recovery(root.path());
        noted(&recovery, &stop).await.over();
        assert_eq!((files(root.path()), found.try_recv().is_ok()), (0, false), "it ended");

        let broken = noted(&recovery, &stop).await;
        let breaking = async move {
            let _broken = broken;
            panic!("a defect")
        };
        assert!(tokio::spawn(breaking).await.unwrap_err().is_panic());
        let Torn { left, note, parked } = found.try_recv().unwrap();
        assert_eq!((left.room_name.as_str(), files(root.path()), parked), ("room", 1, false));
        drop(note);
        assert_eq!(files(root.path()), 1, "the next process would find it, too");

        let stopped = noted(&recovery, &stop).await;
        stop.cancel();
        drop(stopped);
        assert_eq!((files(root.path()), found.try_recv().is_ok()), (1, false), "it was told to end");
    }

    #[tokio::test]
    async fn a_session_whose_connection_was_lost_goes_on_in_the_job_that_its_people_bring() {
        let (root, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (recovery, mut found) = recovery(root.path());
        let torn = noted(&recovery, &stop).await.lost(summary());
        assert!(found.try_recv().is_err(), "we are still in the room");
        assert!(recovery.parked.holds("AJ_1"), "the next job may be there before we are out");
        torn.look();
        let Torn { left, parked, .. } = found.try_recv().unwrap();
        assert!(parked);
        let next = Assignment { job_id: "AJ_2".to_owned(), ..assignment() };
        let mut noted = recovery.note(&next, "RM_2", &["ada".to_owned()], stop).await;
        assert_eq!(noted.past().map(|past| past.next_turn), Some(4));
        assert!(!recovery.parked.holds(&left.job_id), "nobody else goes on with it");
    }

    #[tokio::test]
    async fn a_session_is_not_asked_for_again_until_the_worker_has_refused_it() {
        let (root, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (recovery, mut found) = recovery(root.path());
        drop(noted(&recovery, &stop).await);
        let Torn { left, note, .. } = found.try_recv().unwrap();
        recovery.resuming.ask(left.clone(), note);
        let progress = || recovery.resuming.progress("AJ_1");
        assert!(matches!(progress(), Progress::UnderWay), "the worker has not looked yet");
        recovery.joining("AJ_1");
        assert!(matches!(progress(), Progress::UnderWay));
        recovery.not_joined("AJ_1");
        let Progress::Refused(note) = progress() else { panic!("it was refused") };
        recovery.resuming.ask(left, note);
        let taken_up = noted(&recovery, &stop).await;
        assert!(matches!(progress(), Progress::Done), "it is a session again");
        taken_up.over();
        assert_eq!(files(root.path()), 0, "under the note that it had");
    }

    #[tokio::test]
    async fn a_job_that_is_in_its_room_before_its_people_claims_what_was_said_when_they_come() {
        let (root, stop) = (tempfile::tempdir().unwrap(), CancellationToken::new());
        let (recovery, _found) = recovery(root.path());
        let torn = noted(&recovery, &stop).await.lost(summary());
        let next = Assignment { job_id: "AJ_2".to_owned(), ..assignment() };
        let mut noted = recovery.note(&next, "RM_2", &[], stop).await;
        assert!(noted.past().is_none(), "nobody is there");
        let claims = recovery.claims(&next.room_name);
        assert!(claims.claim("eve").is_none(), "a stranger");
        assert_eq!(claims.claim("ada").map(|past| past.next_turn), Some(4));
        assert!(claims.claim("ada").is_none(), "once");
        torn.look();
    }
}
