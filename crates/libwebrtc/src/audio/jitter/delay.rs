//! How long packets should wait, given the network's jitter.
//!
//! The fastest packet of the last seconds determines the earliest time at which a moment of the sender's clock can be
//! played. The lateness of the others goes into WebRTC's histogram, and a quantile of it is the target delay.

use neteq::histogram::Histogram;

use super::clock::{Micros, micros};

const BUCKET: Micros = 10_000;
const BUCKETS: usize = 100;
/// Only the latest packet of each interval is entered, otherwise the many punctual packets would hide it.
const INTERVAL: Micros = 500_000;
/// Together with `INTERVAL`: an outage that falls into two intervals does not count, lasting jitter counts after 1.5 s.
const QUANTILE: f64 = 0.93;
const FORGET: f64 = 0.97;
/// Entries of a calm network before the first real one: without a past, one bad moment would count too much.
const PAST: usize = 30;
/// The clock of playback ticks every 10 ms, so a packet may just have missed it.
const TICK: Micros = 10_000;
/// A loss makes the next ones likely for this long.
const LOSS_MEMORY: Micros = 10_000_000;
/// A larger delay was an outage, which is not expected to return soon.
const MAX_TOLERATED: Micros = 100_000;
/// A longer wait for a copy costs more than it is worth.
const MAX_COPY_WAIT: Micros = 60_000;

#[derive(Debug)]
pub(super) struct Delay {
    fastest: Fastest,
    histogram: Histogram,
    interval: Option<Interval>,
    /// The lateness of the previous interval.
    before: Micros,
    network: Micros,
    copy_wait: Micros,
    copy_wait_until: Micros,
    last_transit: Option<Micros>,
    /// In microseconds, smoothed.
    jitter: f64,
}

/// The lateness of the packets of half a second.
#[derive(Debug)]
struct Interval {
    begin: Micros,
    least: Micros,
    most: Micros,
    packets: u32,
}

/// The least transit time of the last two seconds. A transit time is the arrival less the sender's time: the two clocks
/// are unrelated, so only differences are meaningful.
#[derive(Debug, Default)]
struct Fastest {
    slots: [Option<(Micros, Micros)>; Fastest::SLOTS],
    least: Option<Micros>,
}

// === impl Delay ===

impl Delay {
    pub(super) fn new() -> Self {
        let mut histogram = Histogram::new(BUCKETS, FORGET, None);
        histogram.reset();
        (0..PAST).for_each(|_| histogram.add(0));
        Self {
            fastest: Fastest::default(),
            histogram,
            interval: None,
            before: 0,
            network: BUCKET,
            copy_wait: 0,
            copy_wait_until: 0,
            last_transit: None,
            jitter: 0.0,
        }
    }

    pub(super) fn arrived(&mut self, arrival: Micros, timestamp: i64) {
        let transit = arrival.saturating_sub(micros(timestamp));
        let deviation = self.last_transit.replace(transit).map_or(0, |last| transit.abs_diff(last));
        self.jitter += (deviation as f64 - self.jitter) / 16.0;
        let lateness = transit - self.fastest.add(arrival, transit);
        let interval = self.interval.get_or_insert_with(|| Interval::new(arrival));
        interval.add(lateness);
        if arrival - interval.begin >= INTERVAL {
            self.end_interval();
        }
    }

    /// Records that a packet is missing of which the next one has a copy: from now on the delay waits for copies.
    pub(super) fn copy_needed(&mut self, now: Micros, duration: usize) {
        self.copy_wait = micros(duration as i64).min(MAX_COPY_WAIT);
        self.copy_wait_until = now + LOSS_MEMORY;
    }

    /// How long the fastest packets should wait.
    pub(super) fn target(&self, now: Micros) -> Micros {
        let copy_wait = if now < self.copy_wait_until { self.copy_wait } else { 0 };
        self.network + TICK + copy_wait
    }

    /// The delay above the target that is left as it is, because packets needed it a moment ago and may need it again.
    pub(super) fn tolerated(&self, now: Micros) -> Micros {
        let recent = self.interval.as_ref().map_or(0, Interval::lateness).max(self.before);
        self.target(now).max((recent + TICK).min(MAX_TOLERATED))
    }

    /// How long the fastest packet with this timestamp would have waited by now; `None` before the first packet.
    pub(super) fn waited(&self, now: Micros, timestamp: i64) -> Option<Micros> {
        Some(now.saturating_sub(micros(timestamp)).saturating_sub(self.fastest.least?))
    }

    /// In seconds (RFC 3550, section 6.4.1).
    pub(super) fn jitter(&self) -> f64 {
        self.jitter / 1e6
    }

    /// The sender's clock has jumped. The knowledge about the network stays.
    pub(super) fn restart(&mut self) {
        self.fastest = Fastest::default();
        (self.interval, self.before, self.last_transit) = (None, 0, None);
    }

    fn end_interval(&mut self) {
        let Some(interval) = self.interval.take() else { return };
        self.before = interval.lateness();
        let bucket = usize::try_from(self.before / BUCKET).unwrap_or(0);
        self.histogram.add(bucket.min(BUCKETS - 1));
        self.network = (self.histogram.quantile(QUANTILE) as Micros + 1) * BUCKET;
    }
}

// === impl Interval ===

impl Interval {
    /// With fewer packets it is unknown whether all are late.
    const ENOUGH: u32 = 5;

    fn new(begin: Micros) -> Self {
        Self { begin, least: Micros::MAX, most: 0, packets: 0 }
    }

    fn add(&mut self, lateness: Micros) {
        (self.least, self.most) = (self.least.min(lateness), self.most.max(lateness));
        self.packets += 1;
    }

    /// The lateness of the latest packet. Where all packets are late the path has become longer, and waiting does not
    /// help.
    fn lateness(&self) -> Micros {
        let are_all_late = self.packets >= Self::ENOUGH && self.least > self.most / 2;
        if are_all_late { self.most - self.least } else { self.most }
    }
}

// === impl Fastest ===

impl Fastest {
    const SLOTS: usize = 20;
    const SLOT: Micros = 100_000;

    /// Adds a transit time, and returns the least of all.
    fn add(&mut self, arrival: Micros, transit: Micros) -> Micros {
        let number = arrival / Self::SLOT;
        let slot = &mut self.slots[number.rem_euclid(Self::SLOTS as i64) as usize];
        *slot = match *slot {
            Some((same, least)) if same == number => Some((number, least.min(transit))),
            _ => Some((number, transit)),
        };
        let oldest = number - Self::SLOTS as i64;
        let recent = self.slots.iter().flatten().filter(|(number, _)| *number > oldest);
        let least = recent.map(|(_, least)| *least).min().unwrap_or(transit);
        self.least = Some(least);
        least
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKET: Micros = 20_000;

    /// The delay after packets of 20 ms, each late by `lateness` of its number.
    fn after(packets: i64, lateness: impl Fn(i64) -> Micros) -> Delay {
        let mut delay = Delay::new();
        (0..packets).for_each(|at| delay.arrived(at * PACKET + lateness(at), at * 960));
        delay
    }

    #[test]
    fn without_jitter_the_target_is_two_ticks() {
        assert_eq!(after(100, |_| 0).target(2_000_000), 20_000);
    }

    #[test]
    fn jitter_raises_the_target_to_its_size_within_seconds() {
        let delay = after(1100, |at| if at < 1000 { 0 } else { at * 7919 % 40 * 1000 });
        assert_eq!(delay.target(22_000_000), 50_000);
    }

    #[test]
    fn a_single_outage_does_not_raise_it() {
        let delay = after(600, |at| if (500..515).contains(&at) { (515 - at) * PACKET } else { 0 });
        assert_eq!(delay.target(12_000_000), 20_000);
    }

    #[test]
    fn a_longer_way_does_not_raise_it() {
        let delay = after(1000, |at| if at < 510 { 0 } else { 300_000 });
        assert_eq!(delay.target(20_000_000), 20_000);
        assert!(delay.waited(1000 * PACKET + 300_000, 1000 * 960).unwrap() < 1_000);
    }

    #[test]
    fn a_loss_makes_room_for_the_copy_for_a_while() {
        let mut delay = after(100, |_| 0);
        delay.copy_needed(2_000_000, 960);
        assert_eq!(delay.target(11_000_000), 40_000);
        assert_eq!(delay.target(13_000_000), 20_000);
    }

    #[test]
    fn the_time_waited_counts_from_the_fastest_packet() {
        let delay = after(100, |at| if at == 50 { 0 } else { 30_000 });
        assert_eq!(delay.waited(99 * PACKET + 35_000, 99 * 960), Some(35_000));
        assert_eq!(Delay::new().waited(0, 0), None);
    }

    #[test]
    fn a_sender_whose_clock_runs_slow_is_followed() {
        let delay = after(5000, |at| at * 10);
        assert!(delay.waited(5000 * PACKET + 50_000, 5000 * 960).unwrap() < 2_000);
    }
}
