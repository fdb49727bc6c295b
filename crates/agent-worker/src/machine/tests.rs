//! Each test is a claim about the worker; its times are made up.

mod beat;
mod drain;
mod ends;
mod link;
mod offers;
mod status;
mod terms;

use std::collections::HashMap;

use conversation::Secret;

use super::*;
use crate::message::{Answer, Assigned, Job};
use crate::settings::Permission;

const SEED: u64 = 7;

/// A machine and its clock.
struct Rig {
    machine: Machine,
    now: Instant,
}

impl Rig {
    fn new(max_sessions: u32) -> Self {
        let registration = Registration {
            agent_name: "support".to_owned(),
            version: "0.1.0".to_owned(),
            instance_id: "1".to_owned(),
            permissions: vec![Permission::Publish],
        };
        let rules = Rules {
            registration,
            url: Url::parse("ws://livekit.test:7880").unwrap(),
            terms: Self::terms(max_sessions),
            beat_every: None,
        };
        Self::of(rules)
    }

    fn of(rules: Rules) -> Self {
        let now = Instant::now();
        Self { machine: Machine::new(rules, now, SEED), now }
    }

    fn terms(max_sessions: u32) -> Terms {
        Terms { display_name: "Ada".to_owned(), max_sessions, drain_timeout: Duration::from_secs(3600) }
    }

    /// A machine that has just registered.
    fn registered(max_sessions: u32) -> Self {
        let mut rig = Self::new(max_sessions);
        rig.tick();
        rig.register();
        rig
    }

    fn step(&mut self, event: Event) -> Vec<Action> {
        self.machine.step(self.now, event)
    }

    fn receive(&mut self, message: ServerMessage) -> Vec<Action> {
        self.step(Event::Message(message))
    }

    fn tick(&mut self) -> Vec<Action> {
        self.step(Event::Tick)
    }

    fn after(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.tick()
    }

    /// Ticks whenever the machine asks for it until `time` has gone by, as the shell does.
    fn pass(&mut self, time: Duration) -> Vec<Action> {
        let end = self.now + time;
        let mut actions = Vec::new();
        while let Some(deadline) = self.machine.deadline().filter(|&deadline| deadline <= end) {
            assert!(deadline >= self.now || !actions.is_empty(), "a deadline in the past");
            self.now = self.now.max(deadline);
            actions.extend(self.tick());
        }
        self.now = end;
        actions
    }

    fn register(&mut self) -> Vec<Action> {
        let mut actions = self.step(Event::Opened);
        actions.extend(self.receive(ServerMessage::Registered {
            worker_id: "AW_1".to_owned(),
            server_version: "1.13.5".to_owned(),
        }));
        actions
    }

    fn lose_socket(&mut self) -> Vec<Action> {
        self.step(Event::Closed { reason: "gone".to_owned() })
    }

    fn offer(&mut self, job_id: &str, room: &str) -> Answer {
        let actions = self.receive(ServerMessage::Offer(job(job_id, room)));
        let answer = actions.into_iter().find_map(|action| match action {
            Action::Send(WorkerMessage::Answer { job_id: id, answer }) if id == job_id => Some(answer),
            _ => None,
        });
        answer.expect("an offer is answered in the same step")
    }

    fn assign(&mut self, job_id: &str, room: &str) -> Vec<Action> {
        self.receive(assignment(job_id, room))
    }

    /// A job that runs.
    fn run_job(&mut self, job_id: &str, room: &str) {
        assert!(matches!(self.offer(job_id, room), Answer::Yes(_)));
        assert!(starts(&self.assign(job_id, room), job_id));
    }

    fn report(&mut self, job_id: &str, end: JobEnd) -> Vec<Action> {
        self.step(Event::JobReported { job_id: job_id.to_owned(), end })
    }

    fn finish(&mut self, job_id: &str, end: JobEnd) -> Vec<Action> {
        self.step(Event::JobFinished { job_id: job_id.to_owned(), end })
    }

    fn written(&mut self, job_id: &str) -> Vec<Action> {
        self.step(Event::EndWritten { job_id: job_id.to_owned() })
    }
}

fn job(job_id: &str, room: &str) -> Job {
    Job {
        id: job_id.to_owned(),
        dispatch_id: "AD_1".to_owned(),
        room_name: room.to_owned(),
        room_sid: format!("RM_{room}"),
        metadata: "{}".to_owned(),
        attributes: HashMap::new(),
        identity: String::new(),
    }
}

fn assignment(job_id: &str, room: &str) -> ServerMessage {
    let token = Secret::new("token");
    ServerMessage::Assignment(Assigned { job: job(job_id, room), url: None, token })
}

fn failed(reason: &str) -> JobEnd {
    JobEnd::Failed(reason.to_owned())
}

fn starts(actions: &[Action], job_id: &str) -> bool {
    actions.iter().any(|action| matches!(action, Action::Start(job) if job.job_id == job_id))
}

fn stops(actions: &[Action], job_id: &str) -> bool {
    actions.contains(&Action::Stop { job_id: job_id.to_owned() })
}

fn aborts(actions: &[Action], job_id: &str) -> bool {
    actions.contains(&Action::Abort { job_id: job_id.to_owned() })
}

fn releases(actions: &[Action], job_id: &str) -> bool {
    actions.contains(&Action::Release { job_id: job_id.to_owned() })
}

fn statuses(actions: &[Action]) -> Vec<Status> {
    let status = |action: &Action| match action {
        Action::Send(WorkerMessage::Status(status)) => Some(*status),
        _ => None,
    };
    actions.iter().filter_map(status).collect()
}

fn ends(actions: &[Action]) -> Vec<(&str, &JobEnd)> {
    let end = |action| match action {
        &Action::Send(WorkerMessage::Ended { ref job_id, ref end }) => Some((job_id.as_str(), end)),
        _ => None,
    };
    actions.iter().filter_map(end).collect()
}

fn finished(actions: &[Action]) -> Option<Outcome> {
    actions.iter().find_map(|action| match action {
        Action::Finish(outcome) => Some(*outcome),
        _ => None,
    })
}
