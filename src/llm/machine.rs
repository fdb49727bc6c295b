//! When to try, wait, give up: the course of one LLM request without clocks, sockets and tasks.
//!
//! Feed it events with [`Machine::step`] and perform the actions that it returns; call it with [`Event::Tick`] at
//! [`Machine::deadline`].

use std::time::{Duration, Instant};

use bounded::{Backoff, Jitter};

use crate::config;
use crate::llm::error::{Fault, Kind};
use crate::llm::openai::MAX_ADAPTATIONS;

/// The waits between attempts.
const RETRIES: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2), Jitter::Full);

/// A provider that asks for more is not asked again: no caller waits longer for an answer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    pub(super) first_token: Duration,
    pub(super) stall: Duration,
    pub(super) total: Duration,
    pub(super) attempts: u32,
}

#[derive(Debug)]
pub(super) struct Machine {
    limits: Limits,
    phase: Phase,
    /// The end of `limits.total`.
    until: Instant,
    /// Attempts begun.
    attempts: u32,
    /// The number of those that were refused only for an optional field.
    adaptations: u32,
    /// Words of the reply were passed on, so that another attempt would say them twice.
    said: bool,
    rng: fastrand::Rng,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing has come yet of the attempt that began at this time.
    Asking(Instant),
    /// The last token came at this time.
    Listening(Instant),
    /// The next attempt begins at this time.
    Waiting(Instant),
    Over,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Event<'a> {
    /// A token came, be it of the reply or of the reasoning before it.
    Token,
    /// Words of the reply were passed on.
    Said,
    /// The attempt went well.
    Finished,
    Failed(&'a Fault),
    Cancelled,
    /// The deadline has come.
    Tick,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Go on as before.
    Continue,
    /// Begin an attempt. Counted from 0.
    Attempt(u32),
    /// End the attempt with this fault, and report that as `Failed`.
    Abort(Kind),
    /// Wait this long.
    Wait(Duration),
    End(End),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Complete,
    Interrupted,
    /// With the fault that was reported last.
    Failed,
}

// === impl Limits ===

impl Limits {
    /// `is_cold`: the model may have to be loaded first.
    pub(super) fn new(config: &config::Llm, is_cold: bool) -> Self {
        Self {
            first_token: config.first_token_limit(is_cold),
            stall: config.stall_timeout,
            total: config.total_timeout,
            attempts: config.max_attempts.max(1),
        }
    }
}

// === impl Machine ===

impl Machine {
    /// A request that begins now, with its first attempt. The random numbers spread the waits.
    pub(super) fn new(now: Instant, limits: Limits, rng: fastrand::Rng) -> Self {
        let until = now + limits.total;
        Self { limits, phase: Phase::Waiting(now), until, attempts: 0, adaptations: 0, said: false, rng }
    }

    pub(super) fn attempts(&self) -> u32 {
        self.attempts
    }

    /// The time at which all attempts and waits end.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// The time at which to call with `Tick` if nothing else happens before.
    pub(super) fn deadline(&self) -> Instant {
        match self.phase {
            Phase::Asking(since) => self.until.min(since + self.limits.first_token),
            Phase::Listening(since) => self.until.min(since + self.limits.stall),
            Phase::Waiting(until) => until,
            Phase::Over => self.until,
        }
    }

    pub(super) fn step(&mut self, now: Instant, event: Event<'_>) -> Action {
        match (self.phase, event) {
            (Phase::Over, _) => Action::Continue,
            (_, Event::Cancelled) => self.end(End::Interrupted),
            (Phase::Waiting(_), Event::Tick) => self.waited(now),
            (Phase::Waiting(_), _) => Action::Continue,
            (_, Event::Tick) => self.tick(now),
            (_, Event::Finished) => self.end(End::Complete),
            (_, Event::Failed(fault)) => self.failed(now, fault),
            (_, Event::Token) => self.listen(now),
            (_, Event::Said) => {
                self.said = true;
                self.listen(now)
            }
        }
    }

    fn listen(&mut self, now: Instant) -> Action {
        self.phase = Phase::Listening(now);
        Action::Continue
    }

    fn waited(&mut self, now: Instant) -> Action {
        if now < self.deadline() {
            return Action::Continue;
        }
        self.phase = Phase::Asking(now);
        self.attempts += 1;
        Action::Attempt(self.attempts - 1)
    }

    fn tick(&self, now: Instant) -> Action {
        if now < self.deadline() {
            return Action::Continue;
        }
        Action::Abort(match self.phase {
            _ if now >= self.until => Kind::TotalTimeout,
            Phase::Asking(_) => Kind::FirstTokenTimeout,
            _ => Kind::StallTimeout,
        })
    }

    fn failed(&mut self, now: Instant, fault: &Fault) -> Action {
        if fault.is_adapted && !self.said && self.adaptations < MAX_ADAPTATIONS {
            self.adaptations += 1;
            return self.wait(now, Duration::ZERO);
        }
        let counted = self.attempts - self.adaptations;
        let asked = fault.retry_after.unwrap_or_default();
        let may_retry = fault.is_retryable() && !self.said && counted < self.limits.attempts;
        if !may_retry || asked > MAX_RETRY_AFTER {
            return self.end(End::Failed);
        }
        let wait = RETRIES.wait(self.attempts, &mut self.rng).max(asked);
        self.wait(now, wait)
    }

    /// Begins a wait, unless the time would be up by its end.
    fn wait(&mut self, now: Instant, wait: Duration) -> Action {
        if now + wait >= self.until {
            return self.end(End::Failed);
        }
        self.phase = Phase::Waiting(now + wait);
        Action::Wait(wait)
    }

    fn end(&mut self, end: End) -> Action {
        self.phase = Phase::Over;
        Action::End(end)
    }
}

#[cfg(test)]
mod tests;
