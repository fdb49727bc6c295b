//! Candidates of this side: when servers are asked, and what the peer and the program are told (W3C webrtc-pc, 4.4.1.1).

use str0m::{Candidate, CandidateKind};

use crate::{
    RtcError,
    ice_candidate::IceCandidate,
    net::url::{ServerKind, ServerUrl},
    pc::{effect::Effect, sdp::Section, state::State},
    peer_connection::IceGatheringState,
    peer_connection_factory::{IceTransportsType, RtcConfiguration},
};

/// What is known about this side's addresses.
pub(super) struct Gathering {
    state: IceGatheringState,
    config: RtcConfiguration,
    candidates: Vec<Candidate>,
    /// The servers are to be asked; the driver has not seen it yet.
    wanted: bool,
    /// The m-line the candidates belong to.
    mid: String,
}

impl Gathering {
    pub(super) fn new(config: RtcConfiguration, candidates: Vec<Candidate>) -> Self {
        Self { state: IceGatheringState::New, config, candidates, wanted: false, mid: "0".to_owned() }
    }

    fn told(&self) -> impl Iterator<Item = &Candidate> {
        self.candidates.iter().filter(|candidate| is_told(self.config.ice_transport_type, candidate.kind()))
    }

    fn effect(&self, candidate: &Candidate) -> Effect {
        Effect::Candidate(IceCandidate::local(candidate.clone(), &self.mid))
    }
}

impl State {
    pub(crate) fn gathering(&self) -> IceGatheringState {
        self.gathering.state
    }

    pub(crate) fn local_candidates(&self) -> &[Candidate] {
        &self.gathering.candidates
    }

    pub(crate) fn transports(&self) -> IceTransportsType {
        self.gathering.config.ice_transport_type
    }

    /// The servers are asked with the next gathering.
    pub(crate) fn configure(&mut self, config: RtcConfiguration) -> Result<(), RtcError> {
        self.ensure_open()?;
        ensure_reachable(&config)?;
        self.gathering.config = config;
        Ok(())
    }

    /// Gathering begins with the first local description, and again with each ICE restart.
    pub(super) fn gather(&mut self, sections: &[Section], again: bool) -> Vec<Effect> {
        let gathering = &mut self.gathering;
        if gathering.state != IceGatheringState::New && !again {
            return Vec::new();
        }
        gathering.mid = sections.first().map_or("0", |section| section.mid.as_str()).to_owned();
        gathering.state = IceGatheringState::Gathering;
        gathering.wanted = true;
        let candidates = gathering.told().map(|candidate| gathering.effect(candidate));
        let mut effects = vec![Effect::Gathering(IceGatheringState::Gathering)];
        effects.extend(candidates);
        if gathering.config.ice_servers.is_empty() {
            // All candidates are known.
            gathering.state = IceGatheringState::Complete;
            effects.push(Effect::Gathering(IceGatheringState::Complete));
        }
        effects
    }

    /// What is to be asked now, once.
    pub(crate) fn take_gathering(&mut self) -> Option<RtcConfiguration> {
        let wanted = std::mem::take(&mut self.gathering.wanted);
        wanted.then(|| self.gathering.config.clone())
    }

    /// A description that needs what no server can give is refused: the peer would wait for candidates in vain.
    pub(super) fn ensure_can_gather(&self) -> Result<(), RtcError> {
        if self.transports() == IceTransportsType::Relay && !has_turn(&self.gathering.config) {
            return Err(no_turn());
        }
        Ok(())
    }

    pub(crate) fn candidate_found(&mut self, candidate: Candidate) -> Option<Effect> {
        let gathering = &mut self.gathering;
        let has_begun = gathering.state != IceGatheringState::New;
        let told = has_begun && is_told(gathering.config.ice_transport_type, candidate.kind());
        let effect = told.then(|| gathering.effect(&candidate));
        gathering.candidates.push(candidate);
        effect
    }

    pub(crate) fn candidate_lost(&mut self, lost: &Candidate) {
        self.gathering
            .candidates
            .retain(|candidate| candidate.addr() != lost.addr() || candidate.kind() != lost.kind());
    }

    /// The servers have answered, or never will.
    pub(crate) fn gathered(&mut self) -> Option<Effect> {
        if self.gathering.state != IceGatheringState::Gathering || self.gathering.wanted {
            return None;
        }
        self.gathering.state = IceGatheringState::Complete;
        Some(Effect::Gathering(IceGatheringState::Complete))
    }
}

/// Whether the peer and the program hear of candidates of this kind.
pub(crate) fn is_told(policy: IceTransportsType, kind: CandidateKind) -> bool {
    match policy {
        IceTransportsType::All => true,
        IceTransportsType::NoHost => kind != CandidateKind::Host,
        IceTransportsType::Relay => kind == CandidateKind::Relayed,
    }
}

/// A configuration without servers may still get some, as `livekit` learns them when it joins.
pub(crate) fn ensure_reachable(config: &RtcConfiguration) -> Result<(), RtcError> {
    let relay_only = config.ice_transport_type == IceTransportsType::Relay;
    if relay_only && !config.ice_servers.is_empty() && !has_turn(config) {
        return Err(no_turn());
    }
    Ok(())
}

fn has_turn(config: &RtcConfiguration) -> bool {
    let urls = config.ice_servers.iter().flat_map(|server| &server.urls);
    urls.filter_map(|url| ServerUrl::parse(url).ok()).any(|url| matches!(url.kind, ServerKind::Turn(_)))
}

fn no_turn() -> RtcError {
    RtcError::invalid_state(
        "ice_transport_type Relay has no TURN server to relay: add a turn: or turns: URL to ice_servers, or use \
         IceTransportsType::All",
    )
}
