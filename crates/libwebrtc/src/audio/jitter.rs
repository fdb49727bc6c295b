//! The jitter buffer: it takes packets as the network delivers them, and returns 10 ms of sound at each request.
//!
//! The buffer has no clock and no task: each call passes the time. It measures one number, the delay: how long ago the
//! fastest packet could have brought the sound that is played now. [`delay`] computes its target, [`head`] decides what
//! to play next, and [`stretch`] moves the delay towards the target.
//!
//! Only parts of the crate `neteq` are used, its histogram and its signal functions. Its `NetEq` plays the next packet
//! whatever is missing before it, so a loss is cut out instead of concealed and in-band FEC has no use; it also reads
//! the wall clock, and `timestamp.saturating_sub(last) * 1000` in its delay manager overflows with timestamps that an
//! attacker may choose.

mod clock;
mod delay;
mod entrance;
mod head;
mod playout;
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
    clock::{Clock, Micros},
    delay::Delay,
    head::Head,
    queue::{Packet, Queue},
    stats::{Level, Sequence, peak},
    stretch::Stretch,
    voice::{INAUDIBLE, Voice},
};
use super::opus::{self, CodecError};

pub(crate) use self::stats::JitterStats;

/// Blocks of silence, a second, after which more may come together: what judges the pauses of speech gets each in time.
const RESTS_AFTER: u32 = 100;
/// The number of played packets that are remembered: RED brings copies of the last few.
const REMEMBERED: usize = 64;

/// A packet of the network.
#[derive(Debug, Clone)]
pub(crate) struct AudioPacket {
    /// The sequence number without wrapping, as `str0m` gives it.
    pub(crate) sequence: u64,
    /// The RTP timestamp: 48 kHz, wrapping.
    pub(crate) timestamp: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) struct JitterBuffer {
    clock: Clock,
    queue: Queue,
    delay: Delay,
    voice: Voice,
    stretch: Stretch,
    /// `None` until the first packet is played.
    head: Option<Head>,
    newest: Option<i64>,
    suspect: Option<Packet>,
    played: VecDeque<i64>,
    last_pull: Micros,
    sequence: Sequence,
    level: Level,
    /// The last blocks that were silent.
    silent_blocks: u32,
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
            last_pull: 0,
            sequence: Sequence::default(),
            level: Level::default(),
            silent_blocks: 0,
            stats: JitterStats::default(),
        })
    }

    pub(crate) fn insert(&mut self, now: Instant, packet: AudioPacket) {
        let now = self.clock.at(now);
        if let Some(packet) = self.read(now, packet) {
            self.place(packet);
        }
    }

    /// Fills `out` with the next 10 ms, interleaved: 480 samples of each channel, silent when there is no packet.
    pub(crate) fn pull(&mut self, now: Instant, out: &mut [i16]) {
        let now = self.clock.at(now);
        self.listen(now);
        self.fill(now);
        self.adapt(now);
        self.voice.take(out);
        let peak = peak(out);
        self.silent_blocks = if peak <= INAUDIBLE { self.silent_blocks.saturating_add(1) } else { 0 };
        if self.head.is_some() {
            self.level.played(peak, &mut self.stats);
        }
    }

    /// Whether it has been silent for a while, and is until another packet comes.
    pub(crate) fn is_at_rest(&self) -> bool {
        self.silent_blocks >= RESTS_AFTER && self.queue.first().is_none() && self.voice.is_at_rest()
    }

    pub(crate) fn stats(&self) -> JitterStats {
        let (packets_lost, jitter) = (self.sequence.lost(), self.delay.jitter());
        JitterStats { packets_lost, jitter, ..self.stats.clone() }
    }
}
