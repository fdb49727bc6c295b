//! Connections without sockets, for fuzzing: two engines in one thread, and a simulated clock.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use str0m::net::Protocol;

use crate::{
    pc::{engine::NetworkAction, offline::Peer, sctp},
    sdp_type::SdpType,
    session_description::SessionDescription,
};

/// The clock's progress in one step of both engines.
const STEP: Duration = Duration::from_millis(5);
/// More steps than two engines need to connect.
const STEPS: u32 = 2_000;

struct Pair {
    now: Instant,
    peers: [Peer; 2],
}

thread_local!(static PAIR: RefCell<Option<Pair>> = const { RefCell::new(None) });

/// Applies a description, and answers an offer.
pub(crate) fn describe(description: SessionDescription) {
    let now = Instant::now();
    let Ok(mut peer) = Peer::new(1, now) else { return };
    if description.sdp_type() == SdpType::Answer {
        _ = peer.offer(now);
    }
    if peer.engine.set_remote(now, description).is_ok()
        && let Ok(answer) = peer.engine.create_answer()
    {
        _ = peer.engine.set_local(now, answer);
    }
    peer.engine.timeout(now + STEP);
}

/// Gives datagrams, in the name of the second peer, to the first of two connected peers.
pub(crate) fn datagrams(datagrams: &[&[u8]]) {
    PAIR.with_borrow_mut(|kept| {
        let Some(mut pair) = kept.take().or_else(Pair::connected) else {
            panic!("two peers that hear each other do not connect");
        };
        let [victim, stranger] = [pair.peers[0].address, pair.peers[1].address];
        for datagram in datagrams {
            let engine = &mut pair.peers[0].engine;
            engine.receive(pair.now, Protocol::Udp, stranger, victim, datagram);
            pair.step();
        }
        *kept = Some(pair).filter(Pair::is_up);
    });
}

/// Lets an association send and receive packets.
pub(crate) fn sctp(packets: &[&[u8]]) {
    sctp::fuzz(packets.iter().filter_map(|packet| {
        let (first, packet) = packet.split_first()?;
        Some((first % 2 == 1, Duration::from_millis(u64::from(first / 2)), packet))
    }));
}

// === impl Pair ===

impl Pair {
    fn connected() -> Option<Self> {
        let now = Instant::now();
        let mut pair = Self { now, peers: Peer::pair(now).ok()? };
        for _ in 0..STEPS {
            pair.step();
            if pair.is_up() {
                return Some(pair);
            }
        }
        None
    }

    fn is_up(&self) -> bool {
        self.peers.iter().all(Peer::is_up)
    }

    /// Carries the output of each engine to the other, and moves the clock.
    fn step(&mut self) {
        self.now += STEP;
        for (from, to) in [(0, 1), (1, 0)] {
            let engine = &mut self.peers[from].engine;
            engine.timeout(self.now);
            engine.sync(self.now);
            drop(engine.take_effects());
            for action in engine.take_network_actions() {
                if let NetworkAction::Send(transmit) = action {
                    let (source, destination) = (transmit.source, transmit.destination);
                    let receiver = &mut self.peers[to].engine;
                    receiver.receive(self.now, transmit.proto, source, destination, &transmit.contents);
                }
            }
        }
    }
}
