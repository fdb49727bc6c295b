//! Offers of this side: the content of the next one, and the effect of setting or dropping it.

use std::sync::Arc;

use crate::{
    RtcError,
    connection_state::{OfferOptions, SignalingState},
    direction::RtpTransceiverDirection,
    pc::{
        effect::Effect,
        sdp,
        state::{Draft, State, is_live, wanted_direction},
        transceiver::{Kind, Transceiver},
    },
    session_description::SessionDescription,
    transceiver_init::RtpTransceiverInit,
};

/// The content of the next offer.
pub(crate) struct OfferPlan {
    pub(crate) add: Vec<Arc<Transceiver>>,
    pub(crate) directions: Vec<(String, RtpTransceiverDirection)>,
    pub(crate) stop: Vec<String>,
    pub(crate) add_data_section: bool,
    pub(crate) ice_restart: bool,
    /// The description in force, which is offered again when nothing changes.
    pub(crate) in_force: Option<SessionDescription>,
}

impl State {
    pub(crate) fn plan_offer(&mut self, options: &OfferOptions) -> Result<OfferPlan, RtcError> {
        self.ensure_open()?;
        if !matches!(self.signaling, SignalingState::Stable | SignalingState::HaveLocalOffer) {
            return Err(self.wrong_state("create an offer", "answer the peer's offer first"));
        }
        self.add_wanted_receivers(options)?;
        self.negotiation_wanted = false;
        let (placed, unplaced): (Vec<_>, Vec<_>) =
            self.transceivers.iter().partition(|transceiver| self.agreed_mid(transceiver).is_some());
        let (stopped, running): (Vec<_>, Vec<_>) =
            placed.into_iter().partition(|transceiver| transceiver.is_stopped());
        Ok(OfferPlan {
            add: unplaced.into_iter().filter(|transceiver| !transceiver.is_stopped()).cloned().collect(),
            directions: running.into_iter().filter_map(wanted_direction).collect(),
            stop: stopped.into_iter().filter_map(|transceiver| transceiver.mid()).collect(),
            add_data_section: !self.has_data_section && self.channels.iter().any(is_live),
            ice_restart: options.ice_restart || self.ice_restart_wanted,
            in_force: self.local.current.clone(),
        })
    }

    /// Records the offer that was made from the plan, with the mids it gives.
    pub(crate) fn offer_made(&mut self, mids: Vec<(Arc<Transceiver>, String)>, ice_restart: bool) {
        self.withdraw_mids();
        self.draft = Some(Draft { mids, ice_restart, published: false });
    }

    /// `livekit` edits the text of an offer before it sets it, so the mids are compared instead of the text.
    pub(super) fn set_local_offer(&mut self, offer: SessionDescription) -> Result<Vec<Effect>, RtcError> {
        if !matches!(self.signaling, SignalingState::Stable | SignalingState::HaveLocalOffer) {
            return Err(self.wrong_state("set a local offer", "answer the peer's offer first"));
        }
        self.ensure_can_gather()?;
        let sections = sdp::sections(offer.text());
        let Some(draft) = &mut self.draft else {
            return Err(RtcError::invalid_state("there is no offer to set: call create_offer first"));
        };
        let in_offer = |mid: &str| sections.iter().any(|section| section.mid == mid);
        if !draft.mids.iter().all(|(_, mid)| in_offer(mid)) {
            return Err(RtcError::invalid_state("the offer is not the last one that create_offer returned"));
        }
        for (transceiver, mid) in &draft.mids {
            transceiver.set_mid(Some(mid.clone()));
        }
        draft.published = true;
        let mut effects = self.enter(SignalingState::HaveLocalOffer);
        effects.extend(self.gather(&offer));
        self.local.pending = Some(offer);
        Ok(effects)
    }

    /// Forgets the pending offer, whose m-lines were never agreed on.
    pub(crate) fn rollback(&mut self) -> Vec<Effect> {
        self.withdraw_mids();
        self.draft = None;
        self.local.pending = None;
        self.enter(SignalingState::Stable)
    }

    pub(super) fn withdraw_mids(&mut self) {
        for (transceiver, _) in self.draft.iter().flat_map(|draft| &draft.mids) {
            transceiver.set_mid(None);
        }
    }

    /// The mid that both sides know, as opposed to one that only our pending offer gives.
    pub(super) fn agreed_mid(&self, transceiver: &Arc<Transceiver>) -> Option<String> {
        let drafted = |draft: &Draft| draft.mids.iter().any(|(other, _)| Arc::ptr_eq(other, transceiver));
        if self.draft.as_ref().is_some_and(drafted) {
            return None;
        }
        transceiver.mid()
    }

    fn add_wanted_receivers(&mut self, options: &OfferOptions) -> Result<(), RtcError> {
        let wanted =
            [(options.offer_to_receive_audio, Kind::Audio), (options.offer_to_receive_video, Kind::Video)];
        for (wanted, kind) in wanted {
            if wanted && !self.transceivers.iter().any(|transceiver| transceiver.kind() == kind) {
                let init = RtpTransceiverInit {
                    direction: RtpTransceiverDirection::RecvOnly,
                    stream_ids: Vec::new(),
                    send_encodings: Vec::new(),
                };
                self.add_transceiver(Arc::new(Transceiver::new(kind, None, init, self.link.clone())))?;
            }
        }
        Ok(())
    }
}
