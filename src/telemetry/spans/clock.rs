//! The time of one trace.

use std::time::{Duration, Instant, SystemTime};

/// Wall-clock time that only goes forward: read once when the turn starts, then driven by the monotonic clock. A span
/// therefore never ends before it starts and never leaves its parent, also when the system's clock is set meanwhile;
/// OpenObserve computes durations without looking at the sign.
#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    wall: SystemTime,
    started: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self { wall: SystemTime::now(), started: Instant::now() }
    }

    /// Of a trace that began at this time, which is past.
    pub(super) fn started_at(began: Instant) -> Self {
        Self { wall: SystemTime::now() - began.elapsed(), started: began }
    }

    pub(super) fn start_of_turn(&self) -> SystemTime {
        self.wall
    }

    pub(super) fn now(&self) -> SystemTime {
        self.wall + self.started.elapsed()
    }

    /// An earlier time; none is before the start.
    pub(super) fn at(&self, instant: Instant) -> SystemTime {
        self.wall + instant.checked_duration_since(self.started).unwrap_or(Duration::ZERO)
    }
}
