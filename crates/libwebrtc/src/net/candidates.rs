//! Candidates of our own, with priorities that say which path is preferred (RFC 8445, section 5.1.2).
//!
//! `str0m` would rank them in the order in which they are added, and would not tell a relay over TLS from one over UDP.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    net::SocketAddr,
};

use str0m::{Candidate, CandidateKind, net::Protocol};

use crate::net::url::TurnTransport;

const HOST: u32 = 126;
/// Leaves room above for addresses that replace others, and below for additional ones.
const FIRST_PREFERENCE: u32 = 1 << 15;
/// More than the number of addresses that appear at the same time.
const STEP: u32 = 64;

/// Ranks host candidates.
#[derive(Default)]
pub(super) struct Ranks {
    given: u32,
    replacements: u32,
}

impl Ranks {
    /// The next addresses replace some that vanished. The peer has selected one of those, and changes only to a
    /// candidate with a higher priority.
    pub(super) fn replace(&mut self) {
        self.replacements += 1;
        self.given = 0;
    }

    pub(super) fn host(&mut self, address: SocketAddr) -> Candidate {
        let rank = self.given.min(STEP / 2 - 1) * 2 + u32::from(address.is_ipv4());
        self.given += 1;
        let preference = (FIRST_PREFERENCE + self.replacements * STEP).min(0xffff) - rank;
        candidate(CandidateKind::Host, address, HOST, preference)
    }
}

/// To the peer a relay is always UDP; the transport to the relay decides its priority.
pub(super) fn relayed(address: SocketAddr, transport: TurnTransport, rank: usize) -> Candidate {
    let kind_preference = match transport {
        TurnTransport::Udp => 2,
        TurnTransport::Tcp => 1,
        TurnTransport::Tls => 0,
    };
    let rank = u32::try_from(rank).unwrap_or(STEP).min(STEP);
    candidate(CandidateKind::Relayed, address, kind_preference, FIRST_PREFERENCE - rank)
}

pub(super) fn server_reflexive(address: SocketAddr, socket: SocketAddr) -> Option<Candidate> {
    Candidate::server_reflexive(address, socket, Protocol::Udp).ok()
}

fn candidate(kind: CandidateKind, address: SocketAddr, kind_preference: u32, preference: u32) -> Candidate {
    let priority = kind_preference << 24 | preference << 8 | 255;
    let related = (kind != CandidateKind::Host).then(|| match address {
        SocketAddr::V4(_) => SocketAddr::from(([0; 4], 0)),
        SocketAddr::V6(_) => SocketAddr::from(([0_u16; 8], 0)),
    });
    let foundation = foundation(kind, address, kind_preference);
    Candidate::from_parts(foundation, 1, Protocol::Udp, priority, address, kind, related, None, None)
}

fn foundation(kind: CandidateKind, address: SocketAddr, kind_preference: u32) -> String {
    let mut hasher = DefaultHasher::new();
    (kind, address.ip(), kind_preference).hash(&mut hasher);
    format!("{:x}", hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_replacement_is_better_and_a_later_address_is_not() {
        let mut ranks = Ranks::default();
        let first = ranks.host(address("192.0.2.1:1")).prio();
        let later = ranks.host(address("192.0.2.2:1")).prio();
        for _ in 0..500 {
            assert!(ranks.host(address("192.0.2.3:1")).prio() <= later);
        }
        ranks.replace();
        let replacement = ranks.host(address("192.0.2.4:1")).prio();
        assert!(later < first && first < replacement);
        for _ in 0..2_000 {
            ranks.replace();
            assert!(ranks.host(address("192.0.2.4:1")).prio() >> 24 == HOST);
        }
    }

    #[test]
    fn a_relay_over_tls_comes_last_and_every_relay_after_direct_ways() {
        let relay = |transport| relayed(address("192.0.2.1:1"), transport, 0).prio();
        let direct = server_reflexive(address("192.0.2.9:1"), address("10.0.0.1:1")).unwrap().prio();
        let order = [direct, relay(TurnTransport::Udp), relay(TurnTransport::Tcp), relay(TurnTransport::Tls)];
        assert!(order.is_sorted_by(|better, worse| better > worse), "{order:?}");
    }

    #[test]
    fn what_is_written_can_be_read() {
        for candidate in [
            Ranks::default().host(address("[2001:db8::1]:9")),
            relayed(address("192.0.2.1:1"), TurnTransport::Tls, 3),
        ] {
            let read = Candidate::from_sdp_string(&candidate.to_sdp_string()).unwrap();
            assert_eq!(
                (read.prio(), read.addr(), read.kind()),
                (candidate.prio(), candidate.addr(), candidate.kind())
            );
        }
    }
}
