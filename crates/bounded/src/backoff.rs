//! The waits between attempts: they double up to a limit, and chance spreads them.

use std::time::Duration;

/// The more doublings do not change a wait that any program has.
const MOST_DOUBLINGS: u32 = 16;

/// The rule of the waits. Many clients that lost the same server do not come back at the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait after the first failure, before chance shortens it.
    pub first: Duration,
    pub longest: Duration,
    pub jitter: Jitter,
}

/// The part of a wait that is chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jitter {
    None,
    /// Between half of the wait and the whole.
    Half,
    /// Between nothing and the whole.
    Full,
}

// === impl Backoff ===

impl Backoff {
    pub const fn new(first: Duration, longest: Duration, jitter: Jitter) -> Self {
        Self { first, longest, jitter }
    }

    /// The wait after `failures` failures in a row, the first of which is number 1.
    pub fn wait(&self, failures: u32, random: &mut fastrand::Rng) -> Duration {
        let doublings = failures.saturating_sub(1).min(MOST_DOUBLINGS);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        match self.jitter {
            Jitter::None => whole,
            Jitter::Half => whole.mul_f64(0.5 + random.f64() / 2.0),
            Jitter::Full => whole.mul_f64(random.f64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(jitter: Jitter) -> impl Iterator<Item = (u32, Duration)> {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(2), jitter);
        let mut random = fastrand::Rng::with_seed(7);
        (0..100).map(move |failures| (failures, backoff.wait(failures, &mut random)))
    }

    #[test]
    fn waits_double_up_to_the_longest() {
        let first: Vec<u128> = waits(Jitter::None).take(7).map(|(_, wait)| wait.as_millis()).collect();
        assert_eq!(first, [200, 200, 400, 800, 1600, 2000, 2000]);
        assert!(waits(Jitter::None).skip(5).all(|(_, wait)| wait == Duration::from_secs(2)));
    }

    #[test]
    fn chance_shortens_a_wait_by_its_half_or_whole() {
        let whole: Vec<Duration> = waits(Jitter::None).map(|(_, wait)| wait).collect();
        for (failures, wait) in waits(Jitter::Half) {
            let whole = whole[failures as usize];
            assert!(wait >= whole / 2 && wait <= whole, "{failures}: {wait:?}");
        }
        assert!(waits(Jitter::Full).all(|(failures, wait)| wait <= whole[failures as usize]));
        assert!(waits(Jitter::Full).skip(10).any(|(_, wait)| wait < Duration::from_millis(500)));
    }
}
