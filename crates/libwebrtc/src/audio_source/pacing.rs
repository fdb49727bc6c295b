//! The clock of an audio queue, without the clock: how long a producer must wait.

use std::time::{Duration, Instant};

/// A queue that drains in real time, seen only through how much of it is left.
///
/// The samples themselves are not needed to know when they will have been played, so the queue
/// is the one moment at which it runs dry.
#[derive(Debug)]
pub(super) struct Pacing {
    capacity: Duration,
    dry_at: Option<Instant>,
}

impl Pacing {
    /// A queue in which `capacity` of audio may wait; zero means that nobody ever waits.
    pub(super) fn new(capacity: Duration) -> Self {
        Self { capacity, dry_at: None }
    }

    /// Puts `length` of audio behind what is queued already.
    pub(super) fn push(&mut self, now: Instant, length: Duration) {
        if self.capacity.is_zero() {
            return;
        }
        let start = self.dry_at.map_or(now, |dry_at| dry_at.max(now));
        // A frame too long for the clock is a frame nobody can wait for.
        self.dry_at = start.checked_add(length).or(self.dry_at);
    }

    /// The wait until no more than the capacity is queued; zero when there is room now.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        self.queued(now).saturating_sub(self.capacity)
    }

    /// The audio that is still to be played.
    pub(super) fn queued(&self, now: Instant) -> Duration {
        self.dry_at.map_or(Duration::ZERO, |dry_at| dry_at.saturating_duration_since(now))
    }

    /// Forgets what is queued.
    pub(super) fn clear(&mut self) {
        self.dry_at = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn frames_within_the_capacity_do_not_wait() {
        let now = Instant::now();
        let mut pacing = Pacing::new(100 * MS);
        for _ in 0..10 {
            pacing.push(now, 10 * MS);
            assert_eq!(pacing.wait(now), Duration::ZERO);
        }
        assert_eq!(pacing.queued(now), 100 * MS);
    }

    #[test]
    fn a_frame_beyond_the_capacity_waits_for_the_excess_to_play() {
        let now = Instant::now();
        let mut pacing = Pacing::new(100 * MS);
        pacing.push(now, 130 * MS);
        assert_eq!(pacing.wait(now), 30 * MS);
        assert_eq!(pacing.wait(now + 20 * MS), 10 * MS);
        assert_eq!(pacing.wait(now + 30 * MS), Duration::ZERO);
    }

    #[test]
    fn a_pause_of_the_producer_gives_no_credit() {
        let now = Instant::now();
        let mut pacing = Pacing::new(20 * MS);
        pacing.push(now, 10 * MS);
        let later = now + 5000 * MS;
        pacing.push(later, 50 * MS);
        assert_eq!(pacing.wait(later), 30 * MS);
    }

    #[test]
    fn without_capacity_nothing_is_queued() {
        let now = Instant::now();
        let mut pacing = Pacing::new(Duration::ZERO);
        pacing.push(now, 5000 * MS);
        assert_eq!(pacing.queued(now), Duration::ZERO);
    }

    #[test]
    fn clearing_frees_the_whole_queue() {
        let now = Instant::now();
        let mut pacing = Pacing::new(10 * MS);
        pacing.push(now, 500 * MS);
        pacing.clear();
        assert_eq!(pacing.wait(now), Duration::ZERO);
    }

    #[test]
    fn a_frame_longer_than_time_itself_is_ignored() {
        let now = Instant::now();
        let mut pacing = Pacing::new(10 * MS);
        pacing.push(now, Duration::MAX);
        assert_eq!(pacing.wait(now), Duration::ZERO);
    }
}
