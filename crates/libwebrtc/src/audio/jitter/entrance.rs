//! Arriving packets: each is queued, or counted by what is wrong with it.

use crate::audio::opus::{self, carries_fec};

use super::{
    AudioPacket, JitterBuffer,
    clock::{Micros, micros},
    queue::Packet,
};

/// Far above the size of a packet of 120 ms at the highest bitrate.
const MAX_PAYLOAD: usize = 8192;
/// A packet that deviates by more is a stray one, or the first of a sender that restarted.
const MAX_DEVIATION: Micros = 2_000_000;
/// The second packet of a sender that restarted deviates by as much as the first, except for the jitter.
const SAME_DEVIATION: Micros = 500_000;

impl JitterBuffer {
    pub(super) fn read(&mut self, arrival: Micros, packet: AudioPacket) -> Option<Packet> {
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

    pub(super) fn place(&mut self, packet: Packet) {
        if self.is_known(&packet) {
            self.stats.packets_duplicate += 1;
        } else if self.fits(&packet) {
            self.drop_suspect();
            self.admit(packet);
        } else {
            self.suspect(packet);
        }
    }

    /// The moment with this timestamp that is nearest to the last packet.
    fn unwrapped(&self, timestamp: u32) -> i64 {
        let newest = self.newest.unwrap_or(i64::from(timestamp));
        newest + i64::from(timestamp.wrapping_sub(newest as u32).cast_signed())
    }

    /// Whether the packet came before, possibly under another number: RED gives only the timestamp of its copies.
    fn is_known(&self, packet: &Packet) -> bool {
        let is_newer = self.sequence.ahead(packet.sequence).is_some();
        self.queue.contains(packet.timestamp) || (!is_newer && self.played.contains(&packet.timestamp))
    }

    /// Whether a packet continues the stream. One that is next by its number and past by its time does not.
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

    /// A single deviating packet is ignored; a second one that continues it shows where the sender is now.
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
