//! Offers and answers: the plans of the state machine, carried out by `str0m`.

use std::{sync::Arc, time::Instant};

use str0m::{
    change::{SdpAnswer, SdpApi, SdpOffer, SdpPendingOffer},
    channel::ChannelConfig,
    media::{Direction, MediaKind, Mid},
};

use crate::{
    RtcError,
    configuration::IceTransportsType,
    connection_state::OfferOptions,
    direction::RtpTransceiverDirection,
    ice_candidate::IceCandidate,
    pc::{
        engine::Engine,
        sdp,
        state::{OfferPlan, RemoteStep, gathering::is_told},
        transceiver::{Kind, Transceiver},
        transport,
    },
    sdp_type::SdpType,
    session_description::SessionDescription,
};

/// Our offer, in the form in which `str0m` knows it.
pub(super) enum Pending {
    None,
    Offer(SdpPendingOffer),
    /// The description in force was offered again: the answer changes nothing.
    Unchanged,
}

/// The transceivers of an offer, with the mids that it gives them.
type Placed = Vec<(Arc<Transceiver>, String)>;

impl Engine {
    pub(crate) fn create_offer(
        &mut self,
        now: Instant,
        options: &OfferOptions,
    ) -> Result<SessionDescription, RtcError> {
        let plan = self.shared.state.lock().plan_offer(options)?;
        self.ensure_alive()?;
        let (text, placed) = match self.str0m_offer(&plan) {
            Some((text, placed, pending)) => {
                self.pending = Pending::Offer(pending);
                (self.with_told_candidates(text), placed)
            }
            None => {
                self.pending = Pending::Unchanged;
                (offer_in_force(&plan)?, Vec::new())
            }
        };
        self.drain(now);
        self.shared.state.lock().offer_made(placed, plan.ice_restart);
        Ok(SessionDescription::from_text(text, SdpType::Offer))
    }

    pub(crate) fn create_answer(&mut self) -> Result<SessionDescription, RtcError> {
        self.shared.state.lock().plan_answer()
    }

    pub(crate) fn set_local(
        &mut self,
        now: Instant,
        description: SessionDescription,
    ) -> Result<(), RtcError> {
        let effects = self.shared.state.lock().set_local(description)?;
        self.effects.extend(effects);
        self.sync(now);
        Ok(())
    }

    pub(crate) fn set_remote(
        &mut self,
        now: Instant,
        description: SessionDescription,
    ) -> Result<(), RtcError> {
        let step = self.shared.state.lock().plan_remote(&description)?;
        let effects = match step {
            RemoteStep::Rollback => {
                self.pending = Pending::None;
                self.shared.state.lock().rollback()
            }
            RemoteStep::AcceptAnswer => {
                self.accept_answer(now, description.text())?;
                self.read_remote(now, description.text());
                self.shared.state.lock().answer_accepted(description)
            }
            RemoteStep::AcceptOffer(directions) => {
                let answer = self.accept_offer(now, &directions, description.text())?;
                self.read_remote(now, description.text());
                self.shared.state.lock().offer_accepted(description, answer)
            }
        };
        self.effects.extend(effects);
        self.sync(now);
        Ok(())
    }

    pub(crate) fn add_candidate(&mut self, now: Instant, candidate: IceCandidate) -> Result<(), RtcError> {
        {
            let state = self.shared.state.lock();
            state.ensure_open()?;
            if !state.has_remote() {
                let message =
                    "a candidate came before the peer's description: set the remote description first";
                return Err(RtcError::invalid_state(message));
            }
        }
        if let Some(candidate) = candidate.into_parsed() {
            self.remote_candidate(now, &candidate);
            self.rtc.add_remote_candidate(candidate);
            self.drain(now);
            self.kick(now);
        }
        Ok(())
    }

    /// Lets `str0m` write the offer; `None` when the plan has no change that needs one.
    fn str0m_offer(&mut self, plan: &OfferPlan) -> Option<(String, Placed, SdpPendingOffer)> {
        let carrier = plan.add_data_section.then(|| self.links.next_carrier());
        let mut changes = self.rtc.sdp_api();
        let placed = apply_plan(&mut changes, plan);
        if let Some(config) = carrier {
            self.links.carriers.push(changes.add_channel_with_config(config));
        }
        if !changes.has_changes() {
            force_offer(&mut changes, plan);
        }
        let (offer, pending) = changes.apply()?;
        // Sections in which we only receive keep redundancy first: it makes a loss of 20 % bearable.
        let text = sdp::with_opus_first(&offer.to_sdp_string(), sdp::Section::sends);
        Some((text, placed, pending))
    }

    fn accept_answer(&mut self, now: Instant, text: &str) -> Result<(), RtcError> {
        self.ensure_alive()?;
        let answer =
            SdpAnswer::from_sdp_string(text).map_err(|error| RtcError::invalid_sdp(error.to_string()))?;
        let result = match std::mem::replace(&mut self.pending, Pending::None) {
            Pending::Offer(pending) => self.rtc.sdp_api().accept_answer(pending, answer),
            Pending::Unchanged => {
                self.add_candidates_of(now, text);
                Ok(())
            }
            Pending::None => {
                let message =
                    "the offer was given up after an answer that did not fit: roll back and offer again";
                return Err(RtcError::invalid_state(message));
            }
        };
        self.drain(now);
        result.map_err(|error| RtcError::invalid_sdp(format!("the answer cannot be applied: {error}")))
    }

    /// The known m-lines get our current directions first, because `str0m` answers with the stored ones.
    fn accept_offer(
        &mut self,
        now: Instant,
        directions: &[(String, RtpTransceiverDirection)],
        text: &str,
    ) -> Result<String, RtcError> {
        self.ensure_alive()?;
        let offer =
            SdpOffer::from_sdp_string(text).map_err(|error| RtcError::invalid_sdp(error.to_string()))?;
        let mut changes = self.rtc.sdp_api();
        for (mid, direction) in directions {
            changes.set_direction(Mid::from(mid.as_str()), direction_of(*direction));
        }
        drop(changes);
        self.drain(now);
        self.pending = Pending::None;
        let result = self.rtc.sdp_api().accept_offer(offer);
        self.drain(now);
        match result {
            Ok(answer) => {
                let answer = in_offered_order(&answer.to_sdp_string(), text);
                let answer = self.with_told_candidates(answer);
                Ok(self.receive_only(now, directions, answer))
            }
            Err(error) => Err(RtcError::invalid_sdp(format!("the offer cannot be applied: {error}"))),
        }
    }

    /// Removes the candidates that the policy hides: `str0m` describes every candidate it has.
    fn with_told_candidates(&self, text: String) -> String {
        match self.shared.state.lock().transports() {
            IceTransportsType::All => text,
            policy => sdp::with_candidates(&text, |kind| is_told(policy, kind)),
        }
    }

    /// `str0m` answers an m-line that the peer added with every direction that fits the offer, sending included. This
    /// side has no track for it, so the answer promises none, and `str0m` is told.
    fn receive_only(
        &mut self,
        now: Instant,
        known: &[(String, RtpTransceiverDirection)],
        mut answer: String,
    ) -> String {
        let is_new =
            |section: &sdp::Section| section.sends() && !known.iter().any(|(mid, _)| *mid == section.mid);
        for section in sdp::sections(&answer).into_iter().filter(is_new) {
            let direction = if section.receives() { Direction::RecvOnly } else { Direction::Inactive };
            self.rtc.sdp_api().set_direction(Mid::from(section.mid.as_str()), direction);
            self.drain(now);
            answer = sdp::without_sending(&answer, &section.mid);
        }
        answer
    }

    /// Reads the parts of a remote description that `str0m` ignores.
    fn read_remote(&mut self, now: Instant, text: &str) {
        for candidate in sdp::candidates(text) {
            self.remote_candidate(now, &candidate);
        }
        if let Some(size) = sdp::max_message_size(text) {
            self.links.set_max_message(size);
        }
        self.doubt_incoming();
        self.transport_event(now, transport::Event::Started);
        self.kick(now);
    }

    fn add_candidates_of(&mut self, now: Instant, text: &str) {
        for candidate in sdp::candidates(text) {
            self.rtc.add_remote_candidate(candidate);
            self.drain(now);
        }
    }

    fn ensure_alive(&self) -> Result<(), RtcError> {
        if self.rtc.is_alive() {
            return Ok(());
        }
        Err(RtcError::invalid_state(
            "the transport of this peer connection has ended: create a new peer connection",
        ))
    }
}

fn apply_plan(changes: &mut SdpApi<'_>, plan: &OfferPlan) -> Placed {
    for (mid, direction) in &plan.directions {
        changes.set_direction(Mid::from(mid.as_str()), direction_of(*direction));
    }
    for mid in &plan.stop {
        changes.stop_media(Mid::from(mid.as_str()));
    }
    if plan.ice_restart {
        changes.ice_restart(true);
    }
    plan.add.iter().map(|transceiver| (transceiver.clone(), add_media(changes, transceiver))).collect()
}

fn add_media(changes: &mut SdpApi<'_>, transceiver: &Transceiver) -> String {
    let kind = match transceiver.kind() {
        Kind::Audio => MediaKind::Audio,
        Kind::Video => MediaKind::Video,
    };
    let (stream, track) = transceiver.offered_msid();
    changes.add_media(kind, direction_of(transceiver.direction()), stream, track, None).to_string()
}

/// `str0m` makes no offer without a change, but programs renegotiate all the same. A direction that is changed and
/// changed back makes one. This affects the half that carries no media, unless both halves do.
fn force_offer(changes: &mut SdpApi<'_>, plan: &OfferPlan) {
    use RtpTransceiverDirection::{Inactive, RecvOnly, SendOnly, SendRecv, Stopped};
    if let Some((mid, wanted)) = plan.directions.first() {
        let detour = match wanted {
            RecvOnly | SendOnly => SendRecv,
            SendRecv => RecvOnly,
            Inactive | Stopped => SendOnly,
        };
        changes.set_direction(Mid::from(mid.as_str()), direction_of(detour));
        changes.set_direction(Mid::from(mid.as_str()), direction_of(*wanted));
    }
}

/// A session of data channels alone has no direction to change: the description in force is offered again.
fn offer_in_force(plan: &OfferPlan) -> Result<String, RtcError> {
    match &plan.in_force {
        Some(description) => Ok(sdp::as_offer(description.text())),
        None => Err(RtcError::invalid_state(
            "there is nothing to offer: add a transceiver or a data channel first",
        )),
    }
}

/// The answer prefers Opus or redundancy as the offer does (RFC 3264, section 6.1).
fn in_offered_order(answer: &str, offer: &str) -> String {
    let offered = sdp::sections(offer);
    let likes_red =
        |mid: &str| offered.iter().any(|section| section.mid == mid && section.audio.prefers_red());
    sdp::with_opus_first(answer, |section| !likes_red(&section.mid))
}

fn direction_of(direction: RtpTransceiverDirection) -> Direction {
    match direction {
        RtpTransceiverDirection::SendRecv => Direction::SendRecv,
        RtpTransceiverDirection::SendOnly => Direction::SendOnly,
        RtpTransceiverDirection::RecvOnly => Direction::RecvOnly,
        RtpTransceiverDirection::Inactive | RtpTransceiverDirection::Stopped => Direction::Inactive,
    }
}

/// The m-line for data channels only exists in an offer that adds a channel. The program's own channels are opened
/// later, when the association is up: one that is closed or dropped with its offer until then never reaches `str0m`,
/// which could neither take it back nor take its id again. So an unused channel carries the m-line. It is negotiated
/// out-of-band, which means that the peer never hears of it, at an id that no other channel reaches.
pub(super) fn carrier_config(id: u16) -> ChannelConfig {
    ChannelConfig { label: "m-line carrier".to_owned(), negotiated: Some(id), ..Default::default() }
}
