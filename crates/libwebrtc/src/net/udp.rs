//! UDP: one socket per address, because ICE must know which of its addresses received a datagram.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    task::{Context, Poll},
};

use tokio::{io::ReadBuf, net::UdpSocket};

/// Without a limit, machines with many virtual interfaces would check hundreds of pairs.
const MAX_SOCKETS: usize = 16;

pub(super) struct UdpSockets {
    sockets: Vec<Socket>,
    /// Where the next round of polling begins, so that a busy socket does not starve the others.
    next: usize,
    dropped: u64,
}

struct Socket {
    address: SocketAddr,
    socket: UdpSocket,
}

/// Length, source, destination.
type Datagram = (usize, SocketAddr, SocketAddr);

/// The sockets that an update added and removed.
pub(super) struct Changes {
    pub(super) added: Vec<SocketAddr>,
    pub(super) removed: Vec<SocketAddr>,
}

impl UdpSockets {
    pub(super) fn new() -> Self {
        Self { sockets: Vec::new(), next: 0, dropped: 0 }
    }

    /// Afterwards there is exactly one socket for each of `addresses`.
    pub(super) fn update(&mut self, addresses: &[IpAddr]) -> Changes {
        let (kept, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut self.sockets)
            .into_iter()
            .partition(|socket| addresses.contains(&socket.address.ip()));
        self.sockets = kept;
        let room = MAX_SOCKETS.saturating_sub(self.sockets.len());
        let is_new = |ip: &&IpAddr| !self.sockets.iter().any(|socket| socket.address.ip() == **ip);
        let new: Vec<Socket> = addresses.iter().filter(is_new).filter_map(bind_one).take(room).collect();
        let added = new.iter().map(|socket| socket.address).collect();
        self.sockets.extend(new);
        Changes { added, removed: gone.iter().map(|socket| socket.address).collect() }
    }

    pub(super) fn addresses(&self) -> impl Iterator<Item = SocketAddr> + '_ {
        self.sockets.iter().map(|socket| socket.address)
    }

    /// Sends or drops the datagram; returns whether it was sent.
    pub(super) fn send(&mut self, source: SocketAddr, destination: SocketAddr, data: &[u8]) -> bool {
        let Some(socket) = self.sockets.iter().find(|socket| socket.address == source) else { return false };
        let Err(error) = socket.socket.try_send_to(data, destination) else { return true };
        self.dropped += 1;
        let level = if self.dropped == 1 { log::Level::Debug } else { log::Level::Trace };
        log::log!(level, "datagram {source} to {destination} dropped, {} so far: {error}", self.dropped);
        false
    }

    pub(super) fn poll_receive(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<Datagram> {
        let count = self.sockets.len();
        for offset in 0..count {
            let index = (self.next + offset) % count;
            let Socket { address, socket } = &self.sockets[index];
            let mut buffer = ReadBuf::new(buffer);
            // An error is an ICMP message about an earlier datagram. ICE notices the loss by itself, so the loop reads
            // on.
            while let Poll::Ready(received) = socket.poll_recv_from(context, &mut buffer) {
                if let Ok(source) = received {
                    self.next = index + 1;
                    return Poll::Ready((buffer.filled().len(), source, *address));
                }
                buffer.clear();
            }
        }
        Poll::Pending
    }

    pub(super) fn try_receive(&mut self, buffer: &mut [u8]) -> Option<Datagram> {
        let count = self.sockets.len();
        (0..count).find_map(|offset| {
            let index = (self.next + offset) % count;
            let Socket { address, socket } = &self.sockets[index];
            let (len, source) = socket.try_recv_from(buffer).ok()?;
            self.next = index + 1;
            Some((len, source, *address))
        })
    }
}

fn bind_one(ip: &IpAddr) -> Option<Socket> {
    let bound = std::net::UdpSocket::bind(SocketAddr::new(*ip, 0)).and_then(prepare);
    match bound {
        Ok(socket) => Some(socket),
        Err(error) => {
            log::debug!("no UDP socket on {ip}: {error}");
            None
        }
    }
}

fn prepare(socket: std::net::UdpSocket) -> io::Result<Socket> {
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    Ok(Socket { address, socket: UdpSocket::from_std(socket)? })
}
