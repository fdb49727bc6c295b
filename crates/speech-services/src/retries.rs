//! When a request is tried again: pure, with the time as a value.

use std::time::{Duration, Instant};

use crate::trouble::Fault;

/// The first wait is up to this long, and the waits double. A person waits for the answer.
const BACKOFF_BASE: Duration = Duration::from_millis(100);
const BACKOFF_CAP: Duration = Duration::from_secs(1);
/// A provider that asks for more is not asked again.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Retries {
    /// The time at which all attempts and waits end.
    until: Instant,
    most: u32,
    made: u32,
    rng: fastrand::Rng,
}

// === impl Retries ===

impl Retries {
    /// A request that begins its first attempt now. The random numbers spread the waits.
    pub(crate) fn new(until: Instant, most: u32, rng: fastrand::Rng) -> Self {
        Self { until, most: most.max(1), made: 1, rng }
    }

    /// The wait before the next attempt; None: there is none.
    pub(crate) fn after(&mut self, now: Instant, fault: &Fault) -> Option<Duration> {
        let asked = fault.retry_after.unwrap_or_default();
        if !fault.kind.is_retryable() || self.made >= self.most || asked > MAX_RETRY_AFTER {
            return None;
        }
        let wait = self.backoff().max(asked);
        if now + wait >= self.until {
            return None;
        }
        self.made += 1;
        Some(wait)
    }

    /// Full jitter: anything between nothing and the doubling bound, so that clients do not come back together.
    fn backoff(&mut self) -> Duration {
        let bound = BACKOFF_BASE.saturating_mul(1 << (self.made - 1).min(16)).min(BACKOFF_CAP);
        bound.mul_f64(self.rng.f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trouble::Kind;

    fn retries(most: u32) -> (Retries, Instant) {
        let now = Instant::now();
        (Retries::new(now + Duration::from_secs(10), most, fastrand::Rng::with_seed(7)), now)
    }

    fn asking(kind: Kind, wait: Duration) -> Fault {
        Fault { retry_after: Some(wait), ..Fault::from(kind) }
    }

    #[test]
    fn a_server_error_is_tried_again_up_to_the_limit() {
        let (mut retries, now) = retries(3);
        let fault = Fault::from(Kind::Status(503));
        assert!(retries.after(now, &fault).unwrap() <= BACKOFF_BASE);
        assert!(retries.after(now, &fault).unwrap() <= BACKOFF_BASE * 2);
        assert_eq!(retries.after(now, &fault), None);
    }

    #[test]
    fn a_refusal_is_not_tried_again() {
        for kind in [Kind::Status(401), Kind::Status(400), Kind::Quota, Kind::NotPlayable("mp3")] {
            let (mut retries, now) = retries(3);
            assert_eq!(retries.after(now, &kind.into()), None, "{kind:?}");
        }
    }

    #[test]
    fn retry_after_is_kept_up_to_a_bound() {
        let (mut retries, now) = retries(3);
        let wait = retries.after(now, &asking(Kind::Status(429), Duration::from_secs(2)));
        assert_eq!(wait, Some(Duration::from_secs(2)));
        assert_eq!(retries.after(now, &asking(Kind::Status(429), Duration::from_secs(6))), None);
    }

    #[test]
    fn no_wait_reaches_beyond_the_time_of_the_request() {
        let (mut retries, now) = retries(3);
        let late = now + Duration::from_secs(9);
        assert_eq!(retries.after(late, &asking(Kind::Status(429), Duration::from_secs(2))), None);
    }
}
