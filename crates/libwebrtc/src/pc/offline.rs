//! Connections without sockets: engines of one thread with a simulated clock.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use parking_lot::Mutex;
use str0m::{Candidate, net::Protocol};
use tokio::sync::{Notify, mpsc};

use crate::{
    RtcError,
    channel_init::{DataChannelInit, DataChannelState},
    configuration::RtcConfiguration,
    connection_state::OfferOptions,
    direction::RtpTransceiverDirection,
    pc::{
        channel::{self, Channel},
        effect::Callbacks,
        engine::Engine,
        link::Link,
        shared::Shared,
        state::State,
        transceiver::{Kind, Transceiver},
    },
    session_description::SessionDescription,
    transceiver_init::RtpTransceiverInit,
};

pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) engine: Engine,
    pub(super) shared: Arc<Shared>,
}

// === impl Peer ===

impl Peer {
    /// A connection with one transceiver of each kind and a data channel.
    pub(super) fn new(number: u8, now: Instant) -> Result<Self, RtcError> {
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
        let shared = Arc::new(Shared { state: Mutex::new(state), callbacks: Callbacks::default(), wake });
        let mut engine = Engine::new(shared.clone(), now);
        engine.add_local_addresses(candidates, now);
        let peer = Self { address, engine, shared };
        peer.open("chat", &DataChannelInit::default())?;
        Ok(peer)
    }

    /// Two connections that know each other's descriptions and connect as soon as datagrams pass between them.
    pub(super) fn pair(now: Instant) -> Result<[Self; 2], RtcError> {
        let [mut a, mut b] = [Self::new(1, now)?, Self::new(2, now)?];
        b.engine.set_remote(now, a.offer(now)?)?;
        let answer = b.engine.create_answer()?;
        b.engine.set_local(now, answer.clone())?;
        a.engine.set_remote(now, answer)?;
        Ok([a, b])
    }

    pub(super) fn open(&self, label: &str, init: &DataChannelInit) -> Result<Arc<Channel>, RtcError> {
        let config = channel::config_of(label, init)?;
        let channel = Arc::new(Channel::new(config, DataChannelState::Connecting, self.shared.wake.clone()));
        self.shared.state.lock().add_channel(channel.clone())?;
        Ok(channel)
    }

    pub(super) fn offer(&mut self, now: Instant) -> Result<SessionDescription, RtcError> {
        let offer = self.engine.create_offer(now, &OfferOptions::default())?;
        self.engine.set_local(now, offer.clone())?;
        Ok(offer)
    }

    pub(super) fn is_up(&self) -> bool {
        let state = self.shared.state.lock();
        state.transport.is_secured() && !state.is_closed()
    }
}
