//! Looks for sessions of dead processes, and hands those whose people still wait to the worker.

use std::collections::HashMap;
use std::time::{Duration, Instant, SystemTime};

use agent_worker::{Assignment, Health};
use bounded::{Change, Latch};
use tokio::sync::{mpsc, watch};

use super::decision::{Decision, RoomMembers, decide};
use super::session_files::{SessionFile, SessionFiles};
use super::{InterruptedSession, Progress, Recovery, ResumableSession, Resuming};
use crate::config::{Config, Credentials, Permission};
use crate::metrics::Resumption;
use crate::room::roster::{Roster, RosterError};
use crate::room::token::{self, AgentToken};

/// The interval of the search. It costs a look into a directory, and questions to the server only while there is
/// something to ask about.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A session that could not be taken up for this long is given up: the server is away, or all slots are in use.
const PATIENCE: Duration = Duration::from_secs(900);
/// How long a session whose connection was lost waits for its people, or for the agent that serves them, once the
/// server can be asked again.
const ALONE: Duration = Duration::from_secs(60);

pub(super) struct Search {
    recovery: Recovery,
    credentials: Credentials,
    roster: Roster,
    agent_name: String,
    display_name: String,
    permissions: Vec<Permission>,
    waiting: Vec<Waiting>,
    /// Sessions of this process that were torn out of their rooms.
    interrupted: mpsc::Receiver<InterruptedSession>,
    /// Whether the server answers.
    server: Latch<()>,
}

/// A session that is to be looked at.
struct Waiting {
    session: ResumableSession,
    /// None while the worker has been asked to take it up.
    note: Option<SessionFile>,
    since: Instant,
    /// Since when the server has been saying that no person is there.
    alone_since: Option<Instant>,
    /// Its connection was lost; its conversation is kept in this process.
    suspended: bool,
    /// Another agent of our name was seen in its room, which may still ask for the conversation.
    served: bool,
}

// === impl Search ===

impl Search {
    pub(super) fn new(
        recovery: Recovery,
        config: &Config,
        credentials: Credentials,
        session: Vec<(ResumableSession, SessionFile)>,
        interrupted: mpsc::Receiver<InterruptedSession>,
    ) -> Self {
        let mut search = Self {
            recovery,
            roster: Roster::new(&credentials),
            credentials,
            agent_name: config.worker.agent_name.clone(),
            display_name: config.agent.name.clone(),
            permissions: config.permissions(),
            waiting: Vec::new(),
            interrupted,
            server: Latch::default(),
        };
        search.found(session);
        search
    }

    /// Runs until the receiver of the assignments is gone.
    pub(super) async fn run(
        mut self,
        assignments: mpsc::Sender<Assignment>,
        health: watch::Receiver<Health>,
    ) {
        loop {
            self.judge(&assignments).await;
            tokio::select! {
                () = assignments.closed() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
                Some(interrupted) = self.interrupted.recv() => self.interrupted(interrupted),
            }
            self.take_back();
            self.adopt(&health).await;
        }
    }

    fn found(&mut self, session: Vec<(ResumableSession, SessionFile)>) {
        if !session.is_empty() {
            tracing::warn!(
                sessions = session.len(),
                "a worker died in the middle of sessions: looking who waits"
            );
        }
        self.waiting.extend(session.into_iter().map(|(session, note)| Waiting::new(session, note, false)));
    }

    fn interrupted(&mut self, InterruptedSession { session, note, suspended }: InterruptedSession) {
        tracing::warn!(room = session.room_name, "a session was torn out of its room: looking who waits");
        self.waiting.push(Waiting::new(session, note, suspended));
    }

    /// Takes back sessions that the worker refused, and forgets those that run again.
    fn take_back(&mut self) {
        let Recovery { resuming, suspended, metrics, .. } = &self.recovery;
        self.waiting.retain_mut(|waiting| {
            let claimed = waiting.suspended && !suspended.holds(&waiting.session.job_id);
            match waiting.note.take_if(|_| claimed) {
                // A new job has taken up the conversation.
                Some(note) => {
                    note.remove();
                    metrics.instruments.resumptions.add(Resumption::Resumed);
                    false
                }
                None => waiting.take_back(resuming),
            }
        });
    }

    /// Takes over sessions of other processes that died, as many as there are free slots.
    async fn adopt(&mut self, health: &watch::Receiver<Health>) {
        let room = room_for(&health.borrow()).saturating_sub(self.waiting.len());
        let Some(notes) = self.recovery.notes.clone().filter(|_| room > 0) else { return };
        let adopted = tokio::task::spawn_blocking(move || SessionFiles::adopt(&notes, room)).await;
        match adopted {
            Ok(Ok(session)) => self.found(session),
            Ok(Err(error)) => tracing::debug!(%error, "looking for sessions of dead workers"),
            Err(_) => {}
        }
    }

    async fn judge(&mut self, assignments: &mpsc::Sender<Assignment>) {
        let (asked_for, undecided): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.waiting).into_iter().partition(|waiting| waiting.note.is_none());
        self.waiting = asked_for;
        if undecided.is_empty() {
            return;
        }
        let asked = self.ask(&undecided).await;
        self.note_answer(asked.as_ref().err());
        let rooms = asked.unwrap_or_default();
        for mut waiting in undecided {
            let room = rooms.get(&waiting.session.room_name);
            if !self.server.is_good() {
                self.wait_on(waiting);
                continue;
            }
            let met = self.recovery.suspended.met(&waiting.session.job_id);
            match decide(&waiting.session, met.as_deref(), room, &self.agent_name) {
                _ if waiting.session.attempts.are_enough(SystemTime::now()) => {
                    self.let_go(waiting, Resumption::GivenUp);
                }
                // The other agent may have been sent before its people came, and asks for the conversation when they
                // do.
                Decision::Served if waiting.suspended => {
                    waiting.served = true;
                    self.wait_a_while(waiting, Resumption::Served);
                }
                Decision::GoBack | Decision::Wait if waiting.served => {
                    self.wait_a_while(waiting, Resumption::Served);
                }
                Decision::GoBack => self.go_back(waiting, assignments),
                Decision::Wait => self.wait_a_while(waiting, Resumption::Over),
                Decision::Over => self.let_go(waiting, Resumption::Over),
                Decision::Served => self.let_go(waiting, Resumption::Served),
            }
        }
    }

    /// The participants of the rooms of the sessions that wait.
    async fn ask(&self, waiting: &[Waiting]) -> Result<HashMap<String, RoomMembers>, RosterError> {
        let names = waiting.iter().map(|waiting| waiting.session.room_name.clone()).collect();
        let mut rooms = HashMap::new();
        for (name, room) in self.roster.rooms(names).await? {
            let members = self.roster.members(&name).await?;
            rooms.insert(name, RoomMembers { room_sid: room.sid, members });
        }
        Ok(rooms)
    }

    /// Logs once when the server cannot be asked, and once when it can be again.
    fn note_answer(&mut self, trouble: Option<&RosterError>) {
        match (self.server.observe(trouble.map_or(Ok(()), |_| Err(())), 0), trouble) {
            (Some(Change::Fails), Some(trouble)) => tracing::warn!(
                "LiveKit cannot be asked who waits in the rooms of a dead worker: {trouble}; asking again every second"
            ),
            (Some(Change::Recovered { .. }), _) => tracing::info!("LiveKit says again who waits in rooms"),
            _ => {}
        }
    }

    fn go_back(&mut self, mut waiting: Waiting, assignments: &mpsc::Sender<Assignment>) {
        let assignment = match self.assignment(&waiting.session) {
            Ok(assignment) => assignment,
            Err(error) => {
                tracing::error!(room = waiting.session.room_name, "{error}");
                return self.let_go(waiting, Resumption::GivenUp);
            }
        };
        let Ok(place) = assignments.try_reserve() else { return self.wait_on(waiting) };
        let Some(note) = waiting.note.take() else { return };
        tracing::info!(
            room = waiting.session.room_name,
            job = waiting.session.job_id,
            "going back to a room"
        );
        waiting.alone_since = None;
        // This comes first, because the worker may look at once.
        self.recovery.resuming.ask(waiting.session.clone(), note);
        place.send(assignment);
        self.wait_on(waiting);
    }

    fn wait_a_while(&mut self, mut waiting: Waiting, otherwise: Resumption) {
        let since = *waiting.alone_since.get_or_insert_with(Instant::now);
        if since.elapsed() < ALONE {
            return self.wait_on(waiting);
        }
        self.let_go(waiting, otherwise);
    }

    fn wait_on(&mut self, waiting: Waiting) {
        if waiting.since.elapsed() < PATIENCE {
            return self.waiting.push(waiting);
        }
        self.let_go(waiting, Resumption::GivenUp);
    }

    fn let_go(&self, waiting: Waiting, why: Resumption) {
        let (room, job) = (&waiting.session.room_name, &waiting.session.job_id);
        match why {
            Resumption::GivenUp => tracing::error!(
                room,
                job,
                "a session is given up: it was torn out again and again, or not taken up again in {} s",
                PATIENCE.as_secs()
            ),
            _ => tracing::info!(room, job, "not going back to a room: {}", why.as_str()),
        }
        self.recovery.suspended.take(job);
        self.recovery.metrics.instruments.resumptions.add(why);
        waiting.note.into_iter().for_each(SessionFile::remove);
    }

    fn assignment(&self, session: &ResumableSession) -> Result<Assignment, token::TokenError> {
        let token = token::agent(
            &self.credentials,
            &AgentToken {
                room: &session.room_name,
                identity: &session.identity,
                display_name: &self.display_name,
                agent_name: &self.agent_name,
                permissions: &self.permissions,
            },
        )?;
        Ok(Assignment {
            job_id: session.job_id.clone(),
            dispatch_id: session.dispatch_id.clone(),
            room_name: session.room_name.clone(),
            room_sid: session.room_sid.clone(),
            url: session.url.clone(),
            token,
            identity: session.identity.clone(),
            metadata: session.metadata.clone(),
            attributes: session.attributes.clone(),
        })
    }
}

// === impl Waiting ===

impl Waiting {
    fn new(session: ResumableSession, note: SessionFile, suspended: bool) -> Self {
        Self { session, note: Some(note), since: Instant::now(), alone_since: None, suspended, served: false }
    }

    /// Takes back a session that the worker refused; false when it runs again.
    fn take_back(&mut self, resuming: &Resuming) -> bool {
        if self.note.is_some() {
            return true;
        }
        match resuming.progress(&self.session.job_id) {
            Progress::Refused(note) => self.note = Some(note),
            Progress::UnderWay => {}
            Progress::Done => return false,
        }
        true
    }
}

/// How many more sessions the worker can hold.
fn room_for(health: &Health) -> usize {
    let free = health.slots.saturating_sub(health.slots_used);
    if health.draining { 0 } else { free as usize }
}
