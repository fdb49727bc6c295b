//! A sender, a network and a listener on a clock of their own, for tests.

use std::{
    collections::BTreeMap,
    fmt,
    ops::Range,
    time::{Duration, Instant},
};

use crate::audio::opus::{BLOCK, Channels, Encoder, EncoderConfig, MAX_SAMPLES};
pub(super) use crate::audio::sounds::rms;

use super::{AudioPacket, JitterBuffer, JitterStats};

pub(super) const VOICE: EncoderConfig =
    EncoderConfig { channels: Channels::Mono, bitrate: 32_000, dtx: false, expected_loss: 0 };
pub(super) const SPEECH: EncoderConfig = EncoderConfig { expected_loss: 20, ..VOICE };
/// Samples in a packet of the simulated sender.
pub(super) const FRAME: usize = 960;
const FRAME_MICROS: i64 = 20_000;

/// The fate of a packet: its arrival, in microseconds after it was sent, or `None` if it is lost.
pub(super) type Network = Box<dyn FnMut(usize, &mut Random) -> Option<i64>>;

pub(super) struct Random(u64);

/// Packets as they leave a sender, one for each 20 ms.
pub(super) struct Sent {
    pub(super) packets: Vec<Option<AudioPacket>>,
    pub(super) samples: Vec<i16>,
    /// Whether each packet also carries the one before (RED).
    pub(super) is_redundant: bool,
}

/// The received sound, 10 ms at a time.
pub(super) struct Heard {
    pub(super) samples: Vec<i16>,
    /// The delay after each block in which a packet was heard, in microseconds.
    pub(super) delays: Vec<i64>,
    pub(super) stats: JitterStats,
    /// The statistics after each second.
    pub(super) seconds: Vec<JitterStats>,
}

/// A listener whose 10 ms take `block` microseconds.
pub(super) struct Listener {
    pub(super) buffer: JitterBuffer,
    pub(super) start: Instant,
    pub(super) channels: Channels,
    pub(super) block: i64,
}

// === impl Random ===

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

// === impl Sent ===

impl Sent {
    pub(super) fn of(samples: Vec<i16>, config: &EncoderConfig) -> Self {
        let mut encoder = Encoder::new(config).unwrap();
        let mut sequence = 1000;
        let mut packet = |(at, frame): (usize, &[i16])| {
            let payload = encoder.encode(frame).unwrap();
            let timestamp = u32::MAX.wrapping_sub(48_000).wrapping_add((at * FRAME) as u32);
            sequence += 1;
            Some(AudioPacket { sequence, timestamp, payload })
        };
        let frame = FRAME * config.channels.count();
        let packets = samples.chunks_exact(frame).enumerate().map(&mut packet).collect();
        Self { packets, samples, is_redundant: false }
    }

    /// As WebRTC sends it: only the first packet of a silence is sent, and the sequence goes on without a hole.
    pub(super) fn without_silence(mut self) -> Self {
        let (mut was_silent, mut sequence) = (false, 1000);
        for packet in &mut self.packets {
            let is_silent = packet.as_ref().is_some_and(|packet| packet.payload.len() <= 2);
            if is_silent && was_silent {
                *packet = None;
            } else if let Some(packet) = packet {
                sequence += 1;
                packet.sequence = sequence;
            }
            was_silent = is_silent;
        }
        self
    }

    /// The sender stops, and so does its sequence, while its time goes on.
    pub(super) fn with_pause(mut self, frames: Range<usize>) -> Self {
        let paused = frames.len() as u64;
        for (at, packet) in self.packets.iter_mut().enumerate().skip(frames.start) {
            match packet {
                Some(packet) if !frames.contains(&at) => packet.sequence -= paused,
                _ => *packet = None,
            }
        }
        self
    }

    pub(super) fn through(&self, network: Network) -> Heard {
        Listener::new(Channels::Mono).listen(self, network)
    }
}

// === impl Listener ===

impl Listener {
    pub(super) fn new(channels: Channels) -> Self {
        Self { buffer: JitterBuffer::new(channels).unwrap(), start: Instant::now(), channels, block: 10_000 }
    }

    pub(super) fn at(&self, micros: i64) -> Instant {
        self.start + Duration::from_micros(micros.unsigned_abs())
    }

    pub(super) fn listen(mut self, sent: &Sent, mut network: Network) -> Heard {
        let mut arriving = self.arrivals(sent, &mut network);
        let mut heard = Heard {
            samples: Vec::new(),
            delays: Vec::new(),
            stats: JitterStats::default(),
            seconds: Vec::new(),
        };
        let blocks = sent.packets.len() as i64 * FRAME_MICROS / self.block;
        for at in 0..blocks {
            // Packets and blocks have no common clock.
            let now = at * self.block + 3_700;
            let later = arriving.split_off(&(now + 1, 0));
            for ((arrival, _), packet) in std::mem::replace(&mut arriving, later) {
                self.buffer.insert(self.at(arrival), packet);
            }
            let mut out = vec![i16::MAX; BLOCK * self.channels.count()];
            self.buffer.pull(self.at(now), &mut out);
            heard.samples.extend_from_slice(&out);
            heard.delays.push(self.delay(now));
            if at % 100 == 99 {
                heard.seconds.push(self.buffer.stats());
            }
        }
        heard.stats = self.buffer.stats();
        heard
    }

    /// The arrivals, ordered by their time and by the order of sending.
    fn arrivals(&self, sent: &Sent, network: &mut Network) -> BTreeMap<(i64, usize), AudioPacket> {
        let mut random = Random::new(7);
        let mut arriving = BTreeMap::new();
        for (at, packet) in sent.packets.iter().enumerate() {
            let Some(after) = network(at, &mut random) else { continue };
            let arrival = at as i64 * FRAME_MICROS + after;
            let before =
                at.checked_sub(1).filter(|_| sent.is_redundant).and_then(|at| sent.packets[at].as_ref());
            let brought = [before, packet.as_ref()].into_iter().enumerate();
            arriving
                .extend(brought.filter_map(|(nth, packet)| Some(((arrival, 2 * at + nth), packet?.clone()))));
        }
        arriving
    }

    /// The time since the fastest possible arrival of the sound that is played next, while there is any.
    pub(super) fn delay(&self, now: i64) -> i64 {
        let Some(head) = self.buffer.head.as_ref().filter(|_| self.buffer.voice.is_live()) else { return 0 };
        let played = head.next - self.buffer.voice.len() as i64;
        self.buffer.delay.waited(now + self.block, played).unwrap_or(0)
    }

    /// The memory of a buffer, in bytes of payload and in samples.
    pub(super) fn held(&self) -> (usize, usize) {
        (self.buffer.queue.len(), self.buffer.voice.len())
    }
}

// === impl Heard ===

impl Heard {
    pub(super) fn blocks(&self) -> impl Iterator<Item = f64> {
        self.samples.chunks(BLOCK).map(rms)
    }

    /// The number of blocks with sound between two moments in seconds.
    pub(super) fn loud(&self, seconds: Range<usize>) -> usize {
        let blocks = self.blocks().skip(seconds.start * 100).take(seconds.len() * 100);
        blocks.filter(|rms| *rms > 200.0).count()
    }

    /// The largest delay between two moments in seconds, in milliseconds.
    pub(super) fn delay(&self, seconds: Range<usize>) -> i64 {
        self.sorted_delays(seconds).last().unwrap() / 1000
    }

    /// The delay that is exceeded only in a hundredth of the time.
    pub(super) fn mostly(&self, seconds: Range<usize>) -> i64 {
        let delays = self.sorted_delays(seconds);
        delays[delays.len() * 99 / 100] / 1000
    }

    fn sorted_delays(&self, seconds: Range<usize>) -> Vec<i64> {
        let end = (seconds.end * 100).min(self.delays.len());
        let mut delays = self.delays[seconds.start * 100..end].to_vec();
        delays.sort_unstable();
        delays
    }

    /// The count between two moments in seconds.
    pub(super) fn counted(&self, seconds: Range<usize>, count: fn(&JitterStats) -> u64) -> u64 {
        count(&self.seconds[seconds.end - 1]) - count(&self.seconds[seconds.start - 1])
    }

    pub(super) fn largest_jump(&self, seconds: Range<usize>) -> i32 {
        let samples = &self.samples[seconds.start * 48_000..seconds.end * 48_000];
        samples.windows(2).map(|pair| (i32::from(pair[0]) - i32::from(pair[1])).abs()).max().unwrap()
    }
}

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = &self.stats;
        let ms = |samples: u64| samples / 48;
        write!(
            f,
            "{} packets, {} lost, {} late, {} from copies; {} ms made up in {} pieces, {} ms left out, {} ms added; \
             {:.0} ms waited on average",
            stats.packets_received,
            stats.packets_lost,
            stats.packets_discarded,
            stats.fec_packets,
            ms(stats.concealed_samples),
            stats.concealment_events,
            ms(stats.removed_samples_for_acceleration),
            ms(stats.inserted_samples_for_deceleration),
            1000.0 * stats.jitter_buffer_delay / stats.jitter_buffer_emitted_count as f64,
        )
    }
}

pub(super) fn tone(seconds: f64, hertz: f64) -> Vec<i16> {
    let step = hertz * std::f64::consts::TAU / 48_000.0;
    (0..(seconds * 48_000.0) as usize).map(|at| ((at as f64 * step).sin() * 10_000.0) as i16).collect()
}

/// A signal with syllables, pitch and formants, so that the codec takes it for speech.
pub(super) fn speech(seconds: f64) -> Vec<i16> {
    let (mut phase, mut low, mut band) = (0.0_f64, 0.0_f64, 0.0_f64);
    let sample = |at: usize| {
        let time = at as f64 / 48_000.0;
        let pitch = 120.0 + 30.0 * (time * 2.1).sin();
        phase = (phase + pitch / 48_000.0).fract();
        let pulse = if phase < 0.1 { 1.0 } else { -0.1 };
        let formant = 500.0 + 300.0 * (time * 7.3).sin();
        let f = 2.0 * (std::f64::consts::PI * formant / 48_000.0).sin();
        low += f * band;
        band += f * (pulse - low - 0.2 * band);
        let syllable = (0.6 + 0.4 * (time * 25.0).sin()).max(0.0);
        (band * syllable * 6000.0).clamp(-30_000.0, 30_000.0) as i16
    };
    (0..(seconds * 48_000.0) as usize).map(sample).collect()
}

pub(super) fn clean() -> Network {
    Box::new(|_, _| Some(5_000))
}

/// Delays each packet independently, by up to this many milliseconds.
pub(super) fn jitter(milliseconds: u64) -> Network {
    Box::new(move |_, random| Some(5_000 + random.below(milliseconds * 1000) as i64))
}

pub(super) fn loss(percent: u64) -> Network {
    Box::new(move |_, random| (!random.chance(percent)).then_some(5_000))
}

/// Delivers nothing for this long, then everything at once.
pub(super) fn outage(first: usize, milliseconds: i64) -> Network {
    Box::new(move |at, _| {
        let since = (at as i64 - first as i64) * FRAME_MICROS;
        let left = milliseconds * 1000 - since;
        Some(5_000 + if since >= 0 { left.max(0) } else { 0 })
    })
}

/// Delays all packets from this one on.
pub(super) fn longer_way(first: usize, milliseconds: i64) -> Network {
    Box::new(move |at, _| Some(5_000 + if at >= first { milliseconds * 1000 } else { 0 }))
}

pub(super) const LONGEST: usize = MAX_SAMPLES;
