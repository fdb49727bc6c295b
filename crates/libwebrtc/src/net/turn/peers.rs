//! The peers of an allocation: which may send to us, and which have a channel.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use crate::net::turn::framing::{FIRST_CHANNEL, LAST_CHANNEL};

/// A peer may name many candidates; each costs the server a permission.
const MAX_PEERS: usize = 64;
/// Datagrams that wait until a peer is permitted.
const MAX_WAITING: usize = 4;
/// Permissions last five minutes, and channels ten.
const RENEW_AFTER: Duration = Duration::from_secs(240);

pub(super) struct Peers {
    peers: Vec<Peer>,
    next_channel: u16,
}

pub(super) struct Peer {
    pub(super) address: SocketAddr,
    pub(super) access: Access,
    pub(super) channel: Channel,
    /// A request about this peer is on its way.
    pub(super) asking: bool,
    pub(super) waiting: Vec<Vec<u8>>,
    renew_at: Option<Instant>,
    used: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Unknown,
    Granted,
    /// The server does not relay to this address.
    Refused,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Channel {
    None,
    Bound(u16),
    Refused,
}

// === impl Peers ===

impl Peers {
    pub(super) fn new() -> Self {
        Self { peers: Vec::new(), next_channel: FIRST_CHANNEL }
    }

    pub(super) fn get(&mut self, address: SocketAddr) -> Option<&mut Peer> {
        self.peers.iter_mut().find(|peer| peer.address == address)
    }

    pub(super) fn by_channel(&self, number: u16) -> Option<SocketAddr> {
        self.peers.iter().find(|peer| peer.channel == Channel::Bound(number)).map(|peer| peer.address)
    }

    /// The peer of an outgoing datagram. When there are too many, the least recently used one is dropped.
    pub(super) fn used(&mut self, now: Instant, address: SocketAddr) -> &mut Peer {
        let index = match self.peers.iter().position(|peer| peer.address == address) {
            Some(index) => index,
            None => self.insert(now, address),
        };
        self.peers[index].used = now;
        &mut self.peers[index]
    }

    pub(super) fn forget(&mut self, address: SocketAddr) {
        self.peers.retain(|peer| peer.address != address);
    }

    /// The numbers repeat after four thousand, when the server has long forgotten the first ones.
    pub(super) fn new_channel(&mut self) -> u16 {
        let number = self.next_channel;
        self.next_channel = if number >= LAST_CHANNEL { FIRST_CHANNEL } else { number + 1 };
        number
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.peers.iter().filter(|peer| !peer.asking).filter_map(|peer| peer.renew_at).min()
    }

    /// The peers whose permission must be renewed. Peers to which no datagram was sent lately are forgotten instead.
    pub(super) fn due(&mut self, now: Instant) -> Vec<SocketAddr> {
        let is_due = |peer: &Peer| !peer.asking && peer.renew_at.is_some_and(|at| at <= now);
        self.peers.retain(|peer| !is_due(peer) || peer.used + RENEW_AFTER >= now);
        self.peers.iter().filter(|peer| is_due(peer)).map(|peer| peer.address).collect()
    }

    fn insert(&mut self, now: Instant, address: SocketAddr) -> usize {
        let peer = Peer {
            address,
            access: Access::Unknown,
            channel: Channel::None,
            asking: false,
            waiting: Vec::new(),
            renew_at: None,
            used: now,
        };
        let oldest = (0..self.peers.len()).min_by_key(|index| self.peers[*index].used);
        match oldest {
            Some(index) if self.peers.len() >= MAX_PEERS => {
                self.peers[index] = peer;
                index
            }
            _ => {
                self.peers.push(peer);
                self.peers.len() - 1
            }
        }
    }
}

// === impl Peer ===

impl Peer {
    /// Keeps a datagram for later; returns whether there was room.
    pub(super) fn hold(&mut self, data: &[u8]) -> bool {
        let room = self.waiting.len() < MAX_WAITING;
        if room {
            self.waiting.push(data.to_vec());
        }
        room
    }

    pub(super) fn granted(&mut self, now: Instant) {
        self.access = Access::Granted;
        self.renew_at = Some(now + RENEW_AFTER);
    }

    pub(super) fn refused(&mut self) {
        self.access = Access::Refused;
        self.renew_at = None;
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(port: u16) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], port))
    }

    #[test]
    fn the_peer_that_was_left_alone_the_longest_makes_room() {
        let (start, mut peers) = (Instant::now(), Peers::new());
        for port in 0..200 {
            peers.used(start + Duration::from_millis(port.into()), address(port)).granted(start);
            peers.used(start + Duration::from_millis(port.into()), address(0));
        }
        assert_eq!(peers.peers.len(), MAX_PEERS);
        assert!(peers.get(address(0)).is_some());
        assert!(peers.get(address(1)).is_none());
        assert!(peers.get(address(199)).is_some());
    }

    #[test]
    fn permissions_are_renewed_while_they_are_used() {
        let (start, mut peers) = (Instant::now(), Peers::new());
        peers.used(start, address(1)).granted(start);
        peers.used(start, address(2)).granted(start);
        let due = peers.deadline().unwrap();
        assert!(peers.due(due - Duration::from_secs(1)).is_empty());
        peers.used(due + Duration::from_secs(1), address(2));
        assert_eq!(peers.due(due + Duration::from_secs(1)), [address(2)]);
        assert!(peers.get(address(1)).is_none(), "nobody sent to it");
    }

    #[test]
    fn channel_numbers_stay_in_their_range() {
        let mut peers = Peers::new();
        for _ in 0..10_000 {
            assert!((FIRST_CHANNEL..=LAST_CHANNEL).contains(&peers.new_channel()));
        }
    }
}
