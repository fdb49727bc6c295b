//! How long this person's pauses within a turn are.
//!
//! As LiveKit Agents' dynamic endpointing: a moving average that keeps nine tenths of what it was, between the shortest
//! and the longest delay. It begins at the shortest.

use std::time::Duration;

/// The part of the average that a new pause does not change.
const KEPT: f64 = 0.9;
/// How much longer than the usual pause the silence behind a turn has to be.
const MARGIN: f64 = 1.3;

#[derive(Debug)]
pub(super) struct Pauses {
    shortest: Duration,
    longest: Duration,
    average: f64,
}

impl Pauses {
    pub(super) fn new(shortest: Duration, longest: Duration) -> Self {
        Self { shortest, longest, average: shortest.as_secs_f64() / MARGIN }
    }

    /// Takes in a pause. A longer one than the longest delay was between two turns.
    pub(super) fn hear(&mut self, pause: Duration) {
        if pause <= self.longest {
            self.average = KEPT * self.average + (1.0 - KEPT) * pause.as_secs_f64();
        }
    }

    pub(super) fn delay(&self) -> Duration {
        let longest = self.longest.max(self.shortest);
        Duration::from_secs_f64(self.average * MARGIN).clamp(self.shortest, longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn the_delay_begins_at_the_shortest_and_grows_with_pauses() {
        let mut pauses = Pauses::new(ms(500), ms(3000));
        assert_eq!(pauses.delay(), ms(500));
        (0..30).for_each(|_| pauses.hear(ms(1000)));
        assert!((ms(1200)..=ms(1300)).contains(&pauses.delay()), "{:?}", pauses.delay());
        (0..60).for_each(|_| pauses.hear(ms(100)));
        assert_eq!(pauses.delay(), ms(500));
    }

    #[test]
    fn silence_between_turns_is_no_pause() {
        let mut pauses = Pauses::new(ms(500), ms(3000));
        (0..30).for_each(|_| pauses.hear(ms(8000)));
        assert_eq!(pauses.delay(), ms(500));
    }
}
