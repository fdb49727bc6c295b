//! A connection without its sockets: commands, datagrams and time in; datagrams and effects out.
//!
//! The engine owns the `str0m` instance and keeps its one rule: every mutation is followed by a complete drain before
//! the next one. That is why only the engine may touch it, and why programs talk to it through commands and shared
//! state.

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use str0m::{
    Candidate, Event, IceConnectionState as StrIce, Input, Output, Rtc,
    net::{Protocol, Receive, Transmit},
};

use crate::{
    connection_state::{IceConnectionState, SignalingState},
    pc::{
        effect::Effect,
        engine::{
            candidates::active_tcp, channels::Links, media::Media, negotiation::Pending, stats::Counted,
        },
        sctp::{self, Line},
        shared::Shared,
        tcp_fallback::{self, TcpFallback},
        transport,
    },
};

mod candidates;
mod channels;
mod media;
mod negotiation;
mod stats;

/// Bytes of data channel payload the association may hold unacknowledged: throughput is about this much a round trip.
const SCTP_BUFFER: usize = 2 << 20;
/// The largest message accepted from a peer, in bytes; browsers announce the same.
const MAX_INCOMING_MESSAGE: u32 = 256 << 10;
/// How long a close may take to tell the peer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// `str0m` returns a distant time for "never"; timers need a nearer one.
const LONG_SLEEP: Duration = Duration::from_secs(3600);
/// Keeps the driver off the processor should a deadline ever fail to move.
const MIN_SLEEP: Duration = Duration::from_millis(1);
/// `poll_output` failures in a row after which the connection counts as broken.
const MAX_FAULTS: u32 = 16;
/// The first byte of a DTLS record is at least this (RFC 7983); smaller ones are STUN.
const FIRST_DTLS_BYTE: u8 = 20;

pub(crate) struct Engine {
    rtc: Rtc,
    line: Line,
    shared: Arc<Shared>,
    pending: Pending,
    links: Links,
    media: Media,
    counted: Counted,
    tcp: TcpFallback,
    tcp_candidates: Vec<Candidate>,
    /// Whether the nominated pair uses TCP, judged by the transport of outgoing DTLS.
    over_tcp: bool,
    /// The peer's end of the nominated pair, and when it last sent something.
    peer: Option<SocketAddr>,
    heard: Instant,
    silent: bool,
    outbox: Vec<NetworkAction>,
    effects: Vec<Effect>,
    rtc_deadline: Instant,
    closing_until: Option<Instant>,
    /// The peer closed, or the transport broke: no more data can come.
    ended: bool,
    faults: u32,
}

/// The engine's requests to the network.
pub(crate) enum NetworkAction {
    Send(Transmit),
    CloseTcp,
}

/// A fresh `str0m` instance: Opus, VP8 and H.264 are negotiated, RTP comes packet by packet.
fn new_rtc(now: Instant) -> (Rtc, Line) {
    let config = Rtc::builder()
        .set_rtp_mode(true)
        .clear_codecs()
        .enable_opus(true, true)
        .enable_vp8(true)
        .enable_h264(true)
        .set_stats_interval(Some(stats::INTERVAL))
        .set_sctp_max_buffered_amount(SCTP_BUFFER)
        .set_sctp_max_message_size(MAX_INCOMING_MESSAGE);
    sctp::build(config, now)
}

impl Engine {
    pub(crate) fn new(shared: Arc<Shared>, now: Instant) -> Self {
        let (rtc, line) = new_rtc(now);
        Self {
            rtc,
            line,
            shared,
            pending: Pending::None,
            links: Links::default(),
            media: Media::default(),
            counted: Counted::default(),
            tcp: TcpFallback::default(),
            tcp_candidates: Vec::new(),
            over_tcp: false,
            peer: None,
            heard: now,
            silent: false,
            outbox: Vec::new(),
            effects: Vec::new(),
            rtc_deadline: now,
            closing_until: None,
            ended: false,
            faults: 0,
        }
    }

    /// Adds addresses at which this side can be reached. They go into every description.
    pub(crate) fn add_local_addresses(&mut self, candidates: Vec<Candidate>, now: Instant) {
        for candidate in candidates {
            self.tcp_candidates.extend(active_tcp(candidate.addr()));
            self.rtc.add_local_candidate(candidate);
            self.drain(now);
        }
    }

    /// The latest time at which [`Engine::timeout`] has to be called.
    pub(crate) fn deadline(&self, now: Instant) -> Instant {
        let transport = self.shared.state.lock().transport.deadline();
        let silence = self.listens().then_some(self.heard + transport::SILENCE);
        let rtc = self.rtc.is_alive().then_some(self.rtc_deadline);
        let deadlines = [rtc, transport, silence, self.tcp.deadline(), self.closing_until];
        let soonest = deadlines.into_iter().flatten().min().unwrap_or(now + LONG_SLEEP);
        soonest.clamp(now, now + LONG_SLEEP)
    }

    /// The connection is closed and the peer was told, as far as possible.
    pub(crate) fn is_finished(&self, now: Instant) -> bool {
        self.closing_until.is_some_and(|until| until <= now || !self.rtc.is_alive())
    }

    pub(crate) fn take_network_actions(&mut self) -> Vec<NetworkAction> {
        std::mem::take(&mut self.outbox)
    }

    pub(crate) fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Takes one datagram, or one frame of a TCP stream. Datagrams of strangers must end here.
    pub(crate) fn receive(
        &mut self,
        now: Instant,
        proto: Protocol,
        source: SocketAddr,
        destination: SocketAddr,
        data: &[u8],
    ) {
        match Receive::new(proto, source, destination, data) {
            Ok(receive) => {
                self.hear(now, source);
                self.counted.received(now, data.len());
                self.input(Input::Receive(now, receive), now);
            }
            Err(error) => log::trace!("dropped {} bytes from {source}: {error}", data.len()),
        }
    }

    pub(crate) fn timeout(&mut self, now: Instant) {
        if self.rtc.is_alive() && self.rtc_deadline <= now {
            self.kick(now);
            self.rtc_deadline = self.rtc_deadline.max(now + MIN_SLEEP);
        }
        self.transport_event(now, transport::Event::Timeout);
        if self.listens() && self.heard + transport::SILENCE <= now {
            self.silent = true;
            self.transport_event(now, transport::Event::Silent);
        }
        match self.tcp.step(now, tcp_fallback::Event::Timeout { over_tcp: self.over_tcp }) {
            Some(tcp_fallback::Action::Start) => self.start_tcp(now),
            Some(tcp_fallback::Action::Stop) => self.stop_tcp(now),
            None => {}
        }
    }

    /// Reads the changes that programs made by calls that do not wait: channels, messages and sound to send, a close.
    pub(crate) fn sync(&mut self, now: Instant) {
        let (closed, needed) = {
            let mut state = self.shared.state.lock();
            (state.is_closed(), state.take_negotiation_needed())
        };
        if closed {
            self.close(now);
            return;
        }
        self.effects.extend(needed);
        self.sync_channels(now);
        self.sync_media(now);
    }

    /// Whether silence of the peer would be an event.
    fn listens(&self) -> bool {
        self.peer.is_some() && !self.silent && self.rtc.is_alive()
    }

    /// Records a datagram of the peer; strangers do not count. An attacker can forge the peer's address, but that only
    /// delays the event of an outage.
    fn hear(&mut self, now: Instant, source: SocketAddr) {
        if self.peer != Some(source) {
            return;
        }
        self.heard = now;
        if std::mem::take(&mut self.silent) {
            self.transport_event(now, transport::Event::Heard);
        }
    }

    fn close(&mut self, now: Instant) {
        if self.closing_until.is_some() {
            return;
        }
        self.closing_until = Some(now + CLOSE_TIMEOUT);
        self.line.log_counts();
        self.close_all_channels();
        self.effects.push(Effect::Signaling(SignalingState::Closed));
        let was_secured = self.shared.state.lock().transport.is_secured();
        self.transport_event(now, transport::Event::Closed);
        if !was_secured {
            self.closing_until = Some(now);
        }
        if let Err(error) = self.rtc.close() {
            log::debug!("the peer could not be told of the close: {error}");
        }
        self.drain(now);
    }

    /// Lets `str0m` act on its input: its clocks and its checks only start with a timeout.
    fn kick(&mut self, now: Instant) {
        self.input(Input::Timeout(now), now);
    }

    fn input(&mut self, input: Input<'_>, now: Instant) {
        self.line.at(now);
        if let Err(error) = self.rtc.handle_input(input) {
            log::debug!("input refused: {error}");
        }
        self.drain(now);
        self.sync_channels(now);
    }

    /// Takes the output of `str0m` until it only wants to wait.
    fn drain(&mut self, now: Instant) {
        self.line.at(now);
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.rtc_deadline = at;
                    break;
                }
                Ok(Output::Transmit(transmit)) => self.transmit(now, transmit),
                Ok(Output::Event(event)) => self.event(now, event),
                Err(error) if self.is_fatal(&error) => {
                    self.break_off(now, &error.to_string());
                    break;
                }
                Err(_) => {}
            }
        }
        if !self.rtc.is_alive() {
            self.peer_closed(now);
        }
    }

    /// A few faults may be bad packets; a series of them, or a dead instance, is the end of the connection.
    fn is_fatal(&mut self, error: &str0m::RtcError) -> bool {
        self.faults += 1;
        log::warn!("WebRTC fault {}: {error}", self.faults);
        !self.rtc.is_alive() || self.faults >= MAX_FAULTS
    }

    fn break_off(&mut self, now: Instant, reason: &str) {
        log::error!("the peer connection failed: {reason}; create a new one");
        self.ended = true;
        self.close_all_channels();
        self.rtc.disconnect();
        self.transport_event(now, transport::Event::Broken);
    }

    fn transmit(&mut self, now: Instant, transmit: Transmit) {
        if transmit.contents.first().is_some_and(|first| *first >= FIRST_DTLS_BYTE) {
            self.over_tcp = transmit.proto == Protocol::Tcp;
            if self.peer.replace(transmit.destination) != Some(transmit.destination) {
                self.heard = now;
                self.counted.pair_changed();
            }
        }
        self.counted.sent(now, transmit.contents.len());
        self.outbox.push(NetworkAction::Send(transmit));
    }

    fn event(&mut self, now: Instant, event: Event) {
        self.faults = 0;
        match event {
            Event::Connected => {
                self.transport_event(now, transport::Event::Secured);
                // The next `sync` attaches the sources.
                self.shared.wake.notify_one();
            }
            Event::RtpPacket(packet) => self.rtp_packet(now, &packet),
            Event::PeerStats(stats) => self.counted.peer(stats),
            Event::MediaEgressStats(stats) => self.counted.egress(stats),
            Event::MediaIngressStats(stats) => self.counted.ingress(stats),
            Event::IceConnectionStateChange(state) => self.ice_changed(now, state),
            Event::ChannelOpen(id, label) => self.channel_opened(id, &label),
            Event::ChannelData(data) => self.channel_data(data),
            Event::ChannelClose(id) => self.channel_closed(id),
            Event::Closed => self.peer_closed(now),
            _ => {}
        }
    }

    fn ice_changed(&mut self, now: Instant, state: StrIce) {
        let state = match state {
            StrIce::New => IceConnectionState::New,
            StrIce::Checking => IceConnectionState::Checking,
            StrIce::Connected => IceConnectionState::Connected,
            StrIce::Completed => IceConnectionState::Completed,
            StrIce::Disconnected => IceConnectionState::Disconnected,
        };
        self.transport_event(now, transport::Event::Ice(state));
        let tcp = match state {
            IceConnectionState::Connected | IceConnectionState::Completed => tcp_fallback::Event::Connected,
            IceConnectionState::Disconnected => tcp_fallback::Event::Disconnected,
            _ => return,
        };
        self.tcp.step(now, tcp);
    }

    fn peer_closed(&mut self, now: Instant) {
        if self.closing_until.is_none() && !self.ended {
            self.ended = true;
            self.close_all_channels();
            self.transport_event(now, transport::Event::PeerClosed);
        }
    }

    fn transport_event(&mut self, now: Instant, event: transport::Event) {
        let effects = self.shared.state.lock().transport.step(now, event);
        for effect in &effects {
            if let Effect::Connection(state) = effect {
                log::debug!("peer connection is {state:?}");
            }
        }
        self.effects.extend(effects);
    }

    fn remote_candidate(&mut self, now: Instant, candidate: &Candidate) {
        let tcp = candidate.proto() != Protocol::Udp;
        self.tcp.step(now, tcp_fallback::Event::RemoteCandidate { tcp });
    }

    fn start_tcp(&mut self, now: Instant) {
        log::debug!("UDP did not come up: trying ICE over TCP");
        for candidate in self.tcp_candidates.clone() {
            self.rtc.add_local_candidate(candidate);
            self.drain(now);
        }
        self.kick(now);
    }

    fn stop_tcp(&mut self, now: Instant) {
        log::debug!("UDP works: giving ICE over TCP up");
        for candidate in self.tcp_candidates.clone() {
            self.rtc.direct_api().invalidate_candidate(&candidate);
            self.drain(now);
        }
        self.outbox.push(NetworkAction::CloseTcp);
    }
}
