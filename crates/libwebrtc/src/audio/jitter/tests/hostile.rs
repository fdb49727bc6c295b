//! Packets that no honest sender sends.

use crate::audio::{
    jitter::{AudioPacket, JitterBuffer, simulation::*},
    opus::{BLOCK, Channels},
};

/// Opus packets of many kinds, to be damaged.
fn samples_of_packets() -> Vec<Vec<u8>> {
    let speech = Sent::of(speech(2.0), &SPEECH).packets;
    speech.into_iter().flatten().map(|packet| packet.payload).collect()
}

fn payload(random: &mut Random, good: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = good[random.below(good.len() as u64) as usize].clone();
    match random.below(10) {
        0 => (0..random.below(40)).map(|_| random.next() as u8).collect(),
        1 => vec![random.next() as u8; random.below(20_000) as usize],
        2 => vec![random.next() as u8; random.below(3) as usize],
        3 => {
            let at = random.below(payload.len() as u64) as usize;
            payload[at] ^= random.next() as u8;
            payload
        }
        4 => {
            payload[0] = random.next() as u8;
            payload
        }
        _ => payload,
    }
}

fn honest(last: &AudioPacket, payload: Vec<u8>) -> AudioPacket {
    let (sequence, timestamp) = (last.sequence.wrapping_add(1), last.timestamp.wrapping_add(960));
    AudioPacket { sequence, timestamp, payload }
}

fn hostile(random: &mut Random, good: &[Vec<u8>], last: &AudioPacket) -> AudioPacket {
    let sequence = match random.below(12) {
        0 => random.next() | random.next() << 40,
        1 => last.sequence,
        2 => last.sequence.saturating_sub(random.below(10)),
        3 => last.sequence.saturating_add(random.below(10)),
        4 if random.chance(5) => u64::MAX,
        _ => last.sequence.saturating_add(1),
    };
    let timestamp = match random.below(12) {
        0 => random.next() as u32,
        1 => last.timestamp,
        2 => last.timestamp.wrapping_sub(random.below(100_000) as u32),
        3 => last.timestamp.wrapping_add(random.below(100_000) as u32),
        4 => last.timestamp.wrapping_add(random.below(200) as u32),
        _ => last.timestamp.wrapping_add(960),
    };
    AudioPacket { sequence, timestamp, payload: payload(random, good) }
}

/// A listener that asserts its bounds, and its clock.
struct Attacked {
    listener: Listener,
    random: Random,
    good: Vec<Vec<u8>>,
    last: AudioPacket,
    now: i64,
    out: Vec<i16>,
}

impl Attacked {
    fn new(channels: Channels, seed: u64) -> Self {
        let last = AudioPacket { sequence: 0, timestamp: 0, payload: Vec::new() };
        let (listener, random) = (Listener::new(channels), Random::new(seed));
        let out = vec![0; BLOCK * channels.count()];
        Self { listener, random, good: samples_of_packets(), last, now: 0, out }
    }

    /// A packet or a block at a random moment, also an earlier one.
    fn wild(&mut self) {
        let step = [0, 1, 2_000, 10_000, 20_000, 700_000][self.random.below(6) as usize];
        self.now += step / (1 + self.random.below(9) as i64);
        let back = if self.random.chance(30) { 50_000 } else { 0 };
        let at = self.listener.at((self.now - back).max(0));
        if self.random.chance(50) {
            self.last = hostile(&mut self.random, &self.good, &self.last);
            self.listener.buffer.insert(at, self.last.clone());
        } else {
            self.listener.buffer.pull(at, &mut self.out);
        }
        self.check();
    }

    /// 20 ms of an honest stream, with packets of an attacker among it. Returns the number of blocks with sound.
    fn honest(&mut self, percent: u64) -> usize {
        let at = self.listener.at(self.now);
        if self.random.chance(percent) {
            let packet = hostile(&mut self.random, &self.good, &self.last);
            self.listener.buffer.insert(at, packet);
        }
        let payload = self.good[(self.now / 20_000) as usize % self.good.len()].clone();
        self.last = honest(&self.last, payload);
        self.listener.buffer.insert(at, self.last.clone());
        let blocks = [1_000, 11_000].map(|after| {
            self.listener.buffer.pull(self.listener.at(self.now + after), &mut self.out);
            usize::from(rms(&self.out) > 100.0)
        });
        self.now += 20_000;
        self.check();
        blocks.into_iter().sum()
    }

    fn check(&self) {
        let (packets, samples) = self.listener.held();
        assert!(packets <= 256 && samples <= 4 * LONGEST, "{packets} packets, {samples} samples");
    }
}

#[test]
fn a_hundred_thousand_hostile_calls_neither_panic_nor_pile_up_nor_leave_the_buffer_deaf() {
    for (seed, channels) in [(1, Channels::Mono), (2, Channels::Stereo)] {
        let mut attacked = Attacked::new(channels, seed);
        (0..50_000).for_each(|_| attacked.wild());
        let stats = attacked.listener.buffer.stats();
        assert!(stats.packets_received > 10_000 && stats.packets_malformed > 1000, "{stats:?}");
        assert!(stats.packets_duplicate > 0 && stats.packets_empty > 0 && stats.restarts > 0, "{stats:?}");
        attacked.now += 3_000_000;
        // By now the buffer has learnt to wait for a second.
        let _: usize = (0..100).map(|_| attacked.honest(0)).sum();
        let heard: usize = (0..100).map(|_| attacked.honest(0)).sum();
        assert!(heard > 195, "{heard} blocks of 200");
    }
}

#[test]
fn a_stream_is_heard_among_packets_of_another_source() {
    let mut attacked = Attacked::new(Channels::Mono, 3);
    let heard: usize = (0..5_000).map(|_| attacked.honest(20)).sum();
    println!("{heard} blocks of 10000 heard: {:?}", attacked.listener.buffer.stats());
    assert!(heard > 8_000, "{heard} blocks of 10000");
}

#[test]
fn packets_of_every_length_are_played() {
    // One byte gives the length of a packet with empty frames: 2.5 ms, 10, 20, 40, 60 and 120 ms.
    for (payload, samples) in [
        (vec![0xe0], 120),
        (vec![0xf0], 480),
        (vec![0xf8], 960),
        (vec![0xf9], 1920),
        (vec![0xfb, 3], 2880),
        (vec![0xfb, 6], 5760),
    ] {
        let mut listener = Listener::new(Channels::Mono);
        let (mut inserted, mut out) = (0, [0; BLOCK]);
        for at in 0..300_i64 {
            while i64::from(inserted) * i64::from(samples) <= at * 480 {
                let timestamp = inserted * samples;
                let packet = AudioPacket { sequence: inserted.into(), timestamp, payload: payload.clone() };
                listener.buffer.insert(listener.at(at * 10_000), packet);
                inserted += 1;
            }
            listener.buffer.pull(listener.at(at * 10_000 + 500), &mut out);
        }
        let stats = listener.buffer.stats();
        assert_eq!((stats.packets_discarded, stats.packets_malformed), (0, 0), "{samples}: {stats:?}");
        assert!(stats.jitter_buffer_emitted_count >= 290 * 480 - 5760, "{samples}: {stats:?}");
        assert_eq!(stats.concealed_samples, 0, "{samples}: {stats:?}");
    }
}

#[test]
fn a_flood_is_dropped_beyond_two_seconds() {
    let mut listener = Listener::new(Channels::Mono);
    for at in 0..10_000_u32 {
        let packet = AudioPacket { sequence: at.into(), timestamp: at * 960, payload: vec![0xf8; 80] };
        listener.buffer.insert(listener.at(i64::from(at)), packet);
    }
    let (packets, _) = listener.held();
    let stats = listener.buffer.stats();
    assert!(packets <= 100, "{packets}");
    assert!(stats.packets_discarded >= 9_800, "{stats:?}");
}

#[test]
fn a_wrong_length_of_the_block_is_filled_with_what_there_is() {
    let mut listener = Listener::new(Channels::Mono);
    for length in [0, 1, 479, 481, 5000] {
        let mut out = vec![7; length];
        listener.buffer.pull(listener.at(0), &mut out);
        assert!(out.iter().all(|sample| *sample == 0));
    }
}

#[test]
fn the_buffer_may_move_between_threads() {
    fn is_send<T: Send>() {}
    is_send::<JitterBuffer>();
}
