//! Candidates of this side: when servers are asked, and which candidates the peer and the program see (W3C webrtc-pc,
//! 4.4.1.1).

use str0m::{Candidate, CandidateKind};

use crate::{
    RtcError,
    configuration::{IceTransportsType, RtcConfiguration},
    connection_state::IceGatheringState,
    ice_candidate::IceCandidate,
    net::url::{ServerKind, ServerUrl},
    pc::{effect::Effect, sdp, state::State},
    session_description::SessionDescription,
};

/// The state of this side's addresses.
pub(super) struct Gathering {
    state: IceGatheringState,
    config: RtcConfiguration,
    candidates: Vec<Candidate>,
    /// The servers have to be asked; the driver has not seen it yet.
    wanted: bool,
    /// The m-line the candidates belong to, and the ICE session.
    mid: String,
    ufrag: Option<String>,
}

impl Gathering {
    pub(super) fn new(config: RtcConfiguration, candidates: Vec<Candidate>) -> Self {
        Self {
            state: IceGatheringState::New,
            config,
            candidates,
            wanted: false,
            mid: "0".to_owned(),
            ufrag: None,
        }
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

    /// Gathering begins with the first local description, and again with each ICE restart of either side.
    pub(super) fn gather(&mut self, description: &SessionDescription) -> Vec<Effect> {
        let (gathering, ufrag) = (&mut self.gathering, sdp::ice_ufrag(description.text()));
        if gathering.state != IceGatheringState::New && gathering.ufrag.as_deref() == ufrag {
            return Vec::new();
        }
        gathering.ufrag = ufrag.map(str::to_owned);
        let sections = sdp::sections(description.text());
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

    /// The configuration to gather with, once.
    pub(crate) fn take_gathering(&mut self) -> Option<RtcConfiguration> {
        let wanted = std::mem::take(&mut self.gathering.wanted);
        wanted.then(|| self.gathering.config.clone())
    }

    /// Refuses a description that needs candidates which no server can give: the peer would wait for them in vain.
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

    /// Records that the servers have answered, or never will.
    pub(crate) fn gathered(&mut self) -> Option<Effect> {
        if self.gathering.state != IceGatheringState::Gathering || self.gathering.wanted {
            return None;
        }
        self.gathering.state = IceGatheringState::Complete;
        Some(Effect::Gathering(IceGatheringState::Complete))
    }
}

/// Whether the peer and the program see candidates of this kind.
pub(crate) fn is_told(policy: IceTransportsType, kind: CandidateKind) -> bool {
    match policy {
        IceTransportsType::All => true,
        IceTransportsType::NoHost => kind != CandidateKind::Host,
        IceTransportsType::Relay => kind == CandidateKind::Relayed,
    }
}

/// A configuration without servers may still get some: `livekit` learns them at the join.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{configuration::IceServer, pc::link::Link, sdp_type::SdpType};

    fn config(policy: IceTransportsType, url: &str) -> RtcConfiguration {
        RtcConfiguration {
            ice_transport_type: policy,
            ice_servers: vec![IceServer {
                urls: vec![url.to_owned()],
                username: String::new(),
                password: String::new(),
            }],
            ..Default::default()
        }
    }

    fn candidate(kind: &str) -> Candidate {
        Candidate::from_sdp_string(&format!("candidate:1 1 udp 9 192.0.2.1 9 typ {kind}")).unwrap()
    }

    fn state(policy: IceTransportsType) -> State {
        State::new(config(policy, "turn:192.0.2.9"), vec![candidate("host")], Link::loose())
    }

    fn gather(state: &mut State, ufrag: &str) -> Vec<String> {
        let text = format!("a=ice-ufrag:{ufrag}\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:a\r\n");
        let effects = state.gather(&SessionDescription::from_text(text, SdpType::Offer));
        effects.into_iter().filter_map(told).collect()
    }

    fn told(effect: Effect) -> Option<String> {
        match effect {
            Effect::Candidate(candidate) => Some(format!("{} {candidate}", candidate.sdp_mid())),
            _ => None,
        }
    }

    #[test]
    fn servers_are_asked_once_for_each_ice_session() {
        let mut state = state(IceTransportsType::All);
        assert_eq!(gather(&mut state, "one").len(), 1);
        assert!(state.take_gathering().is_some() && state.take_gathering().is_none());
        assert!(gather(&mut state, "one").is_empty() && state.take_gathering().is_none());
        assert!(state.gathered().is_some() && state.gathered().is_none());
        assert_eq!(gather(&mut state, "two").len(), 1);
        assert!(state.gathered().is_none(), "the end of the first is not that of the second");
        assert!(state.take_gathering().is_some());
        assert_eq!(state.gathering(), IceGatheringState::Gathering);
    }

    #[test]
    fn the_policy_decides_what_is_told() {
        for (policy, kinds) in [
            (IceTransportsType::All, &["host", "srflx", "relay"][..]),
            (IceTransportsType::NoHost, &["srflx", "relay"]),
            (IceTransportsType::Relay, &["relay"]),
        ] {
            let mut state = state(policy);
            let mut lines = gather(&mut state, "one");
            for kind in ["srflx", "relay"] {
                lines.extend(state.candidate_found(candidate(kind)).and_then(told));
            }
            let expected: Vec<_> = kinds.iter().map(|kind| format!(" typ {kind}")).collect();
            assert_eq!(lines.len(), expected.len(), "{lines:?}");
            assert!(lines.iter().zip(&expected).all(|(line, kind)| line.contains(kind)), "{lines:?}");
            assert!(lines.iter().all(|line| line.starts_with("a candidate:")), "{lines:?}");
        }
    }

    #[test]
    fn what_is_found_before_the_description_is_told_with_it() {
        let mut state = state(IceTransportsType::All);
        assert!(state.candidate_found(candidate("relay")).is_none());
        state.candidate_lost(&candidate("host"));
        let lines = gather(&mut state, "one");
        assert!(lines.len() == 1 && lines[0].contains(" typ relay"), "{lines:?}");
    }

    #[test]
    fn relays_alone_want_a_server() {
        let refused = config(IceTransportsType::Relay, "stun:192.0.2.9");
        assert!(state(IceTransportsType::All).configure(refused).is_err());
        let later = RtcConfiguration { ice_transport_type: IceTransportsType::Relay, ..Default::default() };
        assert!(ensure_reachable(&later).is_ok(), "servers may follow");
        assert!(State::new(later, Vec::new(), Link::loose()).ensure_can_gather().is_err());
    }
}
