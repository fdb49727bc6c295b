//! The worker's heartbeat: due again and again while the worker's loop steps the machine, and only then.

use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Beat {
    /// None: no service manager listens.
    every: Option<Duration>,
    next: Instant,
}

impl Beat {
    /// The first is due at once.
    pub(super) fn new(every: Option<Duration>, now: Instant) -> Self {
        Self { every, next: now }
    }

    /// Whether a beat is due. It counts as given then, and missed beats are not made up for.
    pub(super) fn is_due(&mut self, now: Instant) -> bool {
        let Some(every) = self.every.filter(|_| now >= self.next) else { return false };
        self.next = now + every;
        true
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.every.map(|_| self.next)
    }
}
