//! Two connections and a network between them, on a simulated clock.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    sync::Arc,
    time::{Duration, Instant},
};

use str0m::net::Protocol;

use crate::{
    channel_init::{DataChannelInit, DataChannelState},
    pc::{channel::Channel, effect::Effect, engine::NetworkAction, offline::Peer},
};

/// The delay of a packet in each direction.
pub(super) const DELAY: Duration = Duration::from_millis(20);
/// Only a hang takes this long.
const HANG: Duration = Duration::from_secs(300);
/// The first bytes of DTLS records (RFC 7983). Everything else keeps the connection alive, and is never lost.
const DTLS: std::ops::Range<u8> = 20..64;

/// Whether the network loses a DTLS record, given its number in that direction and the time.
pub(super) type Fate = Box<dyn FnMut(usize, Instant) -> bool>;

pub(super) struct Simulation {
    pub(super) now: Instant,
    peers: [Peer; 2],
    channels: [Arc<Channel>; 2],
    directions: [Direction; 2],
    under_way: BinaryHeap<Reverse<Datagram>>,
    count: u64,
}

/// The direction from one peer to the other.
struct Direction {
    fate: Fate,
    /// How much later than [`DELAY`] a record arrives, by its number.
    jitter: fn(usize) -> Duration,
    records: usize,
    heard: Vec<Message>,
}

/// Ordered by arrival.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Datagram {
    due: Instant,
    number: u64,
    to: usize,
    bytes: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) at: Instant,
    pub(super) bytes: Vec<u8>,
}

pub(super) fn nothing() -> Fate {
    Box::new(|_, _| false)
}

/// Loses the records with these numbers, counted from now.
pub(super) fn these<const N: usize>(numbers: [usize; N]) -> Fate {
    Box::new(move |number, _| numbers.contains(&number))
}

pub(super) fn first(count: usize) -> Fate {
    Box::new(move |number, _| number < count)
}

pub(super) fn everything_until(end: Instant) -> Fate {
    Box::new(move |_, now| now < end)
}

/// Loses one record in this many, the same ones in each run.
pub(super) fn one_in(share: u64, seed: u64) -> Fate {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    Box::new(move |_, _| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.is_multiple_of(share)
    })
}

// === impl Simulation ===

impl Simulation {
    /// Two connections that have exchanged a few messages, so that each has measured the round trip.
    pub(super) fn connected() -> Self {
        let mut simulation = Self::connecting();
        simulation.open();
        for _ in 0..8 {
            for from in [0, 1] {
                simulation.say(from, "how do you do");
                simulation.pass(4 * DELAY);
            }
        }
        simulation.forget();
        simulation
    }

    /// Two connections before their handshake.
    pub(super) fn connecting() -> Self {
        let now = Instant::now();
        let peers = Peer::pair(now).unwrap();
        let channels = peers.each_ref().map(|peer| peer.shared.state.lock().channels()[0].clone());
        let directions = [(); 2].map(|()| Direction::new());
        Self { now, peers, channels, directions, under_way: BinaryHeap::new(), count: 0 }
    }

    /// Runs until both channels are open.
    pub(super) fn open(&mut self) {
        let channels = self.channels.clone();
        self.until(|_| channels.iter().all(|channel| channel.state() == DataChannelState::Open));
    }

    /// Makes a peer open another channel, which it uses from now on.
    pub(super) fn change_channel(&mut self, from: usize, init: &DataChannelInit) {
        let channel = self.peers[from].open("another", init).unwrap();
        self.channels[from] = channel.clone();
        self.sync(from);
        self.until(|_| channel.state() == DataChannelState::Open);
        self.pass(4 * DELAY);
        self.forget();
    }

    /// Adds a channel of `from`, which opens with the others.
    pub(super) fn add_channel(&mut self, from: usize, label: &str, init: &DataChannelInit) {
        self.peers[from].open(label, init).unwrap();
        self.sync(from);
    }

    /// Runs until `number` of the peer's channels are open.
    pub(super) fn until_open(&mut self, peer: usize, number: usize) {
        self.until(|simulation| {
            let state = simulation.peers[peer].shared.state.lock();
            state.channels().iter().filter(|one| one.state() == DataChannelState::Open).count() >= number
        });
    }

    /// Sets which records of `from` are lost from now on.
    pub(super) fn lose(&mut self, from: usize, fate: Fate) {
        self.directions[from].fate = fate;
        self.directions[from].records = 0;
    }

    pub(super) fn disorder(&mut self, jitter: fn(usize) -> Duration) {
        self.directions.iter_mut().for_each(|direction| direction.jitter = jitter);
    }

    pub(super) fn say(&mut self, from: usize, text: &str) {
        self.channels[from].send(text.as_bytes(), false).unwrap();
        self.sync(from);
    }

    /// The number of records that `from` has sent since [`Self::lose`] or [`Self::forget`].
    pub(super) fn records(&self, from: usize) -> usize {
        self.directions[from].records
    }

    /// The messages of `from` that the other peer received.
    pub(super) fn heard(&self, from: usize) -> &[Message] {
        &self.directions[from].heard
    }

    /// Runs until this many messages of `from` have arrived.
    pub(super) fn until_heard(&mut self, from: usize, count: usize) {
        self.until(|simulation| simulation.heard(from).len() >= count);
    }

    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while self.next() <= end {
            self.step();
        }
        self.now = end;
    }

    fn until(&mut self, reached: impl Fn(&Self) -> bool) {
        let end = self.now + HANG;
        while !reached(self) {
            assert!(self.now < end, "nothing more happens");
            self.step();
        }
    }

    fn forget(&mut self) {
        for direction in &mut self.directions {
            direction.records = 0;
            direction.heard.clear();
        }
    }

    fn next(&self) -> Instant {
        let deadlines = self.peers.iter().map(|peer| peer.engine.deadline(self.now));
        deadlines.chain(self.under_way.peek().map(|Reverse(datagram)| datagram.due)).min().unwrap()
    }

    fn step(&mut self) {
        self.now = self.next();
        while let Some(Reverse(Datagram { due, .. })) = self.under_way.peek()
            && *due <= self.now
        {
            let Some(Reverse(Datagram { to, bytes, .. })) = self.under_way.pop() else { return };
            let [from, to_address] = [1 - to, to].map(|number| self.peers[number].address);
            self.peers[to].engine.receive(self.now, Protocol::Udp, from, to_address, &bytes);
            self.settle(to);
        }
        for number in [0, 1] {
            if self.peers[number].engine.deadline(self.now) <= self.now {
                self.peers[number].engine.timeout(self.now);
                self.settle(number);
            }
        }
    }

    fn sync(&mut self, number: usize) {
        self.peers[number].engine.sync(self.now);
        self.settle(number);
    }

    fn settle(&mut self, number: usize) {
        let engine = &mut self.peers[number].engine;
        for effect in engine.take_effects() {
            if let Effect::ChannelMessage { data, .. } = effect {
                self.directions[1 - number].heard.push(Message { at: self.now, bytes: data });
            }
        }
        for action in engine.take_network_actions() {
            if let NetworkAction::Send(transmit) = action {
                self.send(number, transmit.contents.to_vec());
            }
        }
    }

    fn send(&mut self, from: usize, bytes: Vec<u8>) {
        let late = match self.directions[from].take(self.now, &bytes) {
            Some(late) => late,
            None => return,
        };
        self.count += 1;
        let (due, number) = (self.now + DELAY + late, self.count);
        self.under_way.push(Reverse(Datagram { due, number, to: 1 - from, bytes }));
    }
}

// === impl Direction ===

impl Direction {
    fn new() -> Self {
        Self { fate: nothing(), jitter: |_| Duration::ZERO, records: 0, heard: Vec::new() }
    }

    /// How late a datagram is; `None` if it is lost.
    fn take(&mut self, now: Instant, bytes: &[u8]) -> Option<Duration> {
        if !bytes.first().is_some_and(|first| DTLS.contains(first)) {
            return Some(Duration::ZERO);
        }
        let number = self.records;
        self.records += 1;
        (!(self.fate)(number, now)).then(|| (self.jitter)(number))
    }
}
