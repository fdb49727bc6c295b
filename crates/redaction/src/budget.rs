//! How long a text may be searched, and how much may be found in it.

use std::time::{Duration, Instant};

/// The most places in one text. Each takes memory until all are known, and a digit can be one.
pub(super) const MOST_PLACES: usize = 1 << 16;

/// The limits of the search of one text. They are checked after each find, for none can be stopped in the middle.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    until: Instant,
}

/// A search came to no end within its limits.
#[derive(Debug)]
pub(super) struct Spent;

// === impl Budget ===

impl Budget {
    pub(super) fn new(time: Duration) -> Self {
        Self { until: Instant::now() + time }
    }

    /// Whether a search that has found this many places may go on.
    pub(super) fn check(&self, places: usize) -> Result<(), Spent> {
        let may_go_on = places <= MOST_PLACES && Instant::now() < self.until;
        if may_go_on { Ok(()) } else { Err(Spent) }
    }
}
