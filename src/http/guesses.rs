//! How long a client that sends a wrong token waits for the answer.
//!
//! The answers stand in two lines: one of the client's address, one of all. Guesses sent at the same time are answered
//! one after the other, so they take as long as guesses sent in turn; a client that hangs up leaves its wait to the
//! next. A right token stands in no line: it must not wait for what strangers guess.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::origin::Origin;
use super::seldom::Seldom;

/// The time between two answers to one address, and the longest wait that results from it.
const OWN: Line = Line { step: Duration::from_millis(500), longest: Duration::from_secs(20) };
/// The same for all addresses together: shorter, because a slip of the finger stands in it too.
const ALL: Line = Line { step: Duration::from_millis(100), longest: Duration::from_secs(5) };
/// More addresses than this push out the one whose line began first; the line of all holds for them.
const MOST_LINES: usize = 64;

struct Line {
    step: Duration,
    longest: Duration,
}

/// The present lines.
#[derive(Debug, Default)]
pub(super) struct Guesses {
    /// The time at which the last answer in the line of all is due.
    all: Option<Instant>,
    own: VecDeque<(Origin, Instant)>,
    pub(super) log_limit: Seldom,
}

// === impl Guesses ===

impl Guesses {
    /// Takes note of a wrong token from this origin. Returns when to answer.
    pub(super) fn wrong(&mut self, origin: Origin, now: Instant) -> Instant {
        self.own.retain(|(_, until)| *until > now);
        let own = self.own.iter().position(|(known, _)| *known == origin);
        let until = OWN.next(own.map(|index| self.own[index].1), now);
        match own {
            Some(index) => self.own[index].1 = until,
            None => self.begin(origin, until),
        }
        let all = ALL.next(self.all, now);
        self.all = Some(all);
        until.max(all)
    }

    fn begin(&mut self, origin: Origin, until: Instant) {
        while self.own.len() >= MOST_LINES {
            self.own.pop_front();
        }
        self.own.push_back((origin, until));
    }
}

// === impl Line ===

impl Line {
    /// The time at which the answer behind the last one is due.
    fn next(&self, last: Option<Instant>, now: Instant) -> Instant {
        let behind = last.map_or(now, |last| last.max(now)) + self.step;
        behind.min(now + self.longest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(number: u8) -> Origin {
        Origin::of([192, 0, 2, number].into())
    }

    fn waits(origins: impl Iterator<Item = u8>) -> Vec<u128> {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        origins.map(|number| (guesses.wrong(origin(number), now) - now).as_millis()).collect()
    }

    #[test]
    fn guesses_of_one_address_are_answered_one_after_the_other() {
        let waits = waits(std::iter::repeat_n(1, 40));
        assert_eq!(waits, (1..=40).map(|number| number * 500).collect::<Vec<_>>());
    }

    #[test]
    fn guesses_of_many_addresses_share_a_line_too() {
        let waits = waits(0..40);
        assert_eq!((waits[0], waits[4], waits[39]), (500, 500, 4_000));
    }

    #[test]
    fn one_guess_after_another_waits_half_a_second_each() {
        let (mut guesses, mut now) = (Guesses::default(), Instant::now());
        for _ in 0..10 {
            let answered = guesses.wrong(origin(1), now);
            assert_eq!(answered - now, OWN.step);
            now = answered;
        }
    }

    #[test]
    fn a_hundred_thousand_guesses_cost_no_memory_and_no_endless_wait() {
        let (mut guesses, now) = (Guesses::default(), Instant::now());
        for number in 0..100_000_u32 {
            let origin = Origin::of(std::net::Ipv4Addr::from(number % 1_000).into());
            let wait = guesses.wrong(origin, now) - now;
            assert!(wait <= OWN.longest, "{wait:?}");
        }
        assert_eq!(guesses.own.len(), MOST_LINES);
        assert_eq!(guesses.wrong(origin(1), now + ALL.longest), now + ALL.longest + OWN.step);
    }
}
