//! One direction of a network: packets are lost at random, and the others are delayed by a time that is the same for
//! all and a random one of their own. Pure: the caller passes the time, and the randomness comes from a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use fastrand::Rng;

/// The most packets under way; further ones are dropped, as a router drops them.
const CAPACITY: usize = 4_096;

/// The quality of one direction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quality {
    /// The share of packets that are lost, from 0 to 1.
    pub(crate) loss: f64,
    /// The delay of every packet.
    pub(crate) delay: Duration,
    /// The largest additional random delay of a packet, which makes packets overtake each other.
    pub(crate) jitter: Duration,
}

/// The counts of the packets so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: u64,
    pub(crate) lost: u64,
    pub(crate) overflowed: u64,
}

#[derive(Debug)]
pub(crate) struct Link {
    quality: Quality,
    chance: Rng,
    under_way: BinaryHeap<Reverse<Packet>>,
    counts: Counts,
}

/// Ordered by the time at which they are due; of two that are due at once the earlier one comes first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    due: Instant,
    number: u64,
    bytes: Vec<u8>,
}

// === impl Link ===

impl Link {
    pub(crate) fn new(quality: Quality, seed: u64) -> Self {
        Self {
            quality,
            chance: Rng::with_seed(seed),
            under_way: BinaryHeap::new(),
            counts: Counts::default(),
        }
    }

    /// Gives a packet to the network.
    pub(crate) fn take(&mut self, now: Instant, bytes: &[u8]) {
        if self.chance.f64() < self.quality.loss {
            self.counts.lost += 1;
        } else if self.under_way.len() == CAPACITY {
            self.counts.overflowed += 1;
        } else {
            let due = now + self.quality.delay + self.quality.jitter.mul_f64(self.chance.f64());
            let number = self.counts.passed;
            self.under_way.push(Reverse(Packet { due, number, bytes: bytes.to_vec() }));
            self.counts.passed += 1;
        }
    }

    /// A packet that is due by now.
    pub(crate) fn give(&mut self, now: Instant) -> Option<Vec<u8>> {
        self.next_due().filter(|due| *due <= now)?;
        self.under_way.pop().map(|Reverse(packet)| packet.bytes)
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.under_way.peek().map(|Reverse(packet)| packet.due)
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JITTER: Duration = Duration::from_millis(40);

    fn link(loss: f64, jitter: Duration) -> Link {
        Link::new(Quality { loss, delay: Duration::ZERO, jitter }, 7)
    }

    #[test]
    fn a_share_of_the_packets_is_lost() {
        let mut link = link(0.2, Duration::ZERO);
        let now = Instant::now();
        for _ in 0..10_000 {
            link.take(now, b"packet");
            link.give(now);
        }
        assert!((1_800..2_200).contains(&link.counts().lost), "{:?}", link.counts());
        assert_eq!(link.counts().overflowed, 0);
    }

    #[test]
    fn without_jitter_the_order_is_kept() {
        let mut link = link(0.0, Duration::ZERO);
        let now = Instant::now();
        (0..9).for_each(|byte| link.take(now, &[byte]));
        let given: Vec<_> = std::iter::from_fn(|| link.give(now)).flatten().collect();
        assert_eq!(given, (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn jitter_delays_and_lets_packets_overtake_each_other() {
        let mut link = link(0.0, JITTER);
        let start = Instant::now();
        (0..100).for_each(|byte| link.take(start, &[byte]));
        let mut given = Vec::new();
        while let Some(due) = link.next_due() {
            assert!(link.give(due - Duration::from_nanos(1)).is_none(), "not before it is due");
            assert!(due <= start + JITTER);
            given.extend(link.give(due).unwrap());
        }
        assert!(!given.is_sorted());
        given.sort_unstable();
        assert_eq!(given, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn a_delay_is_the_same_for_every_packet() {
        let quality = Quality { loss: 0.0, delay: JITTER, jitter: Duration::ZERO };
        let (mut link, start) = (Link::new(quality, 7), Instant::now());
        (0..9).for_each(|byte| link.take(start, &[byte]));
        assert!(link.give(start + JITTER - Duration::from_nanos(1)).is_none(), "not before it is due");
        let given: Vec<_> = std::iter::from_fn(|| link.give(start + JITTER)).flatten().collect();
        assert_eq!(given, (0..9).collect::<Vec<_>>());
    }

    #[test]
    fn what_is_too_much_is_dropped_and_counted() {
        let mut link = link(0.0, JITTER);
        let now = Instant::now();
        (0..=CAPACITY).for_each(|_| link.take(now, b"packet"));
        assert_eq!(link.counts(), Counts { passed: CAPACITY as u64, lost: 0, overflowed: 1 });
    }

    #[test]
    fn a_seed_decides_everything() {
        let lost = |seed| {
            let quality = Quality { loss: 0.5, delay: Duration::ZERO, jitter: JITTER };
            let mut link = Link::new(quality, seed);
            let now = Instant::now();
            let fate = |byte| {
                link.take(now, &[byte]);
                link.counts().lost
            };
            (0..64).map(fate).collect::<Vec<_>>()
        };
        assert_eq!(lost(1), lost(1));
        assert_ne!(lost(1), lost(2));
    }
}
