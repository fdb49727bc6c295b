//! Peers, their signalling, and waiting for their events.

use std::{fmt::Debug, time::Duration};

use libwebrtc::{
    peer_connection::IceCandidateError,
    peer_connection_factory::{PeerConnectionFactory, RtcConfiguration},
    prelude::*,
};
use tokio::sync::mpsc;

pub(crate) mod relay;
pub(crate) mod turn;

/// Only a hang takes this long: nothing is asserted about speed.
const HANG: Duration = Duration::from_secs(60);

/// A connection and its events.
pub(crate) struct Peer {
    pub(crate) pc: PeerConnection,
    pub(crate) states: Events<PeerConnectionState>,
    pub(crate) channels: Events<DataChannel>,
    pub(crate) tracks: Events<String>,
    pub(crate) candidates: Events<String>,
    pub(crate) candidate_errors: Events<IceCandidateError>,
    pub(crate) gathering: Events<IceGatheringState>,
}

/// A data channel and its events.
pub(crate) struct Line {
    pub(crate) channel: DataChannel,
    pub(crate) states: Events<DataChannelState>,
    pub(crate) messages: Events<(Vec<u8>, bool)>,
    pub(crate) sent: Events<u64>,
}

pub(crate) struct Events<T>(mpsc::UnboundedReceiver<T>);

impl Peer {
    pub(crate) fn new() -> Self {
        Self::with(RtcConfiguration::default())
    }

    pub(crate) fn with(config: RtcConfiguration) -> Self {
        let pc = PeerConnectionFactory::default().create_peer_connection(config).unwrap();
        let (state, states) = mpsc::unbounded_channel();
        pc.on_connection_state_change(Some(Box::new(move |new| _ = state.send(new))));
        let (channel, channels) = mpsc::unbounded_channel();
        pc.on_data_channel(Some(Box::new(move |new| _ = channel.send(new))));
        let (track, tracks) = mpsc::unbounded_channel();
        pc.on_track(Some(Box::new(move |event| {
            let streams: Vec<_> = event.streams.iter().map(MediaStream::id).collect();
            _ = track.send(format!("{} in {}", event.track.id(), streams.join(",")));
        })));
        let (candidate, candidates) = mpsc::unbounded_channel();
        pc.on_ice_candidate(Some(Box::new(move |new| _ = candidate.send(new.candidate()))));
        let (error, candidate_errors) = mpsc::unbounded_channel();
        pc.on_ice_candidate_error(Some(Box::new(move |new| _ = error.send(new))));
        let (state, gathering) = mpsc::unbounded_channel();
        pc.on_ice_gathering_state_change(Some(Box::new(move |new| _ = state.send(new))));
        Self {
            pc,
            states: Events(states),
            channels: Events(channels),
            tracks: Events(tracks),
            candidates: Events(candidates),
            candidate_errors: Events(candidate_errors),
            gathering: Events(gathering),
        }
    }

    pub(crate) async fn offer(&self) -> SessionDescription {
        let offer = self.pc.create_offer(OfferOptions::default()).await.unwrap();
        self.pc.set_local_description(offer.clone()).await.unwrap();
        offer
    }

    pub(crate) async fn answer(&self, offer: SessionDescription) -> SessionDescription {
        self.pc.set_remote_description(offer).await.unwrap();
        let answer = self.pc.create_answer(AnswerOptions::default()).await.unwrap();
        self.pc.set_local_description(answer.clone()).await.unwrap();
        answer
    }

    pub(crate) async fn connected(&mut self) {
        self.states.until(|state| *state == PeerConnectionState::Connected).await;
    }

    pub(crate) fn line(&self, label: &str, init: DataChannelInit) -> Line {
        Line::over(self.pc.create_data_channel(label, init).unwrap())
    }
}

impl Line {
    pub(crate) fn over(channel: DataChannel) -> Self {
        let (state, states) = mpsc::unbounded_channel();
        channel.on_state_change(Some(Box::new(move |new| _ = state.send(new))));
        let (message, messages) = mpsc::unbounded_channel();
        channel.on_message(Some(Box::new(move |buffer| {
            _ = message.send((buffer.data.to_vec(), buffer.binary))
        })));
        let (bytes, sent) = mpsc::unbounded_channel();
        channel.on_buffered_amount_change(Some(Box::new(move |count| _ = bytes.send(count))));
        Self { channel, states: Events(states), messages: Events(messages), sent: Events(sent) }
    }

    pub(crate) async fn open(&mut self) {
        if self.channel.state() != DataChannelState::Open {
            self.states.until(|state| *state == DataChannelState::Open).await;
        }
    }

    pub(crate) async fn closed(&mut self) {
        if self.channel.state() != DataChannelState::Closed {
            self.states.until(|state| *state == DataChannelState::Closed).await;
        }
    }
}

impl<T: Debug> Events<T> {
    pub(crate) async fn next(&mut self) -> T {
        let next = tokio::time::timeout(HANG, self.0.recv()).await;
        next.expect("nothing happened for a minute").expect("the connection is gone")
    }

    pub(crate) async fn until(&mut self, wanted: impl Fn(&T) -> bool) -> T {
        loop {
            let event = self.next().await;
            if wanted(&event) {
                return event;
            }
        }
    }

    pub(crate) fn so_far(&mut self) -> Vec<T> {
        std::iter::from_fn(|| self.0.try_recv().ok()).collect()
    }
}

/// One offer/answer exchange.
pub(crate) async fn negotiate(offerer: &Peer, answerer: &Peer) {
    let answer = answerer.answer(offerer.offer().await).await;
    offerer.pc.set_remote_description(answer).await.unwrap();
}

/// Signals the candidates of either side as they appear, until both are connected. Returns the signalled candidates.
pub(crate) async fn trickle(a: &mut Peer, b: &mut Peer) -> Vec<String> {
    let (mut told, mut ends) = (Vec::new(), [a, b]);
    let start = std::time::Instant::now();
    while ends.iter().any(|peer| peer.pc.connection_state() != PeerConnectionState::Connected) {
        let errors = |peer: &mut &mut Peer| peer.candidate_errors.so_far();
        assert!(
            start.elapsed() < HANG,
            "no connection with {told:?}, errors {:?}, {:?}",
            ends.each_mut().map(errors),
            ends.each_ref().map(|peer| peer.pc.ice_gathering_state())
        );
        for from in [0, 1] {
            for candidate in ends[from].candidates.so_far() {
                let parsed = IceCandidate::parse("0", 0, &candidate).unwrap();
                ends[1 - from].pc.add_ice_candidate(parsed).await.unwrap();
                told.push(candidate);
            }
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    told
}

/// Two peers with one open in-band channel between them: the end of the offerer, then that of the answerer.
pub(crate) async fn connected_pair(init: DataChannelInit) -> (Peer, Line, Peer, Line) {
    let (a, mut b) = (Peer::new(), Peer::new());
    let mut near = a.line("chat", init);
    negotiate(&a, &b).await;
    let mut far = Line::over(b.channels.next().await);
    near.open().await;
    far.open().await;
    (a, near, b, far)
}

/// Waits for a condition that no event reports.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(start.elapsed() < HANG, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
