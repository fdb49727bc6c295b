//! Fuzzing: arbitrary frames of a LiveKit server, and a worker that must keep its slots.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use url::Url;

use super::machine::{Action, Event, Machine, Rules};
use super::message::Registration;
use super::{JobEnd, Terms, protocol};
use crate::settings::Permission;

const SLOTS: u32 = 3;
/// The most ticks in a row that a worker may ask for.
const MOST_TICKS: usize = 1_000;

pub fn frames(bytes: &[u8]) {
    converse(bytes);
}

/// A conversation: each step is a choice, and for a message the frame behind it. Returns the number of jobs that began.
fn converse(mut bytes: &[u8]) -> usize {
    let mut started = 0;
    let mut now = Instant::now();
    let mut machine = Machine::new(rules(), now, 7);
    let mut running = HashSet::new();
    while let Some(step) = choice(&mut bytes) {
        let event = match step % 8 {
            0..=3 => match protocol::decode(piece(&mut bytes).unwrap_or_default()) {
                Ok(message) => Event::Message(message),
                Err(_) => Event::Alive,
            },
            4 => Event::Opened,
            5 => Event::Closed { reason: "gone".to_owned() },
            6 => {
                now += Duration::from_millis(u64::from(step) * 100);
                Event::Tick
            }
            _ => match running.iter().min().cloned().filter(|job_id| running.remove(job_id)) {
                Some(job_id) => Event::JobFinished { job_id, end: JobEnd::Success },
                None => Event::Drain,
            },
        };
        started += perform(machine.step(now, event), &mut running);
    }
    let mut ticks = 0;
    while let Some(deadline) = machine.deadline().filter(|_| ticks < MOST_TICKS) {
        now = now.max(deadline);
        started += perform(machine.step(now, Event::Tick), &mut running);
        ticks += 1;
    }
    started
}

fn perform(actions: Vec<Action>, running: &mut HashSet<String>) -> usize {
    let mut started = 0;
    for action in actions {
        match action {
            Action::Start(assignment) => {
                running.insert(assignment.job_id.clone());
                started += 1;
            }
            Action::Abort { job_id } => {
                running.remove(&job_id);
            }
            Action::Send(message) => drop(protocol::encode(message)),
            _ => {}
        }
        assert!(running.len() <= SLOTS as usize, "more sessions than slots");
    }
    started
}

fn rules() -> Rules {
    let registration = Registration {
        agent_name: "support".to_owned(),
        version: "0.1.0".to_owned(),
        instance_id: "1".to_owned(),
        permissions: vec![Permission::PublishData],
    };
    let drain_timeout = Duration::from_secs(60);
    Rules {
        registration,
        url: Url::parse("ws://livekit.test:7880").expect("a URL"),
        terms: Terms { display_name: "Ada".to_owned(), max_sessions: SLOTS, drain_timeout },
        beat_every: None,
    }
}

/// The first byte as a number, and the rest.
fn choice(bytes: &mut &[u8]) -> Option<u8> {
    let (first, rest) = bytes.split_first()?;
    *bytes = rest;
    Some(*first)
}

/// A piece of the bytes: two bytes of length, and as many as there are of it.
fn piece<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::from(choice(bytes)?) << 8 | usize::from(choice(bytes)?);
    let (piece, rest) = bytes.split_at(length.min(bytes.len()));
    *bytes = rest;
    Some(piece)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corpus_gets_as_far_as_jobs_and_full_slots() {
        assert_eq!(converse(include_bytes!("../../../fuzz/corpus/worker_frames/a_job")), 1);
        assert_eq!(converse(include_bytes!("../../../fuzz/corpus/worker_frames/full")), SLOTS as usize);
    }
}
