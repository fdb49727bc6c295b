//! Addresses of this side that appear and vanish while the connection lives.

use std::{net::SocketAddr, time::Instant};

use str0m::{Candidate, CandidateKind, net::TcpType};

use crate::{
    connection_state::IceCandidateError,
    pc::{effect::Effect, engine::Engine},
};

/// The port in the candidate of a side that only opens TCP connections (RFC 6544, section 4.5).
const TCP_ACTIVE_PORT: u16 = 9;

impl Engine {
    /// The peer's description may be set already, so the new address is tried at once.
    pub(crate) fn local_candidate_found(&mut self, now: Instant, candidate: Candidate) {
        if candidate.kind() == CandidateKind::Host {
            self.tcp_address_found(now, candidate.addr());
        }
        // A candidate that adds nothing new is not signalled.
        let added = self.rtc.add_local_candidate(candidate).cloned();
        self.drain(now);
        if let Some(added) = added {
            let effect = self.shared.state.lock().candidate_found(added);
            self.effects.extend(effect);
            self.kick(now);
        }
    }

    pub(crate) fn local_candidate_lost(&mut self, now: Instant, candidate: &Candidate) {
        self.shared.state.lock().candidate_lost(candidate);
        let mut gone = vec![candidate.clone()];
        if candidate.kind() == CandidateKind::Host {
            gone.extend(self.tcp_candidates.extract_if(.., |tcp| tcp.addr().ip() == candidate.addr().ip()));
        }
        for candidate in gone {
            self.rtc.direct_api().invalidate_candidate(&candidate);
            self.drain(now);
        }
        self.kick(now);
    }

    pub(crate) fn candidate_failed(&mut self, error: IceCandidateError) {
        self.effects.push(Effect::CandidateError(error));
    }

    pub(crate) fn gathered(&mut self) {
        let effect = self.shared.state.lock().gathered();
        self.effects.extend(effect);
    }

    fn tcp_address_found(&mut self, now: Instant, address: SocketAddr) {
        let Some(candidate) = active_tcp(address) else { return };
        if self.tcp.is_in_use() {
            self.rtc.add_local_candidate(candidate.clone());
            self.drain(now);
        }
        self.tcp_candidates.push(candidate);
    }
}

pub(super) fn active_tcp(address: SocketAddr) -> Option<Candidate> {
    let address = SocketAddr::new(address.ip(), TCP_ACTIVE_PORT);
    Candidate::builder().tcp().host(address).tcptype(TcpType::Active).build().ok()
}
