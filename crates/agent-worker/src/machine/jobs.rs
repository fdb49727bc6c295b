//! From an offer to the end of a job.

use std::time::Instant;

use tracing::{debug, info, warn};
use url::Url;

use super::slots::Refusal;
use super::{ASSIGNMENT_TIMEOUT, Action, Machine, Phase, STOP_TIMEOUT, TERMINATION_TIMEOUT};
use crate::message::{Answer, Assigned, Job, Participant, WorkerMessage};
use crate::{Assignment, JobEnd};

impl Machine {
    pub(super) fn offered(&mut self, now: Instant, job: Job, actions: &mut Vec<Action>) {
        let answer = match self.refusal(&job) {
            None => {
                debug!(job_id = %job.id, room = %job.room_name, "took a job offer");
                self.slots.reserve(&job, now + ASSIGNMENT_TIMEOUT);
                Answer::Yes(self.participant(&job))
            }
            Some(refusal) => {
                debug!(job_id = %job.id, room = %job.room_name, %refusal, "declined a job offer");
                match refusal {
                    Refusal::RoomIsServed => Answer::Superfluous,
                    _ => Answer::No,
                }
            }
        };
        actions.push(Action::Send(WorkerMessage::Answer { job_id: job.id, answer }));
    }

    pub(super) fn refusal(&self, job: &Job) -> Option<Refusal> {
        if self.phase != Phase::Serving {
            return Some(Refusal::Draining);
        }
        if self.link.is_going_away() {
            return Some(Refusal::GoingAway);
        }
        self.slots.refusal(job)
    }

    fn participant(&self, job: &Job) -> Participant {
        Participant {
            identity: identity(job),
            name: self.rules.terms.display_name.clone(),
            // By these attributes a frontend sees, from the moment it joins, that an agent is coming up.
            attributes: vec![
                ("lk.agent.name".to_owned(), self.rules.terms.display_name.clone()),
                ("lk.agent.state".to_owned(), "initializing".to_owned()),
            ],
        }
    }

    /// An assignment without a reservation (it came late, or the server did not offer it) is taken when there is room
    /// for it: for the server the job is ours either way.
    pub(super) fn assigned(&mut self, assigned: Assigned, actions: &mut Vec<Action>) {
        let job = &assigned.job;
        if !self.slots.release_reservation(&job.id)
            && let Some(refusal) = self.refusal(job)
        {
            warn!(job_id = %job.id, room = %job.room_name, %refusal, "LiveKit assigned a job that we cannot take");
            if refusal != Refusal::JobIsKnown {
                self.end_job(job.id.clone(), JobEnd::Failed(refusal.to_string()), actions);
            }
            return;
        }
        let job_id = job.id.clone();
        info!(%job_id, dispatch_id = %job.dispatch_id, room = %job.room_name, "job assigned");
        self.slots.start(job);
        actions.push(Action::Send(WorkerMessage::Running { job_id }));
        actions.push(Action::Start(Box::new(self.assignment(assigned))));
    }

    /// Only we know of the job any more, so it needs no connection to the server, and a refusal is no news to the
    /// server.
    pub(super) fn resumed(&mut self, assignment: Assignment, actions: &mut Vec<Action>) {
        let id = assignment.job_id.clone();
        let job = Job { id, room_name: assignment.room_name.clone(), ..Job::default() };
        let refusal =
            if self.phase == Phase::Serving { self.slots.refusal(&job) } else { Some(Refusal::Draining) };
        if let Some(refusal) = refusal {
            debug!(job_id = %job.id, room = %job.room_name, %refusal, "a session is not taken up now");
            actions.push(Action::NotResumed { job_id: job.id });
            return;
        }
        self.slots.start(&job);
        actions.push(Action::Start(Box::new(assignment)));
    }

    fn assignment(&self, assigned: Assigned) -> Assignment {
        let Assigned { job, url, token } = assigned;
        let identity = if job.identity.is_empty() { identity(&job) } else { job.identity };
        Assignment {
            url: self.join_url(url.as_deref()),
            identity,
            job_id: job.id,
            dispatch_id: job.dispatch_id,
            room_name: job.room_name,
            room_sid: job.room_sid,
            token,
            metadata: job.metadata,
            attributes: job.attributes,
        }
    }

    fn join_url(&self, assigned: Option<&str>) -> Url {
        let Some(assigned) = assigned else {
            return self.rules.url.clone();
        };
        Url::parse(assigned).unwrap_or_else(|error| {
            warn!(url = assigned, %error, "the assignment's URL is invalid; joining at the worker's own");
            self.rules.url.clone()
        })
    }

    /// The server terminates a job by order, and also when it has lost sight of our participant. Only the job can find
    /// out which of the two it is.
    pub(super) fn terminated(&mut self, now: Instant, job_id: &str, actions: &mut Vec<Action>) {
        if self.slots.release_reservation(job_id) {
            info!(job_id, "LiveKit withdrew a job before it started");
        } else if self.slots.terminate(job_id, now + TERMINATION_TIMEOUT) {
            info!(job_id, "LiveKit terminated a job");
            actions.push(Action::Terminate { job_id: job_id.to_owned() });
        }
    }

    pub(super) fn job_reported(
        &mut self,
        now: Instant,
        job_id: String,
        end: JobEnd,
        actions: &mut Vec<Action>,
    ) {
        if self.slots.reported(&job_id, now + STOP_TIMEOUT) {
            self.end_job(job_id, end, actions);
        } else {
            actions.push(Action::Release { job_id });
        }
    }

    pub(super) fn job_finished(&mut self, job_id: String, end: JobEnd, actions: &mut Vec<Action>) {
        let Some(finished) = self.slots.finish(&job_id) else {
            return;
        };
        if !finished.reported {
            self.end_job(job_id, end, actions);
        }
    }

    /// Sends the end of a job now, or keeps it until the next registration.
    fn end_job(&mut self, job_id: String, end: JobEnd, actions: &mut Vec<Action>) {
        let up = self.link.is_up();
        let end = self.ends.push(job_id.clone(), end, up);
        if up {
            actions.push(Action::Send(WorkerMessage::Ended { job_id, end }));
        } else {
            actions.push(Action::Release { job_id });
        }
    }
}

/// LiveKit's other workers name their participants in the same way.
fn identity(job: &Job) -> String {
    format!("agent-{}", job.id)
}
