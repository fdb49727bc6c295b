//! The jobs that occupy the worker: those that it accepted and those that run.

use std::collections::HashMap;
use std::fmt;
use std::time::Instant;

use crate::message::Job;

/// A slot is taken from the moment before we say "available" until the job's task is over.
#[derive(Debug)]
pub(super) struct Slots {
    limit: u32,
    reserved: HashMap<String, Reservation>,
    running: HashMap<String, Running>,
}

#[derive(Debug)]
struct Reservation {
    room_name: String,
    until: Instant,
}

#[derive(Debug)]
pub(super) struct Running {
    room_name: String,
    /// The job said how it ended and is leaving its room.
    pub(super) reported: bool,
    /// The time at which a job that is to end is ended by force.
    until: Option<Instant>,
    /// The time at which a job is ended by force that was terminated and has not said that it stays.
    terminated: Option<Instant>,
    aborted: bool,
}

/// Why a job is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    Draining,
    GoingAway,
    Full,
    /// This worker has that job already.
    JobIsKnown,
    /// One of the worker's jobs serves that room.
    RoomIsServed,
    /// The job names no room.
    NoRoom,
}

// === impl Slots ===

impl Slots {
    pub(super) fn new(limit: u32) -> Self {
        Self { limit, reserved: HashMap::new(), running: HashMap::new() }
    }

    pub(super) fn limit(&self) -> u32 {
        self.limit
    }

    /// A lower limit ends no running job.
    pub(super) fn set_limit(&mut self, limit: u32) {
        self.limit = limit;
    }

    pub(super) fn used(&self) -> u32 {
        self.running() + u32::try_from(self.reserved.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn running(&self) -> u32 {
        u32::try_from(self.running.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn running_ids(&self) -> Vec<String> {
        self.running.keys().cloned().collect()
    }

    pub(super) fn refusal(&self, job: &Job) -> Option<Refusal> {
        if self.reserved.contains_key(&job.id) || self.running.contains_key(&job.id) {
            return Some(Refusal::JobIsKnown);
        }
        if job.room_name.is_empty() {
            return Some(Refusal::NoRoom);
        }
        if self.serves(&job.room_name) {
            return Some(Refusal::RoomIsServed);
        }
        (self.used() >= self.limit).then_some(Refusal::Full)
    }

    pub(super) fn reserve(&mut self, job: &Job, until: Instant) {
        let reservation = Reservation { room_name: job.room_name.clone(), until };
        self.reserved.insert(job.id.clone(), reservation);
    }

    /// False if there was none.
    pub(super) fn release_reservation(&mut self, job_id: &str) -> bool {
        self.reserved.remove(job_id).is_some()
    }

    pub(super) fn release_reservations(&mut self) {
        self.reserved.clear();
    }

    pub(super) fn expire_reservations(&mut self, now: Instant) -> Vec<String> {
        self.reserved.extract_if(|_, reservation| reservation.until <= now).map(|(id, _)| id).collect()
    }

    pub(super) fn start(&mut self, job: &Job) {
        self.running.insert(job.id.clone(), Running::new(&job.room_name));
    }

    /// Notes that a job is to end. False if it does not run.
    pub(super) fn stop(&mut self, job_id: &str, until: Instant) -> bool {
        let Some(running) = self.running.get_mut(job_id) else {
            return false;
        };
        running.end_by(until);
        true
    }

    /// Notes that the server has terminated a job. False if it does not run.
    pub(super) fn terminate(&mut self, job_id: &str, until: Instant) -> bool {
        let Some(running) = self.running.get_mut(job_id) else {
            return false;
        };
        running.terminated = Some(until);
        true
    }

    /// Notes that a job that was terminated goes on. If it is to end for another reason, it is still to end.
    pub(super) fn stay(&mut self, job_id: &str) {
        if let Some(running) = self.running.get_mut(job_id) {
            running.terminated = None;
        }
    }

    /// Notes that a job reported its end. False if it does not run or reported that before.
    pub(super) fn reported(&mut self, job_id: &str, until: Instant) -> bool {
        let Some(running) = self.running.get_mut(job_id).filter(|running| !running.reported) else {
            return false;
        };
        running.reported = true;
        running.end_by(until);
        true
    }

    pub(super) fn finish(&mut self, job_id: &str) -> Option<Running> {
        self.running.remove(job_id)
    }

    /// The jobs whose time to end is over, each once. They keep their slots until their tasks are really gone.
    pub(super) fn overdue(&mut self, now: Instant) -> Vec<String> {
        let overdue = self.running.iter_mut().filter(|(_, running)| running.is_overdue(now));
        overdue
            .map(|(job_id, running)| {
                running.aborted = true;
                job_id.clone()
            })
            .collect()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let reserved = self.reserved.values().map(|reservation| reservation.until);
        let waited_for = self.running.values().filter(|running| !running.aborted);
        reserved.chain(waited_for.filter_map(Running::deadline)).min()
    }

    /// By name, not by SID: after a restart of the server the same conversation goes on in a room with a new SID. A job
    /// that is on its way out serves no room any more.
    fn serves(&self, room_name: &str) -> bool {
        self.reserved.values().any(|reservation| reservation.room_name == room_name)
            || self
                .running
                .values()
                .any(|running| running.deadline().is_none() && running.room_name == room_name)
    }
}

// === impl Running ===

impl Running {
    fn new(room_name: &str) -> Self {
        Self {
            room_name: room_name.to_owned(),
            reported: false,
            until: None,
            terminated: None,
            aborted: false,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.until.into_iter().chain(self.terminated).min()
    }

    fn end_by(&mut self, until: Instant) {
        self.until = Some(self.until.map_or(until, |sooner| sooner.min(until)));
    }

    fn is_overdue(&self, now: Instant) -> bool {
        !self.aborted && self.deadline().is_some_and(|until| until <= now)
    }
}

// === impl Refusal ===

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Draining => "the worker is draining",
            Self::GoingAway => "the worker is about to reconnect",
            Self::Full => "all slots of the worker are in use",
            Self::JobIsKnown => "the worker has this job already",
            Self::RoomIsServed => "the worker serves this room already",
            Self::NoRoom => "the job names no room",
        })
    }
}
