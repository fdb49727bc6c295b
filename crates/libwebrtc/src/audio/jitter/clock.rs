//! The buffer's units of time: microseconds since its first call, and samples as a duration.

use std::time::Instant;

pub(super) type Micros = i64;

#[derive(Debug, Default)]
pub(super) struct Clock {
    start: Option<Instant>,
}

// === impl Clock ===

impl Clock {
    /// An earlier instant than the first one counts as the first one.
    pub(super) fn at(&mut self, now: Instant) -> Micros {
        let start = *self.start.get_or_insert(now);
        Micros::try_from(now.saturating_duration_since(start).as_micros()).unwrap_or(Micros::MAX / 4)
    }
}

/// The duration of samples at 48 kHz.
pub(super) fn micros(samples: i64) -> Micros {
    samples.saturating_mul(125) / 6
}
