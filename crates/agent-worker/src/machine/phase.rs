//! From serving through draining to the end.

use std::time::Instant;

use tracing::info;

use super::{Action, END_NOW_TIMEOUT, FLUSH_TIMEOUT, Machine, Phase, STOP_TIMEOUT};
use crate::{JobEnd, Outcome};

impl Machine {
    pub(super) fn drain(&mut self, now: Instant) {
        if self.phase == Phase::Serving {
            let timeout = self.rules.terms.drain_timeout;
            let until = now + timeout;
            info!(sessions = self.slots.running(), ?timeout, "taking no more jobs: draining");
            self.phase = Phase::Draining { until };
        }
    }

    pub(super) fn end_now(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let sessions = self.slots.running();
        let outcome = Outcome::EndedNow { sessions };
        self.slots.release_reservations();
        self.stop_all(now + END_NOW_TIMEOUT, actions);
        self.phase = Phase::Stopping { until: now + END_NOW_TIMEOUT, outcome };
    }

    fn stop_all(&mut self, until: Instant, actions: &mut Vec<Action>) {
        for job_id in self.slots.running_ids() {
            self.slots.stop(&job_id, until);
            actions.push(Action::Stop { job_id });
        }
    }

    pub(super) fn advance_phase(&mut self, now: Instant, actions: &mut Vec<Action>) {
        match self.phase {
            Phase::Serving | Phase::Finished => {}
            Phase::Draining { until } => {
                if self.slots.used() == 0 {
                    self.flush(now, Outcome::Drained, actions);
                } else if now >= until {
                    let outcome = Outcome::DrainTimedOut { sessions: self.slots.running() };
                    self.slots.release_reservations();
                    self.stop_all(now + STOP_TIMEOUT, actions);
                    self.phase = Phase::Stopping { until: now + STOP_TIMEOUT, outcome };
                }
            }
            Phase::Stopping { until, outcome } => {
                if now >= until {
                    self.give_up_on_jobs(actions);
                }
                if self.slots.used() == 0 {
                    self.flush(now, outcome, actions);
                }
            }
            Phase::Flushing { until, outcome } => {
                if self.ends.is_empty() || !self.link.is_up() || now >= until {
                    self.phase = Phase::Finished;
                    actions.push(Action::Disconnect);
                    actions.push(Action::Finish(outcome));
                }
            }
        }
    }

    fn flush(&mut self, now: Instant, outcome: Outcome, actions: &mut Vec<Action>) {
        self.phase = Phase::Flushing { until: now + FLUSH_TIMEOUT, outcome };
        self.advance_phase(now, actions);
    }

    /// Their tasks may hang in code that never yields, so the worker waits for them no longer.
    fn give_up_on_jobs(&mut self, actions: &mut Vec<Action>) {
        for job_id in self.slots.running_ids() {
            actions.push(Action::Abort { job_id: job_id.clone() });
            let end = JobEnd::Failed("did not stop in time when the worker ended".to_owned());
            self.job_finished(job_id, end, actions);
        }
    }
}
