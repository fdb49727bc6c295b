//! The sockets of one connection: a UDP socket per interface, and TCP connections when the engine asks for them.

use std::{
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
};

use str0m::{
    Candidate,
    net::{Protocol, Transmit},
};

use crate::{
    RtcError,
    net::{tcp::TcpConnections, udp::UdpSockets},
};

mod tcp;
mod udp;

/// The largest datagram that is taken from a socket; WebRTC's own stay below 1500 bytes.
const MAX_DATAGRAM: usize = 2048;

pub(crate) struct Network {
    udp: UdpSockets,
    tcp: TcpConnections,
    buffer: Box<[u8; MAX_DATAGRAM]>,
}

/// One datagram or one frame. Its bytes are with the [`Network`] until the next is received.
pub(crate) struct Packet {
    pub(crate) proto: Protocol,
    pub(crate) source: SocketAddr,
    pub(crate) destination: SocketAddr,
    payload: Payload,
}

enum Payload {
    /// So many bytes of the shared buffer.
    Buffered(usize),
    Owned(Vec<u8>),
}

impl Network {
    /// Must be called inside a tokio runtime.
    pub(crate) fn bind() -> Result<Self, RtcError> {
        let udp = UdpSockets::bind(&interface_addresses())?;
        Ok(Self { udp, tcp: TcpConnections::new(), buffer: Box::new([0; MAX_DATAGRAM]) })
    }

    pub(crate) fn candidates(&self) -> Vec<Candidate> {
        self.udp.addresses().filter_map(|address| Candidate::host(address, Protocol::Udp).ok()).collect()
    }

    /// Sends or drops: every protocol above repeats what is lost.
    pub(crate) fn send(&mut self, transmit: &Transmit) {
        match transmit.proto {
            Protocol::Udp => self.udp.send(transmit.source, transmit.destination, &transmit.contents),
            Protocol::Tcp => self.tcp.send(transmit.source, transmit.destination, &transmit.contents),
            Protocol::SslTcp | Protocol::Tls => {
                log::trace!("no relay transport: {:?} dropped", transmit.proto)
            }
        }
    }

    pub(crate) fn close_tcp(&mut self) {
        self.tcp.close();
    }

    pub(crate) async fn receive(&mut self) -> Packet {
        std::future::poll_fn(|context| self.poll_receive(context)).await
    }

    /// The next packet that is there already.
    pub(crate) fn try_receive(&mut self) -> Option<Packet> {
        self.udp
            .try_receive(&mut self.buffer[..])
            .map(|(len, source, destination)| Packet::udp(len, source, destination))
    }

    pub(crate) fn data<'a>(&'a self, packet: &'a Packet) -> &'a [u8] {
        match &packet.payload {
            Payload::Buffered(len) => &self.buffer[..*len],
            Payload::Owned(data) => data,
        }
    }

    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<Packet> {
        if let Poll::Ready((len, source, destination)) = self.udp.poll_receive(context, &mut self.buffer[..])
        {
            return Poll::Ready(Packet::udp(len, source, destination));
        }
        let frame = std::task::ready!(self.tcp.poll_receive(context));
        Poll::Ready(Packet {
            proto: Protocol::Tcp,
            source: frame.source,
            destination: frame.destination,
            payload: Payload::Owned(frame.data),
        })
    }
}

impl Packet {
    fn udp(len: usize, source: SocketAddr, destination: SocketAddr) -> Self {
        Self { proto: Protocol::Udp, source, destination, payload: Payload::Buffered(len) }
    }
}

/// The addresses of this machine that a peer may be able to reach. Loopback is among them for servers on this machine.
fn interface_addresses() -> Vec<IpAddr> {
    let interfaces = if_addrs::get_if_addrs().unwrap_or_else(|error| {
        log::warn!("the network interfaces cannot be listed ({error}): only loopback is used");
        Vec::new()
    });
    let mut addresses: Vec<IpAddr> =
        interfaces.into_iter().map(|interface| interface.ip()).filter(is_usable).collect();
    addresses.sort();
    addresses.dedup();
    if addresses.is_empty() {
        addresses.push(IpAddr::from([127, 0, 0, 1]));
    }
    addresses
}

/// Link-local addresses need a zone that a candidate cannot carry. IPv6 loopback adds nothing that IPv4's does not.
fn is_usable(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => !v4.is_link_local() && !v4.is_unspecified(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local() && !v6.is_unspecified() && !v6.is_loopback(),
    }
}
