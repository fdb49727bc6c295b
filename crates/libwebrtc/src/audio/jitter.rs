//! The jitter buffer: packets go in as the network brings them, 10 ms of sound come out whenever asked for.
//!
//! There is no clock here and no task: each call says what time it is. Everything is measured by one number, the delay, which is
//! how long ago the fastest packet could have brought what is played now; [`delay`] says what it should be, [`head`] what to
//! play next, and [`stretch`] makes the one approach the other.
//!
//! Of the crate `neteq` only parts are used, its histogram and its signal functions. Its `NetEq` plays the next packet whatever
//! is missing before it, so a loss is cut out instead of concealed and in-band FEC has no place; it also reads the wall clock,
//! and `timestamp.saturating_sub(last) * 1000` in its delay manager overflows with timestamps that a stranger may choose.

mod clock;
mod delay;
mod head;
mod queue;
mod stats;
mod stretch;
mod voice;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, time::Instant};

use self::{
    clock::{Clock, Micros, micros},
    delay::Delay,
    head::{Head, Outlook, Step},
    queue::{Packet, Queue},
    stats::{Level, Sequence},
    stretch::{Direction, Stretch, WINDOW},
    voice::Voice,
};
use super::opus::{self, BLOCK, CodecError, carries_fec};

pub(crate) use self::stats::JitterStats;

/// Far above what a packet of 120 ms takes at the highest bitrate.
const MAX_PAYLOAD: usize = 8192;
/// A packet that is off by more is a stray one, or the first of a sender that began anew.
const MAX_DEVIATION: Micros = 2_000_000;
/// The second packet of a sender that began anew is off by as much as the first, but for the jitter.
const SAME_DEVIATION: Micros = 500_000;
/// Packets of which it is remembered that they were played: RED brings copies of the last few.
const REMEMBERED: usize = 64;
/// A block needs a packet or two; only packets made to annoy need more.
const MAX_STEPS: usize = 64;

/// A packet of the network.
#[derive(Debug, Clone)]
pub(crate) struct AudioPacket {
    /// Without wrapping, as `str0m` gives it.
    pub(crate) sequence: u64,
    /// Of RTP: 48 kHz, wrapping.
    pub(crate) timestamp: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) struct JitterBuffer {
    clock: Clock,
    queue: Queue,
    delay: Delay,
    voice: Voice,
    stretch: Stretch,
    /// `None` until something is played.
    head: Option<Head>,
    newest: Option<i64>,
    suspect: Option<Packet>,
    played: VecDeque<i64>,
    sequence: Sequence,
    level: Level,
    stats: JitterStats,
}

// === impl JitterBuffer ===

impl JitterBuffer {
    pub(crate) fn new(channels: opus::Channels) -> Result<Self, CodecError> {
        Ok(Self {
            clock: Clock::default(),
            queue: Queue::default(),
            delay: Delay::new(),
            voice: Voice::new(channels)?,
            stretch: Stretch::default(),
            head: None,
            newest: None,
            suspect: None,
            played: VecDeque::with_capacity(REMEMBERED),
            sequence: Sequence::default(),
            level: Level::default(),
            stats: JitterStats::default(),
        })
    }

    pub(crate) fn insert(&mut self, now: Instant, packet: AudioPacket) {
        let now = self.clock.at(now);
        let Some(packet) = self.read(now, packet) else { return };
        if self.is_known(&packet) {
            self.stats.packets_duplicate += 1;
        } else if self.fits(&packet) {
            self.drop_suspect();
            self.admit(packet);
        } else {
            self.suspect(packet);
        }
    }

    /// Fills `out` with the next 10 ms, interleaved: 480 samples of each channel, of silence when there is nothing.
    pub(crate) fn pull(&mut self, now: Instant, out: &mut [i16]) {
        let now = self.clock.at(now);
        for _ in 0..MAX_STEPS {
            if self.voice.len() >= BLOCK {
                break;
            }
            self.step(now);
        }
        self.adapt(now);
        self.voice.take(out);
        if self.head.is_some() {
            self.level.played(out, &mut self.stats);
        }
    }

    pub(crate) fn stats(&self) -> JitterStats {
        let (packets_lost, jitter) = (self.sequence.lost(), self.delay.jitter());
        JitterStats { packets_lost, jitter, ..self.stats.clone() }
    }
}

// === impl JitterBuffer: packets ===

impl JitterBuffer {
    fn read(&mut self, arrival: Micros, packet: AudioPacket) -> Option<Packet> {
        let AudioPacket { sequence, timestamp, payload } = packet;
        if payload.is_empty() {
            self.stats.packets_empty += 1;
            return None;
        }
        let duration = opus::duration(&payload).filter(|_| payload.len() <= MAX_PAYLOAD);
        let Some(duration) = duration else {
            self.stats.packets_malformed += 1;
            return None;
        };
        Some(Packet { sequence, timestamp: self.unwrapped(timestamp), duration, arrival, payload })
    }

    /// The moment nearest to the last packet that has this timestamp.
    fn unwrapped(&self, timestamp: u32) -> i64 {
        let newest = self.newest.unwrap_or(i64::from(timestamp));
        newest + i64::from(timestamp.wrapping_sub(newest as u32).cast_signed())
    }

    /// Whether it came before, also with another number: RED says only when its copies were sent first.
    fn is_known(&self, packet: &Packet) -> bool {
        let is_newer = self.sequence.ahead(packet.sequence).is_some();
        self.queue.contains(packet.timestamp) || (!is_newer && self.played.contains(&packet.timestamp))
    }

    /// Whether a packet goes on with what was there. One that is next by its number and over by its time does not.
    fn fits(&self, packet: &Packet) -> bool {
        let deviation = self.delay.waited(packet.arrival, packet.timestamp).unwrap_or(0);
        let is_over = self.head.as_ref().is_some_and(|head| packet.is_over_at(head.next));
        let is_newer = self.sequence.ahead(packet.sequence).is_some();
        deviation.abs() <= MAX_DEVIATION && !(is_newer && is_over)
    }

    fn admit(&mut self, packet: Packet) {
        if self.sequence.ahead(packet.sequence).is_some_and(|ahead| ahead > 1) && carries_fec(&packet.payload)
        {
            self.delay.copy_needed(packet.arrival, packet.duration);
        }
        self.sequence.received(packet.sequence);
        self.delay.arrived(packet.arrival, packet.timestamp);
        self.newest = Some(packet.timestamp);
        self.stats.packets_received += 1;
        if self.head.as_ref().is_some_and(|head| packet.is_over_at(head.next)) {
            self.stats.packets_discarded += 1;
        } else {
            self.stats.packets_discarded += self.queue.push(packet);
        }
    }

    /// One packet from nowhere is ignored, a second one that goes on with it is where the sender is now.
    fn suspect(&mut self, packet: Packet) {
        let transit = |packet: &Packet| packet.arrival.saturating_sub(micros(packet.timestamp));
        match self.suspect.take() {
            Some(first)
                if first.sequence < packet.sequence
                    && transit(&first).abs_diff(transit(&packet)) <= SAME_DEVIATION.unsigned_abs() =>
            {
                self.restart();
                self.admit(first);
                self.admit(packet);
            }
            before => {
                self.stats.packets_discarded += u64::from(before.is_some());
                self.suspect = Some(packet);
            }
        }
    }

    fn drop_suspect(&mut self) {
        self.stats.packets_discarded += u64::from(self.suspect.take().is_some());
    }

    fn restart(&mut self) {
        self.stats.restarts += 1;
        self.stats.packets_discarded += self.queue.clear();
        self.played.clear();
        self.delay.restart();
        self.head = None;
    }
}

// === impl JitterBuffer: sound ===

impl JitterBuffer {
    /// Makes some samples from what is there, or gets nearer to it.
    fn step(&mut self, now: Micros) {
        match self.next_step(now) {
            Step::Decode => self.decode(now),
            Step::Recover => self.recover(now),
            Step::Conceal(samples) => {
                let concealed = self.conceal(samples);
                self.head.iter_mut().for_each(|head| head.concealed(concealed));
            }
            Step::Jump(next) => self.head.iter_mut().for_each(|head| head.jumped(next)),
            Step::Wait => {
                let waited = self.conceal(BLOCK - self.voice.len().min(BLOCK));
                self.head.iter_mut().for_each(|head| head.waited(waited));
            }
        }
    }

    fn next_step(&mut self, now: Micros) -> Step {
        self.discard_over();
        let (heard, target) = (now + micros(self.voice.len() as i64), self.delay.target(now));
        let spare = |timestamp| self.delay.waited(heard, timestamp).unwrap_or(0) - target;
        let Some(first) = self.queue.first() else { return Step::Wait };
        let head = match &mut self.head {
            Some(head) => head,
            None if spare(first.timestamp) >= 0 => self.head.insert(Head::before(first)),
            None => return Step::Wait,
        };
        head.settle(first, spare(head.next) * 6 / 125);
        let outlook = Outlook { is_silent: self.voice.is_silent(), is_comfort: self.voice.is_comfort() };
        head.step(first, outlook, |start| spare(start) >= 0)
    }

    /// Packets whose time went by while they waited, because others lay across them.
    fn discard_over(&mut self) {
        let Some(head) = &self.head else { return };
        while self.queue.first().is_some_and(|first| first.is_over_at(head.next)) {
            self.queue.pop();
            self.stats.packets_discarded += 1;
        }
    }

    fn decode(&mut self, now: Micros) {
        let (Some(packet), Some(head)) = (self.queue.pop(), &mut self.head) else { return };
        let wait = now + micros(self.voice.len() as i64) - packet.arrival;
        self.stats.emitted(packet.duration, wait, self.delay.target(now));
        head.decoded(&packet);
        if self.voice.decode(&packet).is_err() {
            self.stats.packets_malformed += 1;
        }
        if self.played.len() == REMEMBERED {
            self.played.pop_front();
        }
        self.played.push_back(packet.timestamp);
    }

    fn recover(&mut self, now: Micros) {
        let (Some(packet), Some(head)) = (self.queue.first(), &mut self.head) else { return };
        head.recovered(packet);
        self.delay.copy_needed(now, packet.duration);
        match self.voice.recover(packet) {
            Ok(()) => self.stats.fec_packets += 1,
            Err(_) => self.stats.packets_malformed += 1,
        }
    }

    fn conceal(&mut self, samples: usize) -> usize {
        let (was_live, is_silent) = (self.voice.is_live(), self.voice.is_silent());
        let concealed = self.voice.conceal(samples);
        if self.head.is_some() && !self.voice.is_comfort() {
            self.stats.concealed(concealed, was_live, is_silent);
        }
        concealed
    }

    /// Brings the delay nearer to its target, if a voice is heard that can be said faster or slower.
    fn adapt(&mut self, now: Micros) {
        let Some(head) = self.head.as_ref().filter(|_| self.voice.is_live()) else { return };
        let played = head.next - self.voice.len() as i64;
        let waited = self.delay.waited(now, played).unwrap_or(0);
        let above = (waited - self.delay.tolerated(now)).max(0);
        let excess = if above > 0 { above } else { (waited - self.delay.target(now)).min(0) };
        let Some(change) = self.stretch.plan(now, excess) else { return };
        self.decode_ahead(now);
        let (ready, channels) = self.voice.ready();
        let samples = self.stretch.apply(now, change, ready, channels) as u64;
        match change.direction {
            Direction::Shrink => self.stats.removed_samples_for_acceleration += samples,
            Direction::Grow => self.stats.inserted_samples_for_deceleration += samples,
        }
    }

    fn decode_ahead(&mut self, now: Micros) {
        while self.voice.len() < WINDOW
            && let (Some(head), Some(first)) = (&self.head, self.queue.first())
            && head.continues_with(first)
        {
            self.decode(now);
        }
    }
}
