//! Connections without sockets, for fuzzing: two engines in one thread, and a clock that only they see.

use std::{
    cell::RefCell,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use str0m::{Candidate, net::Protocol};
use tokio::sync::{Notify, mpsc};

use crate::{
    RtcError,
    data_channel::{DataChannelInit, DataChannelState},
    pc::{
        Shared, channel,
        channel::Channel,
        effect::Callbacks,
        engine::{Engine, NetworkAction},
        link::Link,
        state::State,
        transceiver::{Kind, Transceiver},
    },
    peer_connection::OfferOptions,
    peer_connection_factory::RtcConfiguration,
    rtp_transceiver::{RtpTransceiverDirection, RtpTransceiverInit},
    session_description::{SdpType, SessionDescription},
};

/// How far a turn of both engines moves their clock.
const STEP: Duration = Duration::from_millis(5);
/// Two engines that hear each other are connected long before.
const STEPS: u32 = 2_000;

struct Peer {
    address: SocketAddr,
    engine: Engine,
    shared: Arc<Shared>,
}

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

/// Gives the first of two connected peers datagrams in the name of the second.
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

// === impl Peer ===

impl Peer {
    /// With one transceiver of each kind and a data channel.
    fn new(number: u8, now: Instant) -> Result<Self, RtcError> {
        let address = SocketAddr::from(([10, 0, 0, number], 1000));
        let candidates: Vec<Candidate> = Candidate::host(address, Protocol::Udp).into_iter().collect();
        let wake = Arc::new(Notify::new());
        let link = Link::new(wake.clone(), &mpsc::channel(1).0);
        let mut state = State::new(RtcConfiguration::default(), candidates.clone(), link.clone());
        for kind in [Kind::Audio, Kind::Video] {
            let init = RtpTransceiverInit {
                direction: RtpTransceiverDirection::SendRecv,
                stream_ids: Vec::new(),
                send_encodings: Vec::new(),
            };
            state.add_transceiver(Arc::new(Transceiver::new(kind, None, init, link.clone())))?;
        }
        let config = channel::config_of("chat", &DataChannelInit::default())?;
        state.add_channel(Arc::new(Channel::new(config, DataChannelState::Connecting, wake.clone())))?;
        let shared = Arc::new(Shared { state: Mutex::new(state), callbacks: Callbacks::default(), wake });
        let mut engine = Engine::new(shared.clone(), now);
        engine.add_local_addresses(candidates, now);
        Ok(Self { address, engine, shared })
    }

    fn offer(&mut self, now: Instant) -> Result<SessionDescription, RtcError> {
        let offer = self.engine.create_offer(now, &OfferOptions::default())?;
        self.engine.set_local(now, offer.clone())?;
        Ok(offer)
    }
}

// === impl Pair ===

impl Pair {
    fn connected() -> Option<Self> {
        let now = Instant::now();
        let [mut a, mut b] = [Peer::new(1, now).ok()?, Peer::new(2, now).ok()?];
        b.engine.set_remote(now, a.offer(now).ok()?).ok()?;
        let answer = b.engine.create_answer().ok()?;
        b.engine.set_local(now, answer.clone()).ok()?;
        a.engine.set_remote(now, answer).ok()?;
        let mut pair = Self { now, peers: [a, b] };
        for _ in 0..STEPS {
            pair.step();
            if pair.is_up() {
                return Some(pair);
            }
        }
        None
    }

    fn is_up(&self) -> bool {
        self.peers.iter().all(|peer| {
            let state = peer.shared.state.lock();
            state.transport.is_secured() && !state.is_closed()
        })
    }

    /// Carries what either has to say to the other, and moves the clock.
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
