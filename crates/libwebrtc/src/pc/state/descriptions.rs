//! Applies descriptions of either side.

use std::sync::Arc;

use crate::{
    RtcError,
    connection_events::TrackEvent,
    connection_state::SignalingState,
    direction::RtpTransceiverDirection,
    pc::{
        effect::Effect,
        sdp::{self, Section},
        state::{MAX_TRANSCEIVERS, State, has_data, wanted_direction},
        transceiver::{Kind, Transceiver},
    },
    rtp_receiver::RtpReceiver,
    rtp_transceiver::RtpTransceiver,
    sdp_type::SdpType,
    session_description::SessionDescription,
};

/// The step that a remote description requires.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum RemoteStep {
    /// Forget our pending offer.
    Rollback,
    AcceptAnswer,
    /// Give the known m-lines these directions, then accept the offer.
    AcceptOffer(Vec<(String, RtpTransceiverDirection)>),
}

impl State {
    pub(crate) fn set_local(&mut self, description: SessionDescription) -> Result<Vec<Effect>, RtcError> {
        self.ensure_open()?;
        match description.sdp_type() {
            SdpType::Offer => self.set_local_offer(description),
            SdpType::Answer => self.set_local_answer(),
            SdpType::Rollback if self.signaling == SignalingState::HaveLocalOffer => Ok(self.rollback()),
            SdpType::Rollback => Err(self.wrong_state("roll back", "only a local offer can be rolled back")),
            SdpType::PrAnswer => {
                Err(RtcError::invalid_sdp("provisional answers are not supported: send the answer"))
            }
        }
    }

    pub(crate) fn plan_answer(&self) -> Result<SessionDescription, RtcError> {
        self.ensure_open()?;
        match (&self.local.pending, self.signaling) {
            (Some(answer), SignalingState::HaveRemoteOffer) => Ok(answer.clone()),
            _ => Err(self.wrong_state("create an answer", "set the peer's offer first")),
        }
    }

    /// The step that a remote description requires now. Nothing changes yet: `str0m` may still refuse it.
    pub(crate) fn plan_remote(&self, description: &SessionDescription) -> Result<RemoteStep, RtcError> {
        self.ensure_open()?;
        let have_local_offer = self.signaling == SignalingState::HaveLocalOffer;
        match description.sdp_type() {
            SdpType::Rollback if have_local_offer => Ok(RemoteStep::Rollback),
            SdpType::Rollback => Err(self.wrong_state("roll back", "only a local offer can be rolled back")),
            SdpType::PrAnswer => {
                Err(RtcError::invalid_sdp("provisional answers are not supported: send the answer"))
            }
            // `livekit` cancels an offer of its own by setting the answer in force once more.
            SdpType::Answer if have_local_offer && self.is_in_force(description) => Ok(RemoteStep::Rollback),
            SdpType::Answer if have_local_offer => Ok(RemoteStep::AcceptAnswer),
            SdpType::Answer => {
                Err(self.wrong_state("apply an answer", "it answers no offer of this connection"))
            }
            SdpType::Offer => {
                let agreed =
                    self.transceivers.iter().filter(|transceiver| self.agreed_mid(transceiver).is_some());
                Ok(RemoteStep::AcceptOffer(agreed.filter_map(wanted_direction).collect()))
            }
        }
    }

    /// Applies the peer's answer to our pending offer.
    pub(crate) fn answer_accepted(&mut self, answer: SessionDescription) -> Vec<Effect> {
        if self.draft.take().is_some_and(|draft| draft.ice_restart) {
            self.ice_restart_wanted = false;
        }
        let sections = sdp::sections(answer.text());
        self.local.current = self.local.pending.take();
        self.remote.current = Some(answer);
        let mut effects = self.enter(SignalingState::Stable);
        effects.extend(self.apply_sections(&sections));
        self.agree_directions(&sections);
        effects
    }

    /// Applies the peer's offer, which `str0m` has accepted with `answer`.
    ///
    /// An offer of ours that was pending is rolled back first, as the polite peer of RFC 9429, section 5.7 does.
    pub(crate) fn offer_accepted(&mut self, offer: SessionDescription, answer: String) -> Vec<Effect> {
        let mut effects = match self.signaling {
            SignalingState::HaveLocalOffer => self.rollback(),
            _ => Vec::new(),
        };
        self.withdraw_mids();
        self.draft = None;
        let sections = sdp::sections(offer.text());
        self.adopt_sections(&sections);
        self.remote.pending = Some(offer);
        self.local.pending = Some(SessionDescription::from_text(answer, SdpType::Answer));
        effects.extend(self.enter(SignalingState::HaveRemoteOffer));
        effects.extend(self.apply_sections(&sections));
        effects
    }

    fn set_local_answer(&mut self) -> Result<Vec<Effect>, RtcError> {
        if self.signaling != SignalingState::HaveRemoteOffer {
            return Err(self.wrong_state("set a local answer", "set the peer's offer first"));
        }
        self.ensure_can_gather()?;
        // The answer of `str0m` counts, not an edited text, which is only for the peer.
        self.local.current = self.local.pending.take();
        self.remote.current = self.remote.pending.take();
        let mut effects = self.enter(SignalingState::Stable);
        if let Some(answer) = self.local.current.clone() {
            let local = sdp::sections(answer.text());
            self.has_data_section |= has_data(&local);
            effects.extend(self.gather(&answer));
        }
        if let Some(offer) = self.remote.current.clone() {
            self.agree_directions(&sdp::sections(offer.text()));
        }
        Ok(effects)
    }

    /// Creates transceivers for the m-lines that the peer added; they only receive (RFC 9429, section 5.10).
    fn adopt_sections(&mut self, offered: &[Section]) {
        for section in offered {
            let known =
                self.transceivers.iter().any(|own| own.mid().as_deref() == Some(section.mid.as_str()));
            let Some(kind) = Kind::of_section(section) else { continue };
            if known || section.mid.is_empty() || self.transceivers.len() >= MAX_TRANSCEIVERS {
                continue;
            }
            let transceiver = Transceiver::remote(kind, section.mid.clone(), self.link.clone());
            self.transceivers.push(Arc::new(transceiver));
        }
    }

    /// Updates tracks and streams to the peer's announcement, and reports new ones.
    fn apply_sections(&mut self, sections: &[Section]) -> Vec<Effect> {
        let mut effects = Vec::new();
        for section in sections {
            let mid = Some(section.mid.as_str());
            let Some(transceiver) = self.transceivers.iter().find(|own| own.mid().as_deref() == mid) else {
                continue;
            };
            let sends = section.sends() && !transceiver.is_stopped();
            let unnamed = || sdp::Msid { stream: "-".to_owned(), track: String::new() };
            let msid = sends.then(|| section.msid.clone().unwrap_or_else(unnamed));
            transceiver.set_format(section.audio);
            if transceiver.receive(msid.as_ref()) {
                effects.push(Effect::Track(Box::new(track_event(transceiver))));
            }
            if section.rejected {
                transceiver.set_direction(RtpTransceiverDirection::Stopped);
            }
        }
        self.has_data_section |= self.local_has_data() && has_data(sections);
        effects
    }

    fn local_has_data(&self) -> bool {
        self.local.current.as_ref().is_some_and(|local| has_data(&sdp::sections(local.text())))
    }

    fn agree_directions(&self, remote: &[Section]) {
        for section in remote {
            let mid = Some(section.mid.as_str());
            if let Some(transceiver) = self.transceivers.iter().find(|own| own.mid().as_deref() == mid) {
                transceiver.set_current_direction(agreed_direction(transceiver.direction(), section));
            }
        }
    }

    fn is_in_force(&self, description: &SessionDescription) -> bool {
        self.remote.current.as_ref().is_some_and(|current| current.text() == description.text())
    }

    pub(super) fn enter(&mut self, signaling: SignalingState) -> Vec<Effect> {
        if self.signaling == signaling {
            return Vec::new();
        }
        self.signaling = signaling;
        vec![Effect::Signaling(signaling)]
    }

    pub(super) fn wrong_state(&self, what: &str, advice: &str) -> RtcError {
        RtcError::invalid_state(format!("cannot {what} in signalling state {:?}: {advice}", self.signaling))
    }
}

/// The direction that both sides agree on (RFC 3264, section 6.1).
fn agreed_direction(wanted: RtpTransceiverDirection, remote: &Section) -> RtpTransceiverDirection {
    use RtpTransceiverDirection::{Inactive, RecvOnly, SendOnly, SendRecv, Stopped};
    if remote.rejected || wanted == Stopped {
        return Stopped;
    }
    let send = matches!(wanted, SendRecv | SendOnly) && remote.receives();
    let receive = matches!(wanted, SendRecv | RecvOnly) && remote.sends();
    match (send, receive) {
        (true, true) => SendRecv,
        (true, false) => SendOnly,
        (false, true) => RecvOnly,
        (false, false) => Inactive,
    }
}

fn track_event(transceiver: &Arc<Transceiver>) -> TrackEvent {
    TrackEvent {
        receiver: RtpReceiver { inner: transceiver.clone() },
        streams: transceiver.receiver_streams(),
        track: transceiver.receiver_track(),
        transceiver: RtpTransceiver { inner: transceiver.clone() },
    }
}
