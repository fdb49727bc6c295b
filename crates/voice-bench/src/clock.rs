//! Clocks whose times can be compared between processes.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC, which every process of the machine shares.
pub(crate) fn now() -> Duration {
    read(ClockId::Monotonic)
}

/// The time since 1970, which the logs of other processes tell.
pub(crate) fn unix() -> Duration {
    read(ClockId::Realtime)
}

/// Processor time of this process so far.
pub(crate) fn processor() -> Duration {
    read(ClockId::ProcessCPUTime)
}

fn read(clock: ClockId) -> Duration {
    Duration::try_from(clock_gettime(clock)).unwrap_or_default()
}
