//! Which of the jobs run side by side.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use super::job::{Job, Pace};

/// What jobs of one kind take at the same time of two processors, in per cent of one, when those of the other kind are
/// done. More would make tests that hear stumble.
const MOST: u32 = WORKING + 5 * share(Pace::Waits);
/// The part for working jobs, and for waiting ones, while there are jobs of both kinds: a little more than there is, as
/// no job takes its share all the time.
const WORKING: u32 = 3 * share(Pace::Works);
const WAITING: u32 = 8 * share(Pace::Waits);

/// The jobs that are still to be done, and what those that run take.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

/// A job that runs. Gives its share back when it is dropped.
pub(super) struct Running<'a> {
    queue: &'a Queue,
    pace: Pace,
}

#[derive(Default)]
struct State {
    works: VecDeque<Job>,
    waits: VecDeque<Job>,
    working: u32,
    waiting: u32,
}

/// What a job takes of a processor. A working test waits as well: for its servers to start, and for time limits.
const fn share(pace: Pace) -> u32 {
    match pace {
        Pace::Works => 33,
        Pace::Waits => 14,
        // Two fit into `MOST`.
        Pace::Hears => 84,
        Pace::Alone => 200,
    }
}

// === impl Queue ===

impl Queue {
    /// No more jobs than this run at the same time.
    pub(super) const LANES: u32 = MOST / share(Pace::Waits);

    pub(super) fn new(jobs: Vec<Job>) -> Self {
        let (waits, works): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.pace == Pace::Waits);
        let state = State { works: works.into(), waits: waits.into(), ..State::default() };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The next job, once there is room for it. None when none is left.
    pub(super) fn next(&self) -> Option<(Job, Running<'_>)> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.take() {
                let running = Running { queue: self, pace: job.pace };
                return Some((job, running));
            }
            if state.works.is_empty() && state.waits.is_empty() {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Running ===

impl Drop for Running<'_> {
    fn drop(&mut self) {
        *self.queue.lock().used(self.pace) -= share(self.pace);
        self.queue.changed.notify_all();
    }
}

// === impl State ===

impl State {
    fn take(&mut self) -> Option<Job> {
        let job = self.take_of(Pace::Works).or_else(|| self.take_of(Pace::Waits))?;
        *self.used(job.pace) += share(job.pace);
        Some(job)
    }

    fn take_of(&mut self, pace: Pace) -> Option<Job> {
        let (jobs, used, part, others, others_use) = match pace {
            Pace::Waits => (&mut self.waits, self.waiting, WAITING, self.works.len(), self.working),
            _ => (&mut self.works, self.working, WORKING, self.waits.len(), self.waiting),
        };
        let part = if others == 0 { MOST - others_use } else { part };
        if used + share(pace) <= part { jobs.pop_front() } else { None }
    }

    fn used(&mut self, pace: Pace) -> &mut u32 {
        if pace == Pace::Waits { &mut self.waiting } else { &mut self.working }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::harness::{Kind, Program};

    fn jobs(works: usize, waits: usize) -> Vec<Job> {
        let program = Program {
            target: "live".to_owned(),
            kind: Kind::TestFile,
            path: PathBuf::new(),
            package: PathBuf::new(),
        };
        let job = |pace| Job {
            name: String::new(),
            program: program.clone(),
            test: None,
            pace,
            left_to_all: false,
        };
        let works = std::iter::repeat_n(job(Pace::Works), works);
        works.chain(std::iter::repeat_n(job(Pace::Waits), waits)).collect()
    }

    /// The numbers of working and of waiting jobs that run once no other fits.
    fn full(state: &mut State) -> (usize, usize) {
        let taken: Vec<_> = std::iter::from_fn(|| state.take()).collect();
        let waits = taken.iter().filter(|job| job.pace == Pace::Waits).count();
        (taken.len() - waits, waits)
    }

    fn state(works: usize, waits: usize) -> State {
        Queue::new(jobs(works, waits)).state.into_inner().unwrap()
    }

    #[test]
    fn each_kind_has_its_part_and_without_the_other_all() {
        assert_eq!(full(&mut state(50, 50)), (3, 8));
        assert_eq!(full(&mut state(50, 0)), (5, 0));
        assert_eq!(full(&mut state(0, 50)), (0, Queue::LANES as usize));
        assert_eq!(full(&mut state(50, 2)), (4, 2), "the last that wait leave their room to others");
        assert_eq!(full(&mut state(1, 50)), (1, 9));
        let hears = jobs(5, 0).into_iter().map(|job| Job { pace: Pace::Hears, ..job }).collect();
        assert_eq!(full(&mut Queue::new(hears).state.into_inner().unwrap()), (2, 0));
    }

    #[test]
    fn a_job_that_ends_makes_room_for_one() {
        let queue = Queue::new(jobs(6, 0));
        let mut running: Vec<_> = (0..5).map(|_| queue.next().unwrap().1).collect();
        assert!(queue.lock().take().is_none(), "the sixth waits");
        running.pop();
        assert!(queue.next().is_some());
        assert!(queue.next().is_none(), "no job is left");
    }
}
