//! The position of playback in the sender's time, and the next step there.
//!
//! Two situations look alike and are opposites. After a loss the sequence has a hole, and the missing sound is
//! concealed. After a pause of the sender (DTX, mute) the sequence goes on while the time has jumped: nothing is
//! missing, so nothing is concealed, and the next packet is played when its time has come.

use crate::audio::opus::{BLOCK, carries_fec};

use super::queue::{Packet, TOLERANCE};

/// A longer gap is concealed from before it up to here, since the missing packets may still arrive (20 ms).
pub(super) const BRIDGED: usize = 960;

#[derive(Debug)]
pub(super) struct Head {
    /// The timestamp after the last sample that was decoded.
    pub(super) next: i64,
    /// The sequence number of the last packet that was decoded or concealed.
    sequence: u64,
    /// Samples concealed since then, in place of lost ones.
    made_up: usize,
    /// Samples concealed since then while it was unknown what they stand for.
    stood_in: i64,
}

/// How the next samples are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// From the first packet.
    Decode,
    /// From the copy of the packet before, in the first packet.
    Recover,
    /// By concealing this many lost samples.
    Conceal(usize),
    /// By bridging this many samples that are lost before the first packet, and from this packet.
    Bridge(usize),
    /// Not at all: the next sound belongs to another time.
    Jump(i64),
    /// Not at all: the next sound is unknown or not due.
    Wait,
}

/// The conditions of the step besides the packets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outlook {
    pub(super) is_silent: bool,
    pub(super) is_comfort: bool,
}

// === impl Head ===

impl Head {
    /// The position before the first packet of a stream.
    pub(super) fn before(packet: &Packet) -> Self {
        let sequence = packet.sequence.saturating_sub(1);
        Self { next: packet.timestamp, sequence, made_up: 0, stood_in: 0 }
    }

    pub(super) fn step(&self, first: &Packet, outlook: Outlook, is_due: impl Fn(i64) -> bool) -> Step {
        let start = self.start(first);
        let unknown = start - self.next;
        if unknown > TOLERANCE && self.is_loss_before(first, outlook) {
            let is_bridged = unknown <= BRIDGED as i64 && start == first.timestamp && !first.is_dtx();
            return match unknown as usize {
                unknown if is_bridged => Step::Bridge(unknown),
                unknown => Step::Conceal(unknown.min(BLOCK)),
            };
        }
        let is_next = unknown <= TOLERANCE;
        match is_due(start) {
            true if !is_next => Step::Jump(start),
            false if !is_next || outlook.is_silent => Step::Wait,
            _ if start < first.timestamp => Step::Recover,
            _ => Step::Decode,
        }
    }

    /// Whether the packet goes on exactly where the last one ended.
    pub(super) fn continues_with(&self, first: &Packet) -> bool {
        first.timestamp - self.next <= TOLERANCE
    }

    pub(super) fn decoded(&mut self, packet: &Packet) {
        *self = Self { next: packet.end(), sequence: packet.sequence, made_up: 0, stood_in: 0 };
    }

    pub(super) fn recovered(&mut self, before: &Packet) {
        self.jumped(before.timestamp);
        self.sequence = before.sequence.saturating_sub(1);
    }

    pub(super) fn jumped(&mut self, next: i64) {
        (self.next, self.stood_in) = (next, 0);
    }

    pub(super) fn concealed(&mut self, samples: usize) {
        self.made_up += samples;
        self.next += samples as i64;
    }

    pub(super) fn waited(&mut self, samples: usize) {
        self.stood_in = self.stood_in.saturating_add(samples as i64);
    }

    /// Counts the samples concealed while waiting as the lost ones, unless the delay needs the time.
    pub(super) fn settle(&mut self, first: &Packet, spare: i64) {
        if self.stood_in > 0 && self.lost_before(first) > 0 {
            let settled = self.stood_in.min(self.start(first) - self.next).min(spare);
            self.next += settled.max(0);
            self.made_up += settled.max(0) as usize;
            self.stood_in = 0;
        }
    }

    /// The time at which this packet's sound begins, including its copy if the packet before is missing.
    fn start(&self, first: &Packet) -> i64 {
        let before = first.timestamp - first.duration as i64;
        let is_missing = self.lost_before(first) > 0 && before >= self.next - TOLERANCE;
        if is_missing && carries_fec(&first.payload) { before } else { first.timestamp }
    }

    fn lost_before(&self, first: &Packet) -> u64 {
        first.sequence.saturating_sub(self.sequence).saturating_sub(1)
    }

    /// Lost silence needs no concealment, and a concealed sound fades out after a while.
    fn is_loss_before(&self, first: &Packet, outlook: Outlook) -> bool {
        let lost = self.lost_before(first).saturating_mul(first.duration as u64);
        (self.made_up as u64) < lost && !outlook.is_silent && !outlook.is_comfort
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPEECH: Outlook = Outlook { is_silent: false, is_comfort: false };
    const SILENCE: Outlook = Outlook { is_silent: true, is_comfort: false };

    fn packet(sequence: u64, timestamp: i64) -> Packet {
        Packet { sequence, timestamp, duration: 960, arrival: 0, payload: vec![0xf8; 50] }
    }

    /// A packet in speech mode, with the flag of the copy.
    fn with_copy(sequence: u64, timestamp: i64) -> Packet {
        Packet { payload: vec![8, 0b0100_0000], ..packet(sequence, timestamp) }
    }

    fn after_first() -> Head {
        let mut head = Head::before(&packet(1, 0));
        head.decoded(&packet(1, 0));
        head
    }

    fn never(_: i64) -> bool {
        false
    }

    #[test]
    fn what_follows_is_decoded_and_after_silence_only_when_it_is_due() {
        let (head, next) = (after_first(), packet(2, 960));
        assert_eq!(head.step(&next, SPEECH, never), Step::Decode);
        assert_eq!(head.step(&next, SILENCE, never), Step::Wait);
        assert_eq!(head.step(&next, SILENCE, |start| start == 960), Step::Decode);
    }

    #[test]
    fn a_pause_without_a_hole_in_the_sequence_is_waited_for_and_not_made_up() {
        let (head, next) = (after_first(), packet(2, 96_000));
        assert_eq!(head.step(&next, SPEECH, never), Step::Wait);
        assert_eq!(head.step(&next, SPEECH, |start| start == 96_000), Step::Jump(96_000));
    }

    #[test]
    fn a_loss_is_made_up_and_its_last_packet_comes_from_the_copy() {
        let (mut head, next) = (after_first(), with_copy(4, 3 * 960));
        for _ in 0..2 {
            assert_eq!(head.step(&next, SPEECH, never), Step::Conceal(BLOCK));
            head.concealed(BLOCK);
        }
        assert_eq!(head.step(&next, SPEECH, never), Step::Recover);
        head.recovered(&next);
        assert_eq!(head.step(&next, SPEECH, never), Step::Decode);
    }

    #[test]
    fn the_last_packet_of_a_loss_without_a_copy_is_made_up_from_both_its_ends() {
        let (mut head, next) = (after_first(), packet(4, 3 * 960));
        for _ in 0..2 {
            assert_eq!(head.step(&next, SPEECH, never), Step::Conceal(BLOCK));
            head.concealed(BLOCK);
        }
        assert_eq!(head.step(&next, SPEECH, never), Step::Bridge(960));
        let silence = Packet { payload: vec![8], ..packet(3, 2 * 960) };
        assert_eq!(after_first().step(&silence, SPEECH, never), Step::Conceal(BLOCK));
    }

    #[test]
    fn a_loss_within_a_pause_costs_only_the_lost_packet() {
        let (mut head, next) = (after_first(), packet(3, 96_000));
        for _ in 0..2 {
            assert_eq!(head.step(&next, SPEECH, never), Step::Conceal(BLOCK));
            head.concealed(BLOCK);
        }
        assert_eq!(head.step(&next, SPEECH, never), Step::Wait);
        let comfort = Outlook { is_comfort: true, ..SPEECH };
        assert_eq!(after_first().step(&next, comfort, never), Step::Wait);
    }

    #[test]
    fn what_stood_in_for_a_loss_is_not_made_up_again_if_the_delay_allows() {
        let next = packet(3, 2 * 960);
        for (spare, left) in [(960, 0), (480, 480), (-480, 960)] {
            let mut head = after_first();
            head.waited(960);
            head.settle(&next, spare);
            assert_eq!(2 * 960 - head.next, left);
        }
    }
}
