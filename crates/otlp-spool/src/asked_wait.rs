//! Waits that a receiver asks for with `Retry-After`, and the messages to an operator about them.

use std::time::{Duration, Instant, SystemTime};

/// The longest wait that is granted. A receiver that asks for a longer one is tried once a minute: it may be well again
/// long before, and the long wait may be a mistake.
pub const LONGEST: Duration = Duration::from_secs(60);
/// The time in which waits are reported once.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// Makes at most a line a minute of the waits that one receiver asks for.
#[derive(Debug, Default)]
pub struct AskedWaits {
    told: Option<Instant>,
}

// === impl AskedWaits ===

impl AskedWaits {
    /// The receiver asked for `asked`, and is tried again in `wait`. Returns the message to log.
    pub fn wait(&mut self, asked: Duration, wait: Duration) -> Option<String> {
        self.wait_at(Instant::now(), SystemTime::now(), asked, wait)
    }

    fn wait_at(
        &mut self,
        now: Instant,
        clock: SystemTime,
        asked: Duration,
        wait: Duration,
    ) -> Option<String> {
        if self.told.is_some_and(|told| now < told + TELL_EVERY) {
            return None;
        }
        self.told = Some(now);
        let (asked, seconds) = (asked.as_secs_f64().ceil(), wait.as_secs_f64().ceil());
        let end = clock.checked_add(wait).map(httpdate::fmt_http_date).unwrap_or_default();
        Some(format!("the receiver asks for a wait of {asked} s; it is tried again in {seconds} s, at {end}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_with_its_end_once_a_minute() {
        let (now, clock) = (Instant::now(), SystemTime::UNIX_EPOCH);
        let second = Duration::from_secs(1);
        let mut waits = AskedWaits::default();
        assert_eq!(
            waits.wait_at(now, clock, Duration::from_secs(1_000_000_000_000), LONGEST).unwrap(),
            "the receiver asks for a wait of 1000000000000 s; it is tried again in 60 s, at Thu, 01 Jan 1970 \
             00:01:00 GMT"
        );
        assert_eq!(waits.wait_at(now + 59 * second, clock, second, second), None);
        assert!(waits.wait_at(now + 60 * second, clock, second, second).is_some());
    }
}
