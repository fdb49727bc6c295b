//! The chunks that are sent and not acknowledged, and when they are sent again. Pure: packets and the time in, packets
//! out.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use crate::pc::sctp::{
    packet::{self, Chunk, Data, Sack, kind},
    round_trip::{RoundTrip, SLACK, handshake_patience},
};

#[cfg(test)]
mod tests;

/// The most DATA chunks that are kept. Further ones are left to the association's own timers.
const KEPT: usize = 2_048;
/// The largest packet of several chunks; it fits where the association's own packets do.
const PACKET: usize = 1_100;
/// A smaller packet is probably the last one its sender has for now.
const SMALL: usize = 600;

/// Data after such a pause begins a burst, of which this many packets count as short messages.
const PAUSE: Duration = Duration::from_millis(20);
const SHORT: u32 = 3;

#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// Ports and verification tag of our packets.
    address: [u8; 8],
    /// Sent chunks by TSN, see [`Recovery::unwrapped`].
    sent: BTreeMap<i64, Sent>,
    newest: Option<i64>,
    /// When a chunk was last sent.
    sent_last: Option<Instant>,
    /// The chunk that was sent last among those that have arrived.
    arrived: Option<(Instant, i64)>,
    /// An INIT or COOKIE ECHO without an answer.
    handshake: Option<Handshake>,
    round_trip: RoundTrip,
    said: Burst,
    heard: Burst,
    /// When a chunk is sent again although no acknowledgement shows that it is lost, and how often that was in vain.
    probe: Option<Instant>,
    unanswered: u32,
    /// When a chunk becomes lost that may still be reordered.
    overdue: Option<Instant>,
    /// Streams whose messages may be given up.
    unreliable: BTreeSet<u16>,
    outbox: VecDeque<Vec<u8>>,
    counts: Counts,
}

#[derive(Debug)]
struct Sent {
    chunk: Box<[u8]>,
    at: Instant,
    /// Whether the chunk was sent more than once, so that an acknowledgement measures nothing.
    again: bool,
}

/// Packets of data without a pause between them. The receiver acknowledges each second one at once, and a last one
/// after 200 ms: too long for the short messages that most bursts are.
#[derive(Debug, Default)]
struct Burst {
    count: u32,
    last: Option<Instant>,
}

#[derive(Debug)]
struct Handshake {
    kind: u8,
    packet: Box<[u8]>,
    again: Instant,
    unanswered: u32,
}

/// DATA chunks that were sent again, and those that there was no room to keep.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sent_again: u64,
    pub(super) not_kept: u64,
}

// === impl Recovery ===

impl Recovery {
    /// Takes a packet of the association and returns the packet to be sent, perhaps with a request for an immediate
    /// acknowledgement. `None` if the recovery has just sent all of it.
    pub(super) fn outgoing<'p>(&mut self, now: Instant, packet: &'p [u8]) -> Option<Cow<'p, [u8]>> {
        if self.is_under_way(now, packet) {
            return None;
        }
        let mut has_data = false;
        for chunk in packet::chunks(packet) {
            match chunk.data() {
                Some(data) => {
                    has_data = true;
                    self.record(now, data, chunk);
                }
                None => self.control(now, chunk, packet),
            }
        }
        if !has_data {
            return Some(Cow::Borrowed(packet));
        }
        self.address = packet::address(packet)?;
        // More data does not postpone the probe for the data before it.
        if self.probe.is_none() {
            self.wait_for_answer(now);
        }
        let mut packet = Cow::Borrowed(packet);
        if self.said.is_short(now) && packet.len() < SMALL {
            packet::acknowledge_at_once(packet.to_mut());
        }
        Some(packet)
    }

    /// Takes a packet of the peer and changes it for the association, which then acknowledges short messages as if the
    /// peer had requested that.
    pub(super) fn incoming(&mut self, now: Instant, packet: &mut [u8]) {
        let has_data = packet::chunks(packet).any(|chunk| chunk.data().is_some());
        if has_data && self.heard.is_short(now) && packet.len() < SMALL && packet::is_whole(packet) {
            packet::acknowledge_at_once(packet);
        }
        for chunk in packet::chunks(packet) {
            if let Some(sack) = chunk.sack() {
                self.acknowledged(now, &sack);
            }
            match (chunk.kind(), self.handshake.as_ref().map(|handshake| handshake.kind)) {
                (kind::INIT_ACK, Some(kind::INIT)) | (kind::COOKIE_ACK, _) => self.handshake = None,
                (kind::ABORT | kind::SHUTDOWN_COMPLETE, _) => self.end(),
                _ => {}
            }
        }
    }

    /// Records a new stream. Where messages may be given up, the association decides: the recovery sends none of them
    /// again.
    pub(super) fn opened(&mut self, stream: u16, reliable: bool) {
        if reliable {
            self.unreliable.remove(&stream);
        } else {
            self.unreliable.insert(stream);
        }
    }

    /// When [`Recovery::timeout`] has to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let handshake = self.handshake.as_ref().map(|handshake| handshake.again);
        [self.probe, self.overdue, handshake].into_iter().flatten().min()
    }

    pub(super) fn timeout(&mut self, now: Instant) {
        if self.overdue.is_some_and(|due| due <= now) {
            self.repair(now);
        }
        if self.probe.is_some_and(|due| due <= now) {
            self.unanswered += 1;
            self.send_again(now, self.unacknowledged(now));
            self.wait_for_answer(now);
        }
        self.shake_hands_again(now);
    }

    /// The next packet to send.
    pub(super) fn take(&mut self) -> Option<Vec<u8>> {
        self.outbox.pop_front()
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    fn record(&mut self, now: Instant, data: Data, chunk: Chunk<'_>) {
        let tsn = self.unwrapped(data.tsn);
        self.newest = self.newest.max(Some(tsn));
        self.sent_last = Some(now);
        if self.unreliable.contains(&data.stream) {
            return;
        }
        let has_room = self.sent.len() < KEPT;
        match self.sent.get_mut(&tsn) {
            Some(sent) => (sent.at, sent.again) = (now, true),
            None if has_room => {
                self.sent.insert(tsn, Sent { chunk: chunk.bytes().into(), at: now, again: false });
            }
            None => self.counts.not_kept += 1,
        }
    }

    fn control(&mut self, now: Instant, chunk: Chunk<'_>, packet: &[u8]) {
        match chunk.kind() {
            kind @ (kind::INIT | kind::COOKIE_ECHO) => {
                let again = now + handshake_patience(0);
                self.handshake = Some(Handshake { kind, packet: packet.into(), again, unanswered: 0 });
            }
            // The peer's cookie establishes the association as well as ours.
            kind::COOKIE_ACK => self.handshake = None,
            kind::ABORT | kind::SHUTDOWN_COMPLETE => self.end(),
            _ => {}
        }
    }

    /// Whether each chunk was sent within the last round trip: the association's own recovery comes after ours.
    fn is_under_way(&self, now: Instant, packet: &[u8]) -> bool {
        let after = now.checked_sub(self.round_trip.time());
        let mut chunks = packet::chunks(packet).peekable();
        chunks.peek().is_some()
            && chunks.all(|chunk| {
                let sent = chunk.data().and_then(|data| self.sent.get(&self.unwrapped(data.tsn)));
                sent.is_some_and(|sent| sent.again && after.is_none_or(|after| sent.at > after))
            })
    }

    fn acknowledged(&mut self, now: Instant, sack: &Sack<'_>) {
        let cumulative = self.unwrapped(sack.cumulative);
        if self.newest.is_none_or(|newest| cumulative > newest) {
            return;
        }
        let mut arrived = Vec::new();
        while let Some(first) = self.sent.first_entry().filter(|first| *first.key() <= cumulative) {
            arrived.push(first.remove_entry());
        }
        for (first, last) in sack.blocks() {
            let block = cumulative + i64::from(first)..=cumulative + i64::from(last.max(first));
            let tsns: Vec<_> = self.sent.range(block).map(|(tsn, _)| *tsn).collect();
            arrived.extend(tsns.into_iter().filter_map(|tsn| self.sent.remove_entry(&tsn)));
        }
        if !arrived.is_empty() {
            self.learn(now, &arrived);
            self.unanswered = 0;
            self.wait_for_answer(now);
        }
        self.repair(now);
    }

    /// An acknowledgement of a chunk that was sent twice may be for either copy, unless it is too soon for the second.
    fn learn(&mut self, now: Instant, arrived: &[(i64, Sent)]) {
        let took = |sent: &Sent| now.saturating_duration_since(sent.at);
        let once = arrived.iter().filter(|(_, sent)| !sent.again);
        if let Some((_, sent)) = once.max_by_key(|(_, sent)| sent.at) {
            self.round_trip.measured(took(sent));
        }
        let least = self.round_trip.time() / 2;
        let certain = arrived.iter().filter(|(_, sent)| !sent.again || took(sent) >= least);
        self.arrived = certain.map(|(tsn, sent)| (sent.at, *tsn)).max().max(self.arrived);
    }

    /// Sends chunks again that were sent before one that has arrived, if they had enough time to arrive after it.
    fn repair(&mut self, now: Instant) {
        self.overdue = None;
        let Some(arrived) = self.arrived else { return };
        let allowed = self.round_trip.time() + self.round_trip.disorder();
        // Chunks after one that was sent later were not sent earlier, because only chunks that were sent again break
        // the order.
        let until = self.sent.iter().take_while(|(tsn, sent)| sent.again || (sent.at, **tsn) < arrived);
        let overtaken = until.filter(|(tsn, sent)| (sent.at, **tsn) < arrived);
        let (lost, open): (Vec<_>, Vec<_>) =
            overtaken.map(|(tsn, sent)| (*tsn, sent.at + allowed)).partition(|(_, due)| *due <= now);
        self.overdue = open.into_iter().map(|(_, due)| due).min();
        if !lost.is_empty() {
            self.send_again(now, lost.into_iter().map(|(tsn, _)| tsn).collect());
            self.wait_for_answer(now);
        }
    }

    /// The chunks that were sent so long ago that they could be acknowledged.
    fn unacknowledged(&self, now: Instant) -> Vec<i64> {
        let time = self.round_trip.time();
        let old = self.sent.iter().filter(|(_, sent)| sent.at + time <= now);
        // A packet holds only a few of them.
        old.map(|(tsn, _)| *tsn).take(PACKET / packet::LEAST).collect()
    }

    /// Sends as many of them as fit into a packet; its acknowledgement releases the next one.
    fn send_again(&mut self, now: Instant, tsns: Vec<i64>) {
        let mut room = PACKET;
        let mut fitting = Vec::new();
        for tsn in tsns {
            let Some(sent) = self.sent.get_mut(&tsn) else { continue };
            let length = packet::padded(sent.chunk.len());
            if length > room && !fitting.is_empty() {
                break;
            }
            room = room.saturating_sub(length);
            (sent.at, sent.again) = (now, true);
            fitting.push(tsn);
        }
        if !fitting.is_empty() {
            self.sent_last = Some(now);
            self.counts.sent_again += fitting.len() as u64;
            let chunks = fitting.iter().filter_map(|tsn| self.sent.get(tsn)).map(|sent| &*sent.chunk);
            self.outbox.push_back(packet::with_data(self.address, chunks));
        }
    }

    /// Acknowledgements of other packets do not postpone the probe for the last one (RFC 7765).
    fn wait_for_answer(&mut self, now: Instant) {
        let due = self.sent_last.unwrap_or(now) + self.round_trip.patience(self.unanswered);
        self.probe = (!self.sent.is_empty()).then(|| due.max(now + SLACK));
    }

    fn shake_hands_again(&mut self, now: Instant) {
        let Some(handshake) = self.handshake.as_mut().filter(|handshake| handshake.again <= now) else {
            return;
        };
        handshake.unanswered += 1;
        handshake.again = now + handshake_patience(handshake.unanswered);
        self.outbox.push_back(handshake.packet.to_vec());
    }

    /// Ends the association: the remaining chunks will never be acknowledged.
    fn end(&mut self) {
        let (counts, unreliable) = (self.counts, std::mem::take(&mut self.unreliable));
        *self = Self { counts, unreliable, ..Self::default() };
    }

    /// TSNs of 32 bits wrap; these do not.
    fn unwrapped(&self, tsn: u32) -> i64 {
        let Some(newest) = self.newest else { return i64::from(tsn) };
        newest + i64::from(tsn.wrapping_sub(newest as u32).cast_signed())
    }
}

// === impl Burst ===

impl Burst {
    /// Counts another packet; returns whether it is one of the first of its burst.
    fn is_short(&mut self, now: Instant) -> bool {
        let goes_on = self.last.is_some_and(|last| now < last + PAUSE);
        self.count = if goes_on { self.count.saturating_add(1) } else { 1 };
        self.last = Some(now);
        self.count <= SHORT
    }
}
