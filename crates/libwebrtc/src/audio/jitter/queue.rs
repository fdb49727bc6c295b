//! Packets that wait to be played, in the order of their time, within bounds.

use std::collections::BTreeMap;

use crate::audio::opus::SAMPLE_RATE;

/// Two seconds of packets of 10 ms and some; short packets are rare.
const MAX_PACKETS: usize = 256;
/// Two seconds of the highest bitrate.
const MAX_BYTES: usize = 128 * 1024;
/// Sound that is further behind is useless in a conversation.
const MAX_CONTENT: usize = 2 * SAMPLE_RATE as usize;

/// Smaller deviations of timestamps count as exact (2.5 ms).
pub(super) const TOLERANCE: i64 = 120;

/// A packet with its place in time.
#[derive(Debug)]
pub(super) struct Packet {
    pub(super) sequence: u64,
    /// The timestamp of the first sample, without wrapping.
    pub(super) timestamp: i64,
    /// In samples of each channel.
    pub(super) duration: usize,
    /// In microseconds of the buffer's clock.
    pub(super) arrival: i64,
    pub(super) payload: Vec<u8>,
}

#[derive(Debug, Default)]
pub(super) struct Queue {
    packets: BTreeMap<i64, Packet>,
    bytes: usize,
    content: usize,
}

// === impl Packet ===

impl Packet {
    pub(super) fn end(&self) -> i64 {
        self.timestamp + self.duration as i64
    }

    /// Whether half of the packet or more lies before `position`.
    pub(super) fn is_over_at(&self, position: i64) -> bool {
        self.timestamp + self.duration as i64 / 2 <= position
    }

    /// Whether the packet only announces silence.
    pub(super) fn is_dtx(&self) -> bool {
        self.payload.len() <= 2
    }
}

// === impl Queue ===

impl Queue {
    pub(super) fn first(&self) -> Option<&Packet> {
        self.packets.first_key_value().map(|(_, packet)| packet)
    }

    pub(super) fn second(&self) -> Option<&Packet> {
        self.packets.values().nth(1)
    }

    /// The number of samples from `position` to the next gap or the end of the packets.
    pub(super) fn reach(&self, position: i64) -> i64 {
        let reach = self.packets.values().try_fold(position, |end, packet| {
            let follows = packet.timestamp <= end + TOLERANCE;
            if follows { Ok(end.max(packet.end())) } else { Err(end) }
        });
        reach.unwrap_or_else(|end| end) - position
    }

    pub(super) fn contains(&self, timestamp: i64) -> bool {
        self.packets.contains_key(&timestamp)
    }

    /// Adds a packet; returns how many of the oldest had to go.
    pub(super) fn push(&mut self, packet: Packet) -> u64 {
        self.bytes += packet.payload.len();
        self.content += packet.duration;
        if let Some(replaced) = self.packets.insert(packet.timestamp, packet) {
            self.forget(&replaced);
        }
        let mut dropped = 0;
        while self.is_over_full() && self.pop().is_some() {
            dropped += 1;
        }
        dropped
    }

    pub(super) fn pop(&mut self) -> Option<Packet> {
        let (_, packet) = self.packets.pop_first()?;
        self.forget(&packet);
        Some(packet)
    }

    /// Drops all packets; returns their number.
    pub(super) fn clear(&mut self) -> u64 {
        std::mem::take(self).packets.len() as u64
    }

    fn forget(&mut self, packet: &Packet) {
        self.bytes -= packet.payload.len();
        self.content -= packet.duration;
    }

    fn is_over_full(&self) -> bool {
        self.packets.len() > MAX_PACKETS || self.bytes > MAX_BYTES || self.content > MAX_CONTENT
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.packets.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(timestamp: i64, duration: usize, bytes: usize) -> Packet {
        Packet { sequence: 0, timestamp, duration, arrival: 0, payload: vec![0; bytes] }
    }

    fn filled(duration: usize, bytes: usize) -> (Queue, u64) {
        let mut queue = Queue::default();
        let dropped = (0..1000).map(|at| queue.push(packet(at * 5760, duration, bytes))).sum();
        (queue, dropped)
    }

    #[test]
    fn packets_leave_in_the_order_of_their_time() {
        let mut queue = Queue::default();
        for at in [3, 1, 2] {
            assert_eq!(queue.push(packet(at, 960, 10)), 0);
        }
        assert!(queue.contains(2) && !queue.contains(4));
        assert_eq!(queue.second().unwrap().timestamp, 2);
        let order: Vec<_> = std::iter::from_fn(|| queue.pop()).map(|packet| packet.timestamp).collect();
        assert_eq!(order, [1, 2, 3]);
    }

    #[test]
    fn the_reach_ends_where_something_is_missing() {
        let mut queue = Queue::default();
        assert_eq!(queue.reach(960), 0);
        for at in [1, 2, 4] {
            queue.push(packet(at * 960, 960, 10));
        }
        assert_eq!((queue.reach(960), queue.reach(0), queue.reach(1000)), (1920, 0, 1880));
    }

    #[test]
    fn each_bound_drops_the_oldest() {
        for (duration, bytes, left) in [(120, 10, MAX_PACKETS), (120, 1275, MAX_BYTES / 1275), (960, 10, 100)]
        {
            let (mut queue, dropped) = filled(duration, bytes);
            assert_eq!((queue.len(), dropped as usize), (left, 1000 - left));
            assert_eq!(queue.pop().unwrap().timestamp, dropped as i64 * 5760);
        }
    }

    #[test]
    fn nothing_is_left_of_a_queue_that_was_emptied() {
        let (mut queue, _) = filled(960, 100);
        while queue.pop().is_some() {}
        assert_eq!((queue.bytes, queue.content), (0, 0));
    }
}
