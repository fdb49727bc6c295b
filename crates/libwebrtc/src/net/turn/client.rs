//! A TURN client as a pure state machine: messages of the server, datagrams for peers and time in; the same out.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use md5::{Digest, Md5};

use crate::net::{
    UNREACHABLE,
    stun::{
        message::{Builder, Class, Message, Method, TransactionId, attribute, new_transaction},
        retransmission::{Due, Retransmission},
    },
    turn::{
        Credentials,
        framing::{read_channel_data, write_channel_data},
        peers::{Access, Channel, Peers},
    },
};

const UNAUTHORIZED: u16 = 401;
const STALE_NONCE: u16 = 438;
/// How often one request is repeated with new credentials or a new nonce.
const MAX_CHALLENGES: u8 = 3;
/// The requested lifetime, and the granted one of a server that names none.
const LIFETIME: Duration = Duration::from_secs(600);
/// A client refreshes no more often than the lower bound, and does not rely on more than an hour.
const GRANTED: std::ops::RangeInclusive<u64> = 20..=3600;
/// The allocation is refreshed this long before its end, or half-way when it is short.
const MARGIN: Duration = Duration::from_secs(60);
/// The protocol number of UDP, which the relay uses with peers.
const UDP: u8 = 17;
/// The first byte of DTLS and RTP (RFC 7983). With such data the path is chosen, and a channel is worth its request.
const FIRST_PAYLOAD_BYTE: u8 = 20;

pub(super) struct Client {
    credentials: Credentials,
    /// Whether the link is a stream, which is reliable and needs padding.
    stream: bool,
    session: Option<Session>,
    phase: Phase,
    requests: Vec<Request>,
    peers: Peers,
    dropped: u64,
}

/// The server's challenge, and the key that follows from it.
struct Session {
    realm: String,
    nonce: Vec<u8>,
    key: [u8; 16],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Allocating,
    Live { refresh_at: Instant },
    Ended,
}

struct Request {
    purpose: Purpose,
    transaction: TransactionId,
    bytes: Vec<u8>,
    retransmission: Retransmission,
    challenges: u8,
    signed: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Allocate,
    Refresh,
    Release,
    Permission(SocketAddr),
    Bind(SocketAddr, u16),
}

#[derive(Debug)]
pub(super) enum Event<'a> {
    Start,
    /// A datagram for a peer.
    Send {
        peer: SocketAddr,
        data: &'a [u8],
    },
    /// A message from the server.
    Received(&'a [u8]),
    /// Ask the server whether the allocation still exists.
    Probe,
    /// The link to the server is gone.
    Lost(&'a str),
    Release,
    Timeout,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Action {
    Transmit(Vec<u8>),
    Allocated(SocketAddr),
    /// A datagram from a peer.
    Data {
        peer: SocketAddr,
        data: Vec<u8>,
    },
    /// The allocation was refused or is gone. No action follows.
    Ended {
        code: u16,
        text: String,
    },
}

impl Client {
    pub(super) fn new(credentials: Credentials, stream: bool) -> Self {
        Self {
            credentials,
            stream,
            session: None,
            phase: Phase::Idle,
            requests: Vec::new(),
            peers: Peers::new(),
            dropped: 0,
        }
    }

    /// Datagrams that did not reach the server or a peer because of this client.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When an [`Event::Timeout`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let requests = self.requests.iter().map(|request| request.retransmission.deadline()).min();
        let refresh = match self.phase {
            Phase::Live { refresh_at } if !self.is_asking(Purpose::Refresh) => Some(refresh_at),
            _ => None,
        };
        [requests, refresh, self.peers.deadline()].into_iter().flatten().min()
    }

    pub(super) fn step(&mut self, now: Instant, event: Event<'_>) -> Vec<Action> {
        let mut actions = Vec::new();
        match (event, self.phase) {
            (Event::Start, Phase::Idle) => {
                self.phase = Phase::Allocating;
                self.ask(now, Purpose::Allocate, &mut actions);
            }
            (_, Phase::Idle | Phase::Ended) | (Event::Start, _) => {}
            (Event::Send { peer, data }, _) => self.send(now, peer, data, &mut actions),
            (Event::Received(bytes), _) => self.received(now, bytes, &mut actions),
            (Event::Lost(why), _) => self.end(UNREACHABLE, why, &mut actions),
            (Event::Probe, Phase::Live { .. }) if !self.is_asking(Purpose::Refresh) => {
                self.ask(now, Purpose::Refresh, &mut actions);
            }
            (Event::Probe, _) => {}
            (Event::Release, phase) => {
                // The client does not wait for the answer: if the request is lost the allocation ends with its
                // lifetime.
                if matches!(phase, Phase::Live { .. }) {
                    self.ask(now, Purpose::Release, &mut actions);
                }
                self.phase = Phase::Ended;
                self.requests.clear();
            }
            (Event::Timeout, _) => self.timeout(now, &mut actions),
        }
        actions
    }

    fn send(&mut self, now: Instant, address: SocketAddr, data: &[u8], actions: &mut Vec<Action>) {
        if !matches!(self.phase, Phase::Live { .. }) {
            self.dropped += 1;
            return;
        }
        let stream = self.stream;
        let peer = self.peers.used(now, address);
        match peer.access {
            Access::Unknown => self.dropped += u64::from(!peer.hold(data)),
            Access::Granted => {
                let Some(bytes) = envelope(peer.channel, address, data, stream) else {
                    self.dropped += 1;
                    return;
                };
                actions.push(Action::Transmit(bytes));
            }
            Access::Refused => self.dropped += 1,
        }
        let (access, channel, asking) = (peer.access, peer.channel, peer.asking);
        let is_payload = data.first().is_some_and(|first| *first >= FIRST_PAYLOAD_BYTE);
        if asking {
            return;
        }
        if access == Access::Unknown {
            self.ask(now, Purpose::Permission(address), actions);
        } else if access == Access::Granted && channel == Channel::None && is_payload {
            let number = self.peers.new_channel();
            self.ask(now, Purpose::Bind(address, number), actions);
        }
    }

    fn received(&mut self, now: Instant, bytes: &[u8], actions: &mut Vec<Action>) {
        if let Some((number, data)) = read_channel_data(bytes) {
            match self.peers.by_channel(number) {
                Some(peer) => actions.push(Action::Data { peer, data: data.to_vec() }),
                None => self.dropped += 1,
            }
            return;
        }
        match Message::parse(bytes) {
            Some(message) if message.class == Class::Indication => self.indication(&message, actions),
            Some(message) => self.response(now, &message, actions),
            None => self.dropped += 1,
        }
    }

    fn indication(&mut self, message: &Message<'_>, actions: &mut Vec<Action>) {
        let peer = message.xor_address(attribute::XOR_PEER_ADDRESS);
        match (message.method, peer, message.get(attribute::DATA)) {
            (Method::Data, Some(peer), Some(data)) => {
                actions.push(Action::Data { peer, data: data.to_vec() })
            }
            _ => self.dropped += 1,
        }
    }

    fn response(&mut self, now: Instant, message: &Message<'_>, actions: &mut Vec<Action>) {
        let Some(index) = self.requests.iter().position(|request| {
            request.transaction == message.transaction && request.purpose.method() == message.method
        }) else {
            return;
        };
        match message.class {
            Class::Success if self.is_genuine(message) => {
                let request = self.requests.swap_remove(index);
                self.granted(now, request.purpose, message, actions);
            }
            // An attacker can send an error or a success without the key, so only harmless actions follow from them.
            Class::Error => {
                let request = self.requests.swap_remove(index);
                self.refused(now, &request, message, actions);
            }
            _ => self.dropped += 1,
        }
    }

    fn is_genuine(&self, message: &Message<'_>) -> bool {
        // A server that asks for no credentials signs nothing.
        self.session.as_ref().is_none_or(|session| message.is_authentic(&session.key))
    }

    fn granted(&mut self, now: Instant, purpose: Purpose, message: &Message<'_>, actions: &mut Vec<Action>) {
        match purpose {
            Purpose::Allocate => match message.xor_address(attribute::XOR_RELAYED_ADDRESS) {
                Some(relayed) => {
                    self.phase = Phase::Live { refresh_at: now + until_refresh(message) };
                    actions.push(Action::Allocated(relayed));
                }
                None => self.end(0, "the TURN server granted an allocation without an address", actions),
            },
            Purpose::Refresh => self.phase = Phase::Live { refresh_at: now + until_refresh(message) },
            Purpose::Release => {}
            Purpose::Permission(address) => self.permitted(now, address, None, actions),
            Purpose::Bind(address, number) => self.permitted(now, address, Some(number), actions),
        }
    }

    /// Records that the server permits a peer; a bound channel includes the permission.
    fn permitted(
        &mut self,
        now: Instant,
        address: SocketAddr,
        channel: Option<u16>,
        actions: &mut Vec<Action>,
    ) {
        let stream = self.stream;
        let Some(peer) = self.peers.get(address) else { return };
        peer.asking = false;
        peer.granted(now);
        if let Some(number) = channel {
            peer.channel = Channel::Bound(number);
        }
        let channel = peer.channel;
        let waiting = std::mem::take(&mut peer.waiting);
        let waiting = waiting.iter().filter_map(|data| envelope(channel, address, data, stream));
        actions.extend(waiting.map(Action::Transmit));
    }

    fn refused(&mut self, now: Instant, request: &Request, message: &Message<'_>, actions: &mut Vec<Action>) {
        let (code, text) = message.error();
        let challenged = match code {
            UNAUTHORIZED => !request.signed,
            STALE_NONCE => true,
            _ => false,
        };
        if challenged && request.challenges < MAX_CHALLENGES && self.take_challenge(message) {
            self.ask_again(now, request.purpose, request.challenges + 1, actions);
            return;
        }
        match request.purpose {
            Purpose::Allocate | Purpose::Refresh => self.end(code, &text, actions),
            Purpose::Release => {}
            Purpose::Permission(address) => {
                if let Some(peer) = self.peers.get(address) {
                    log::debug!("the TURN server does not relay to {address}: {code} {text}");
                    peer.asking = false;
                    self.dropped += peer.waiting.len() as u64;
                    peer.refused();
                }
            }
            Purpose::Bind(address, _) => {
                if let Some(peer) = self.peers.get(address) {
                    log::debug!("the TURN server binds no channel to {address}: {code} {text}");
                    peer.asking = false;
                    peer.channel = Channel::Refused;
                }
            }
        }
    }

    /// Stores the realm and the nonce; returns whether the message had both.
    fn take_challenge(&mut self, message: &Message<'_>) -> bool {
        let known = self.session.as_ref().map(|session| session.realm.clone());
        let realm = message.text(attribute::REALM).map(str::to_owned).or(known);
        let (Some(realm), Some(nonce)) = (realm, message.get(attribute::NONCE)) else { return false };
        let key = long_term_key(&self.credentials, &realm);
        self.session = Some(Session { realm, nonce: nonce.to_vec(), key });
        true
    }

    fn timeout(&mut self, now: Instant, actions: &mut Vec<Action>) {
        let mut unanswered = Vec::new();
        self.requests.retain_mut(|request| match request.retransmission.step(now) {
            Due::NotYet => true,
            Due::Again => {
                actions.push(Action::Transmit(request.bytes.clone()));
                true
            }
            Due::GaveUp => {
                unanswered.push(request.purpose);
                false
            }
        });
        for purpose in unanswered {
            self.unanswered(purpose, actions);
        }
        if let Phase::Live { refresh_at } = self.phase {
            if refresh_at <= now && !self.is_asking(Purpose::Refresh) {
                self.ask(now, Purpose::Refresh, actions);
            }
            for address in self.peers.due(now) {
                self.renew(now, address, actions);
            }
        }
    }

    fn unanswered(&mut self, purpose: Purpose, actions: &mut Vec<Action>) {
        match purpose {
            Purpose::Allocate | Purpose::Refresh => {
                self.end(UNREACHABLE, "the TURN server did not answer", actions)
            }
            Purpose::Release => {}
            // The next datagram for the peer asks again.
            Purpose::Permission(address) | Purpose::Bind(address, _) => self.peers.forget(address),
        }
    }

    fn renew(&mut self, now: Instant, address: SocketAddr, actions: &mut Vec<Action>) {
        let purpose = match self.peers.get(address).map(|peer| peer.channel) {
            Some(Channel::Bound(number)) => Purpose::Bind(address, number),
            _ => Purpose::Permission(address),
        };
        self.ask(now, purpose, actions);
    }

    fn ask(&mut self, now: Instant, purpose: Purpose, actions: &mut Vec<Action>) {
        self.ask_again(now, purpose, 0, actions);
    }

    fn ask_again(&mut self, now: Instant, purpose: Purpose, challenges: u8, actions: &mut Vec<Action>) {
        if let Purpose::Permission(address) | Purpose::Bind(address, _) = purpose
            && let Some(peer) = self.peers.get(address)
        {
            peer.asking = true;
        }
        let transaction = new_transaction();
        let message = purpose.request(transaction);
        let (bytes, signed) = match &self.session {
            Some(session) => (session.sign(message, &self.credentials.username), true),
            None => (message.finish(), false),
        };
        actions.push(Action::Transmit(bytes.clone()));
        let retransmission = Retransmission::start(now, self.stream);
        self.requests.push(Request { purpose, transaction, bytes, retransmission, challenges, signed });
    }

    fn is_asking(&self, purpose: Purpose) -> bool {
        self.requests.iter().any(|request| request.purpose == purpose)
    }

    fn end(&mut self, code: u16, text: &str, actions: &mut Vec<Action>) {
        if self.phase != Phase::Ended {
            self.phase = Phase::Ended;
            self.requests.clear();
            actions.push(Action::Ended { code, text: text.to_owned() });
        }
    }
}

impl Session {
    fn sign(&self, message: Builder, username: &str) -> Vec<u8> {
        message
            .put(attribute::USERNAME, username.as_bytes())
            .put(attribute::REALM, self.realm.as_bytes())
            .put(attribute::NONCE, &self.nonce)
            .sign(&self.key)
    }
}

impl Purpose {
    fn method(self) -> Method {
        match self {
            Self::Allocate => Method::Allocate,
            Self::Refresh | Self::Release => Method::Refresh,
            Self::Permission(_) => Method::CreatePermission,
            Self::Bind(..) => Method::ChannelBind,
        }
    }

    fn request(self, transaction: TransactionId) -> Builder {
        let message = Builder::new(Class::Request, self.method(), transaction);
        let lifetime = |seconds: u32| seconds.to_be_bytes();
        match self {
            Self::Allocate => message.put(attribute::REQUESTED_TRANSPORT, &[UDP, 0, 0, 0]),
            Self::Refresh => message.put(attribute::LIFETIME, &lifetime(LIFETIME.as_secs() as u32)),
            Self::Release => message.put(attribute::LIFETIME, &lifetime(0)),
            Self::Permission(peer) => message.put_xor_address(attribute::XOR_PEER_ADDRESS, peer),
            Self::Bind(peer, number) => {
                let [high, low] = number.to_be_bytes();
                message
                    .put(attribute::CHANNEL_NUMBER, &[high, low, 0, 0])
                    .put_xor_address(attribute::XOR_PEER_ADDRESS, peer)
            }
        }
    }
}

/// Wraps a datagram for a peer in the shortest format that the server accepts.
fn envelope(channel: Channel, peer: SocketAddr, data: &[u8], stream: bool) -> Option<Vec<u8>> {
    if let Channel::Bound(number) = channel {
        return write_channel_data(number, data, stream);
    }
    u16::try_from(data.len()).ok()?;
    let indication = Builder::new(Class::Indication, Method::Send, new_transaction())
        .put_xor_address(attribute::XOR_PEER_ADDRESS, peer)
        .put(attribute::DATA, data);
    Some(indication.finish())
}

fn until_refresh(message: &Message<'_>) -> Duration {
    let granted = message.number(attribute::LIFETIME).map_or(LIFETIME.as_secs(), u64::from);
    let granted = Duration::from_secs(granted.clamp(*GRANTED.start(), *GRANTED.end()));
    if granted > 2 * MARGIN { granted - MARGIN } else { granted / 2 }
}

/// The key of a long-term credential (RFC 8489, section 9.2.2); the standard requires MD5.
fn long_term_key(credentials: &Credentials, realm: &str) -> [u8; 16] {
    Md5::new()
        .chain_update(&credentials.username)
        .chain_update(b":")
        .chain_update(realm)
        .chain_update(b":")
        .chain_update(&credentials.password)
        .finalize()
        .into()
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
