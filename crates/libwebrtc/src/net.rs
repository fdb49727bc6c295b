//! The network of one connection: a UDP socket per address of the machine, TCP connections when the engine asks for
//! them, and the addresses and relays of STUN and TURN servers.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use thiserror::Error;

use str0m::{
    Candidate,
    net::{Protocol, Transmit},
};

use crate::{
    RtcError,
    configuration::{ContinualGatheringPolicy, IceTransportsType, RtcConfiguration},
    connection_state::IceCandidateError,
    net::{candidates::Ranks, interfaces::Watcher, servers::Servers, tcp::TcpConnections, udp::UdpSockets},
};

mod candidates;
mod interfaces;
mod servers;
pub(crate) mod stun;
mod tcp;
pub(crate) mod turn;
mod udp;
pub(crate) mod url;

/// The largest datagram that is taken from a socket; WebRTC's own stay below 1500 bytes.
const MAX_DATAGRAM: usize = 2048;
/// The code for a server that cannot be reached (W3C webrtc-pc, section 4.8.2).
const UNREACHABLE: u16 = 701;
/// The longest wait for a name server. Gathering waits for it, so it needs a limit.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Further addresses of one name are not tried.
const MAX_ADDRESSES: usize = 8;

pub(crate) struct Network {
    udp: UdpSockets,
    tcp: TcpConnections,
    servers: Servers,
    watcher: Option<Watcher>,
    hosts: Vec<Candidate>,
    ranks: Ranks,
    policy: IceTransportsType,
    buffer: Box<[u8; MAX_DATAGRAM]>,
}

/// An event of the network.
pub(crate) enum Happening {
    Packet(Packet),
    /// This side can be reached at one more address.
    Found(Candidate),
    Lost(Candidate),
    /// A server could not be used.
    Failed(IceCandidateError),
    /// Every server has answered, or never will.
    Gathered,
}

/// One datagram or one frame. Its bytes are with the [`Network`] until the next is received.
pub(crate) struct Packet {
    pub(crate) proto: Protocol,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    payload: Payload,
}

enum Payload {
    /// The length of a packet in the shared buffer.
    Buffered(usize),
    Owned(Vec<u8>),
}

// === impl Network ===

impl Network {
    /// Binds the sockets that the configuration allows. Must be called inside a tokio runtime.
    pub(crate) fn bind(config: &RtcConfiguration) -> Result<Self, RtcError> {
        let mut network = Self {
            udp: UdpSockets::new(),
            tcp: TcpConnections::new(),
            servers: Servers::new(),
            watcher: None,
            hosts: Vec::new(),
            ranks: Ranks::default(),
            policy: config.ice_transport_type,
            buffer: Box::new([0; MAX_DATAGRAM]),
        };
        network.watch(config);
        if network.policy != IceTransportsType::Relay {
            let addresses = interfaces::addresses();
            let bound = network.udp.update(&addresses);
            if bound.added.is_empty() {
                let message = format!(
                    "no UDP socket could be bound on any of {addresses:?}: check limits and permissions"
                );
                return Err(RtcError::internal(message));
            }
            network.hosts = bound.added.iter().map(|address| network.ranks.host(*address)).collect();
        }
        Ok(network)
    }

    /// The addresses of this machine.
    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        self.hosts.clone()
    }

    /// Asks the servers of `config`, whose other settings take effect as well.
    pub(crate) fn gather(&mut self, config: &RtcConfiguration) {
        self.policy = config.ice_transport_type;
        self.watch(config);
        self.update_sockets();
        self.servers.gather(&config.ice_servers, self.policy);
    }

    /// Sends or drops the datagram: every protocol above repeats lost ones.
    pub(crate) fn send(&mut self, transmit: &Transmit) {
        let (source, destination) = (transmit.source, transmit.destination);
        match transmit.proto {
            Protocol::Udp => {
                if !self.servers.send(source, destination, &transmit.contents) {
                    self.udp.send(source, destination, &transmit.contents);
                }
            }
            Protocol::Tcp => self.tcp.send(source, destination, &transmit.contents),
            Protocol::SslTcp | Protocol::Tls => {
                log::trace!("no such transport: {:?} dropped", transmit.proto)
            }
        }
    }

    pub(crate) fn close_tcp(&mut self) {
        self.tcp.close();
    }

    /// Cancel safe: no event is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Happening {
        loop {
            if let Some(happening) = self.servers.next_happening() {
                return happening;
            }
            let deadline = self.servers.deadline();
            tokio::select! {
                packet = receive(&mut self.udp, &mut self.tcp, &mut self.buffer) => {
                    if !self.is_for_servers(&packet) {
                        return Happening::Packet(packet);
                    }
                }
                report = self.servers.next_report() => {
                    if let Some(packet) = self.servers.report(report, &mut self.udp) {
                        return Happening::Packet(packet);
                    }
                }
                () = sleep_until(deadline) => self.servers.timeout(&mut self.udp),
                addresses = changed(&mut self.watcher) => {
                    self.update_sockets();
                    self.servers.addresses_changed(&addresses);
                }
            }
        }
    }

    /// The next packet that has already arrived.
    pub(crate) fn try_receive(&mut self) -> Option<Packet> {
        loop {
            let (len, source, destination) = self.udp.try_receive(&mut self.buffer[..])?;
            let packet = Packet::udp(len, source, destination);
            if !self.is_for_servers(&packet) {
                return Some(packet);
            }
        }
    }

    pub(crate) fn data<'a>(&'a self, packet: &'a Packet) -> &'a [u8] {
        packet.data(&self.buffer[..])
    }

    fn is_for_servers(&mut self, packet: &Packet) -> bool {
        packet.proto == Protocol::Udp
            && self.servers.take(&mut self.udp, packet, packet.data(&self.buffer[..]))
    }

    fn watch(&mut self, config: &RtcConfiguration) {
        match config.continual_gathering_policy {
            ContinualGatheringPolicy::GatherContinually => {
                self.watcher.get_or_insert_with(Watcher::start);
            }
            ContinualGatheringPolicy::GatherOnce => self.watcher = None,
        }
    }

    /// Brings the sockets in line with the machine's addresses and the policy.
    fn update_sockets(&mut self) {
        let wanted = match self.policy {
            IceTransportsType::Relay => Vec::new(),
            IceTransportsType::NoHost | IceTransportsType::All => interfaces::addresses(),
        };
        let changed = self.udp.update(&wanted);
        for address in &changed.removed {
            log::debug!("the address {address} is gone");
            self.remove_host(*address);
        }
        if !changed.removed.is_empty() {
            self.ranks.replace();
        }
        for address in &changed.added {
            log::debug!("the address {address} is new");
            let candidate = self.ranks.host(*address);
            self.hosts.push(candidate.clone());
            self.servers.tell(Happening::Found(candidate));
        }
        self.servers.sockets_added(&changed.added, &mut self.udp);
    }

    fn remove_host(&mut self, address: SocketAddr) {
        if let Some(index) = self.hosts.iter().position(|host| host.addr() == address) {
            let host = self.hosts.remove(index);
            self.servers.tell(Happening::Lost(host));
            self.servers.socket_removed(address);
        }
    }
}

// === impl Packet ===

impl Packet {
    fn udp(len: usize, source: SocketAddr, destination: SocketAddr) -> Self {
        Self { proto: Protocol::Udp, source, destination, payload: Payload::Buffered(len) }
    }

    /// A datagram that a relay received from a peer.
    fn relayed(source: SocketAddr, destination: SocketAddr, data: Vec<u8>) -> Self {
        Self { proto: Protocol::Udp, source, destination, payload: Payload::Owned(data) }
    }

    fn data<'a>(&'a self, buffer: &'a [u8]) -> &'a [u8] {
        match &self.payload {
            Payload::Buffered(len) => &buffer[..*len],
            Payload::Owned(data) => data,
        }
    }
}

/// Why a server cannot be reached.
#[derive(Debug, Error)]
enum Unreachable {
    #[error("the name {host} has no address: {error}")]
    NoAddress { host: String, error: io::Error },
    #[error("the name {host} has no address: the name servers do not answer")]
    NoNameServer { host: String },
    #[error("its name has no address")]
    Nowhere,
    #[error("not a TURN server")]
    NoTurn,
    #[error("{address} cannot be reached: {error}")]
    Address { address: SocketAddr, error: io::Error },
}

/// The addresses of a name, with a time limit.
async fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Unreachable> {
    let named = || host.to_owned();
    match tokio::time::timeout(RESOLVE_TIMEOUT, tokio::net::lookup_host((host, port))).await {
        Ok(Ok(addresses)) => Ok(addresses.take(MAX_ADDRESSES).collect()),
        Ok(Err(error)) => Err(Unreachable::NoAddress { host: named(), error }),
        Err(_) => Err(Unreachable::NoNameServer { host: named() }),
    }
}

async fn receive(udp: &mut UdpSockets, tcp: &mut TcpConnections, buffer: &mut [u8; MAX_DATAGRAM]) -> Packet {
    std::future::poll_fn(|context| poll_receive(udp, tcp, buffer, context)).await
}

fn poll_receive(
    udp: &mut UdpSockets,
    tcp: &mut TcpConnections,
    buffer: &mut [u8; MAX_DATAGRAM],
    context: &mut Context<'_>,
) -> Poll<Packet> {
    if let Poll::Ready((len, source, destination)) = udp.poll_receive(context, &mut buffer[..]) {
        return Poll::Ready(Packet::udp(len, source, destination));
    }
    let frame = std::task::ready!(tcp.poll_receive(context));
    Poll::Ready(Packet {
        proto: Protocol::Tcp,
        source: frame.source,
        destination: frame.destination,
        payload: Payload::Owned(frame.data),
    })
}

async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}

async fn changed(watcher: &mut Option<Watcher>) -> Vec<IpAddr> {
    match watcher {
        Some(watcher) => watcher.changed().await,
        None => std::future::pending().await,
    }
}
