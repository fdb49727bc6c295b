//! The worker's decisions, without sockets, clocks or tasks: an event and the time go in, actions come out.
//!
//! The shell performs the actions in order, calls again with the next event, and with `Event::Tick` when `deadline`
//! has come.

mod beat;
mod ends;
mod jobs;
mod link;
mod phase;
mod slots;

use std::time::{Duration, Instant};

use tracing::{debug, info, warn};
use url::Url;

use self::beat::Beat;
use self::ends::Ends;
use self::link::{Due, Link};
use self::slots::Slots;
use super::message::{Registration, ServerMessage, Status, WorkerMessage};
use super::{Assignment, Health, JobEnd, Outcome, Terms};

/// Load is the used part of our slots times this. From 0.7 on a server with default settings takes a worker for
/// overloaded and offers it nothing, whatever status it sends.
const FULL_LOAD: f32 = 0.69;
/// A server repeats no assignment: one that has not come by then was lost or given to another worker.
const ASSIGNMENT_TIMEOUT: Duration = Duration::from_millis(7500);
/// How long a job that was told to stop may take to leave its room.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take when the worker was told to end at once.
const END_NOW_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a job may take to learn the meaning of its termination by the server, and then to leave its room.
const TERMINATION_TIMEOUT: Duration = Duration::from_secs(20);
/// How long the last words to the server may take when nothing else keeps the worker.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(2);

/// The part of the configuration that the machine needs.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) registration: Registration,
    /// The worker's own URL, where jobs join unless their assignment says otherwise.
    pub(crate) url: Url,
    pub(crate) terms: Terms,
    /// How often [`Action::Beat`] is wanted; None: never.
    pub(crate) beat_every: Option<Duration>,
}

#[derive(Debug)]
pub(crate) enum Event {
    /// The socket is open: the upgrade was accepted.
    Opened,
    /// The socket closed, or could not be opened.
    Closed {
        reason: String,
    },
    /// A sign of life from the server that is no message.
    Alive,
    Message(ServerMessage),
    /// The end of this job was written to the socket.
    EndWritten {
        job_id: String,
    },
    /// A job said how it ended and is about to leave its room.
    JobReported {
        job_id: String,
        end: JobEnd,
    },
    /// A job that the server has terminated goes on.
    JobStays {
        job_id: String,
    },
    /// A job's task is over.
    JobFinished {
        job_id: String,
        end: JobEnd,
    },
    /// A job that a dead worker left is to go on here.
    Resumed(Box<Assignment>),
    /// Take no more jobs and finish when the running ones have ended.
    Drain,
    /// Stop every job and finish.
    EndNow,
    /// New jobs are taken on these terms.
    Terms(Terms),
    /// Time went by.
    Tick,
}

#[derive(Debug, PartialEq)]
pub(crate) enum Action {
    /// Open the socket.
    Connect,
    /// Close the socket after what was sent is written.
    Disconnect,
    Send(WorkerMessage),
    /// Send a websocket ping.
    PingFrame,
    Start(Box<Assignment>),
    /// Ask a job to leave its room.
    Stop {
        job_id: String,
    },
    /// A job that was to be resumed finds no place.
    NotResumed {
        job_id: String,
    },
    /// Tell a job that the server has terminated it.
    Terminate {
        job_id: String,
    },
    /// End a job's task where it stands.
    Abort {
        job_id: String,
    },
    /// End the wait of the job that waits for its report to be written.
    Release {
        job_id: String,
    },
    /// The reason why the worker takes no jobs has changed; `None` means that it takes them.
    Announce(Option<Unavailable>),
    /// Report that the worker is not stuck.
    Beat,
    /// The last action.
    Finish(Outcome),
}

/// Why the worker takes no jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unavailable {
    /// The trouble with the connection, in words for people.
    NotRegistered(String),
    /// The server asked us to come back on another connection.
    GoingAway,
    Draining,
    Full {
        slots: u32,
    },
}

#[derive(Debug)]
pub(crate) struct Machine {
    rules: Rules,
    link: Link,
    slots: Slots,
    ends: Ends,
    phase: Phase,
    announced: Option<Unavailable>,
    reported: Option<ReportedStatus>,
    beat: Beat,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Serving,
    /// Running jobs go on until they end by themselves.
    Draining {
        until: Instant,
    },
    /// Running jobs were told to stop.
    Stopping {
        until: Instant,
        outcome: Outcome,
    },
    /// No jobs are left; their ends are being written.
    Flushing {
        until: Instant,
        outcome: Outcome,
    },
    Finished,
}

/// The content of the last status, without its sequence number: a change is reported at once.
#[derive(Clone, Copy, Debug, PartialEq)]
struct ReportedStatus {
    slots: u32,
    used: u32,
    running: u32,
    available: bool,
}

// === impl Machine ===

impl Machine {
    /// `seed` makes the jitter of reconnects.
    pub(crate) fn new(rules: Rules, now: Instant, seed: u64) -> Self {
        let trouble = format!("connecting to LiveKit at {}", rules.url);
        Self {
            slots: Slots::new(rules.terms.max_sessions),
            beat: Beat::new(rules.beat_every, now),
            rules,
            link: Link::new(now, seed, trouble.clone()),
            ends: Ends::default(),
            phase: Phase::Serving,
            // Nothing is announced before the first attempt has failed.
            announced: Some(Unavailable::NotRegistered(trouble)),
            reported: None,
        }
    }

    pub(crate) fn step(&mut self, now: Instant, event: Event) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.phase == Phase::Finished {
            return actions;
        }
        self.handle(now, event, &mut actions);
        self.expire(now, &mut actions);
        self.link_due(now, &mut actions);
        self.tell_status(now, &mut actions);
        self.announce(&mut actions);
        if self.beat.is_due(now) {
            actions.push(Action::Beat);
        }
        self.advance_phase(now, &mut actions);
        actions
    }

    /// The time at which `Event::Tick` is wanted next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let phase = match self.phase {
            Phase::Draining { until } | Phase::Stopping { until, .. } | Phase::Flushing { until, .. } => {
                Some(until)
            }
            Phase::Serving | Phase::Finished => None,
        };
        [self.link.deadline(), self.slots.deadline(), self.beat.deadline(), phase].into_iter().flatten().min()
    }

    pub(crate) fn health(&self) -> Health {
        Health {
            registered: self.link.is_up(),
            draining: self.phase != Phase::Serving,
            reason: self.why_not_ready(),
            connect_wait: self.link.wait(),
            worker_id: self.link.worker_id().to_owned(),
            active_jobs: self.slots.running(),
            slots_used: self.slots.used(),
            slots: self.slots.limit(),
            load: self.load(),
        }
    }

    fn handle(&mut self, now: Instant, event: Event, actions: &mut Vec<Action>) {
        match event {
            Event::Opened => {
                self.link.opened(now);
                actions.push(Action::Send(WorkerMessage::Register(self.rules.registration.clone())));
            }
            Event::Closed { reason } => self.link_lost(now, reason, actions),
            Event::Alive => self.link.seen(now),
            Event::Message(message) => {
                self.link.seen(now);
                self.handle_message(now, message, actions);
            }
            Event::EndWritten { job_id } => {
                self.ends.written(&job_id);
                actions.push(Action::Release { job_id });
            }
            Event::JobReported { job_id, end } => self.job_reported(now, job_id, end, actions),
            Event::JobStays { job_id } => self.slots.stay(&job_id),
            Event::JobFinished { job_id, end } => self.job_finished(job_id, end, actions),
            Event::Resumed(assignment) => self.resumed(*assignment, actions),
            Event::Drain => self.drain(now),
            Event::EndNow => self.end_now(now, actions),
            Event::Terms(terms) => self.take_terms(terms),
            Event::Tick => {}
        }
    }

    /// A drain that has begun goes on as it began.
    fn take_terms(&mut self, terms: Terms) {
        self.slots.set_limit(terms.max_sessions);
        self.rules.terms = terms;
    }

    fn handle_message(&mut self, now: Instant, message: ServerMessage, actions: &mut Vec<Action>) {
        match message {
            ServerMessage::Registered { worker_id, server_version } => {
                if self.link.registered(now, &worker_id) {
                    self.registered(now, &worker_id, &server_version, actions);
                }
            }
            // An answer before the registration would make the server close the socket.
            message if !self.link.is_up() => {
                debug!(?message, "ignored a message that came before the registration")
            }
            ServerMessage::Offer(job) => self.offered(now, job, actions),
            ServerMessage::Assignment(assigned) => self.assigned(assigned, actions),
            ServerMessage::Termination { job_id } => self.terminated(now, &job_id, actions),
            ServerMessage::GoAway { reason } => {
                info!(%reason, "LiveKit asks for a new worker connection; running jobs go on");
                self.link.go_away(now);
            }
            ServerMessage::Pong => {}
            ServerMessage::Unknown(what) => debug!(what, "ignored a message from LiveKit"),
        }
    }

    /// Jobs come first, then their ends: a server that supports migration takes an end only from a worker that owns
    /// the job.
    fn registered(&mut self, now: Instant, worker_id: &str, server_version: &str, actions: &mut Vec<Action>) {
        info!(worker_id, server_version, agent_name = %self.rules.registration.agent_name, "registered with LiveKit");
        self.reported = None;
        let mut job_ids = self.slots.running_ids();
        job_ids.extend(self.ends.waiting_ids());
        if !job_ids.is_empty() {
            job_ids.sort_unstable();
            job_ids.dedup();
            actions.push(Action::Send(WorkerMessage::Migrate { job_ids }));
        }
        self.tell_status(now, actions);
        for (job_id, end) in self.ends.send_waiting() {
            actions.push(Action::Send(WorkerMessage::Ended { job_id, end }));
        }
    }

    /// Jobs live on: each has a room connection of its own. Only messages that were under way on this socket are lost.
    fn link_lost(&mut self, now: Instant, reason: String, actions: &mut Vec<Action>) {
        self.link.lost(now, reason);
        self.forget_socket(actions);
    }

    fn forget_socket(&mut self, actions: &mut Vec<Action>) {
        self.slots.release_reservations();
        for job_id in self.ends.unsend() {
            actions.push(Action::Release { job_id });
        }
    }

    fn expire(&mut self, now: Instant, actions: &mut Vec<Action>) {
        for job_id in self.slots.expire_reservations(now) {
            warn!(%job_id, "no assignment within {ASSIGNMENT_TIMEOUT:?} of taking the offer; the slot is free again");
        }
        for job_id in self.slots.overdue(now) {
            warn!(%job_id, "a job was told to stop and did not; its task is ended");
            actions.push(Action::Abort { job_id });
        }
    }

    fn link_due(&mut self, now: Instant, actions: &mut Vec<Action>) {
        match self.link.due(now) {
            Due::Nothing => {}
            Due::Connect => actions.push(Action::Connect),
            Due::Disconnect => {
                actions.push(Action::Disconnect);
                self.forget_socket(actions);
            }
            Due::Ping { milliseconds } => {
                actions.push(Action::PingFrame);
                actions.push(Action::Send(WorkerMessage::Ping { milliseconds }));
            }
        }
    }

    /// Sends the status at once after registering, on every change, and as a heartbeat.
    fn tell_status(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let reported = ReportedStatus {
            slots: self.slots.limit(),
            used: self.slots.used(),
            running: self.slots.running(),
            available: self.unavailable().is_none(),
        };
        let changed = self.reported != Some(reported);
        if let Some(sequence) = self.link.status_due(now, changed) {
            self.reported = Some(reported);
            actions.push(Action::Send(WorkerMessage::Status(Status {
                available: reported.available,
                load: self.load(),
                job_count: reported.running,
                draining: self.phase != Phase::Serving,
                sequence,
            })));
        }
    }

    fn load(&self) -> f32 {
        // There are few slots, so both counts are exact as f32.
        let part = self.slots.used() as f32 / self.slots.limit().max(1) as f32;
        FULL_LOAD * part.min(1.0)
    }

    fn unavailable(&self) -> Option<Unavailable> {
        if self.phase != Phase::Serving {
            return Some(Unavailable::Draining);
        }
        if !self.link.is_up() {
            return Some(Unavailable::NotRegistered(self.link.trouble().to_owned()));
        }
        if self.link.is_going_away() {
            return Some(Unavailable::GoingAway);
        }
        let slots = self.slots.limit();
        (self.slots.used() >= slots).then_some(Unavailable::Full { slots })
    }

    fn announce(&mut self, actions: &mut Vec<Action>) {
        let unavailable = self.unavailable();
        if self.announced != unavailable {
            self.announced.clone_from(&unavailable);
            actions.push(Action::Announce(unavailable));
        }
    }

    fn why_not_ready(&self) -> String {
        match (self.unavailable(), self.slots.running()) {
            (None | Some(Unavailable::Full { .. } | Unavailable::GoingAway), _) => String::new(),
            (Some(Unavailable::Draining), 1) => "draining: 1 session left".to_owned(),
            (Some(Unavailable::Draining), sessions) => format!("draining: {sessions} sessions left"),
            (Some(Unavailable::NotRegistered(trouble)), _) => trouble,
        }
    }
}

#[cfg(test)]
mod tests;
