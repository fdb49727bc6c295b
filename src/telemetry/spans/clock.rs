//! The time of one trace.

use std::time::{Instant, SystemTime};

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

    pub(super) fn now(&self) -> SystemTime {
        self.wall + self.started.elapsed()
    }
}
