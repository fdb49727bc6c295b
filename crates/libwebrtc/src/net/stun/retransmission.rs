//! When a request is sent again (RFC 8489, section 6.2).

use std::time::{Duration, Instant};

/// The first pause; each next one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How often a request is sent.
const SENDS: u32 = 7;
/// The wait after the last request, in first pauses. The total is 39.5 s.
const LAST_WAIT: u32 = 16;
/// The total wait over a transport that repeats by itself.
const RELIABLE_WAIT: Duration = Duration::from_millis(39_500);

#[derive(Debug, Clone, Copy)]
pub(crate) struct Retransmission {
    due: Instant,
    pause: Duration,
    sends_left: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    NotYet,
    Again,
    GaveUp,
}

impl Retransmission {
    /// Starts the timer: the request was sent for the first time.
    pub(crate) fn start(now: Instant, reliable: bool) -> Self {
        match reliable {
            true => Self { due: now + RELIABLE_WAIT, pause: RELIABLE_WAIT, sends_left: 0 },
            false => Self { due: now + FIRST_PAUSE, pause: FIRST_PAUSE, sends_left: SENDS - 1 },
        }
    }

    pub(crate) fn deadline(&self) -> Instant {
        self.due
    }

    pub(crate) fn step(&mut self, now: Instant) -> Due {
        if now < self.due {
            return Due::NotYet;
        }
        let Some(left) = self.sends_left.checked_sub(1) else { return Due::GaveUp };
        self.sends_left = left;
        self.pause = if left == 0 { FIRST_PAUSE * LAST_WAIT } else { self.pause * 2 };
        self.due = now + self.pause;
        Due::Again
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times_of(reliable: bool) -> Vec<u128> {
        let start = Instant::now();
        let mut request = Retransmission::start(start, reliable);
        let mut times = Vec::new();
        loop {
            let now = request.deadline();
            times.push((now - start).as_millis());
            match request.step(now) {
                Due::Again => assert_eq!(request.step(now), Due::NotYet),
                Due::GaveUp => return times,
                Due::NotYet => panic!("the deadline came and nothing was due"),
            }
        }
    }

    #[test]
    fn the_pauses_are_those_of_the_standard() {
        assert_eq!(times_of(false), [500, 1_500, 3_500, 7_500, 15_500, 31_500, 39_500]);
        assert_eq!(times_of(true), [39_500]);
    }
}
