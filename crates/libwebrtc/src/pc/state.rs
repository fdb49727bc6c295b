//! The offer/answer state of a connection, as a pure state machine (RFC 9429).
//!
//! It decides what an offer must contain and what applying a description means for the program; it calls neither
//! sockets nor `str0m`. Its list of transceivers is authoritative: `str0m` allows one pending offer and forgets a
//! dropped one with all of its content, so every offer is derived anew from the list, and a dropped offer costs
//! nothing.

use std::sync::Arc;

use str0m::Candidate;

use crate::{
    RtcError,
    channel_init::DataChannelState,
    configuration::RtcConfiguration,
    connection_state::SignalingState,
    direction::RtpTransceiverDirection,
    pc::{
        channel::Channel,
        effect::Effect,
        link::Link,
        sdp::{Section, SectionKind},
        transceiver::Transceiver,
        transport::Transport,
    },
    session_description::SessionDescription,
};

use self::gathering::Gathering;
pub(crate) use self::{descriptions::RemoteStep, offers::OfferPlan};

mod descriptions;
pub(crate) mod gathering;
mod offers;
#[cfg(test)]
mod tests;

/// M-lines are never removed from a session, so a program that adds them without end must be stopped.
const MAX_TRANSCEIVERS: usize = 512;
/// The most open channels, including the peer's.
pub(crate) const MAX_CHANNELS: usize = 1024;

pub(crate) struct State {
    signaling: SignalingState,
    gathering: Gathering,
    pub(crate) transport: Transport,
    transceivers: Vec<Arc<Transceiver>>,
    channels: Vec<Arc<Channel>>,
    draft: Option<Draft>,
    local: Descriptions,
    remote: Descriptions,
    ice_restart_wanted: bool,
    /// Both sides agreed on an m-line for data channels.
    has_data_section: bool,
    negotiations: u32,
    negotiation_wanted: bool,
    link: Link,
}

#[derive(Default)]
struct Descriptions {
    current: Option<SessionDescription>,
    pending: Option<SessionDescription>,
}

/// The last offer of this side, until it is answered or dropped.
struct Draft {
    /// The mids the offer gives to transceivers that have none yet.
    mids: Vec<(Arc<Transceiver>, String)>,
    ice_restart: bool,
    /// Given to `set_local_description`.
    published: bool,
}

impl State {
    pub(crate) fn new(config: RtcConfiguration, local_candidates: Vec<Candidate>, link: Link) -> Self {
        Self {
            signaling: SignalingState::Stable,
            gathering: Gathering::new(config, local_candidates),
            transport: Transport::new(),
            transceivers: Vec::new(),
            channels: Vec::new(),
            draft: None,
            local: Descriptions::default(),
            remote: Descriptions::default(),
            ice_restart_wanted: false,
            has_data_section: false,
            negotiations: 0,
            negotiation_wanted: false,
            link,
        }
    }

    pub(crate) fn signaling(&self) -> SignalingState {
        self.signaling
    }

    pub(crate) fn transceivers(&self) -> &[Arc<Transceiver>] {
        &self.transceivers
    }

    pub(crate) fn channels(&self) -> &[Arc<Channel>] {
        &self.channels
    }

    pub(crate) fn has_data_section(&self) -> bool {
        self.has_data_section
    }

    pub(crate) fn current_local(&self) -> Option<SessionDescription> {
        self.local.current.clone()
    }

    pub(crate) fn current_remote(&self) -> Option<SessionDescription> {
        self.remote.current.clone()
    }

    /// Whether the peer has sent a description, including an offer that is not answered yet.
    pub(crate) fn has_remote(&self) -> bool {
        self.remote.current.is_some() || self.remote.pending.is_some()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.signaling == SignalingState::Closed
    }

    pub(crate) fn ensure_open(&self) -> Result<(), RtcError> {
        if self.is_closed() {
            return Err(RtcError::invalid_state("the peer connection is closed: create a new one"));
        }
        Ok(())
    }

    pub(crate) fn want_ice_restart(&mut self) {
        self.ice_restart_wanted = true;
        self.negotiation_wanted = true;
    }

    pub(crate) fn add_transceiver(&mut self, transceiver: Arc<Transceiver>) -> Result<(), RtcError> {
        self.ensure_open()?;
        if self.transceivers.len() >= MAX_TRANSCEIVERS {
            let message = format!(
                "a peer connection holds at most {MAX_TRANSCEIVERS} transceivers: use a new connection"
            );
            return Err(RtcError::invalid_state(message));
        }
        self.transceivers.push(transceiver);
        self.negotiation_wanted = true;
        Ok(())
    }

    pub(crate) fn remove_track(&mut self, transceiver: &Arc<Transceiver>) -> Result<(), RtcError> {
        self.ensure_open()?;
        if !self.transceivers.iter().any(|own| Arc::ptr_eq(own, transceiver)) {
            return Err(RtcError::invalid_state("the sender belongs to another peer connection"));
        }
        transceiver.remove_sender_track();
        self.negotiation_wanted = true;
        Ok(())
    }

    pub(crate) fn add_channel(&mut self, channel: Arc<Channel>) -> Result<(), RtcError> {
        self.ensure_open()?;
        if self.channels.len() >= MAX_CHANNELS {
            let message =
                format!("a peer connection holds at most {MAX_CHANNELS} data channels: close some first");
            return Err(RtcError::invalid_state(message));
        }
        if let Some(id) = channel.config().negotiated
            && self.channels.iter().any(|other| is_live(other) && other.id() == i32::from(id))
        {
            return Err(RtcError::invalid_state(format!(
                "a data channel with id {id} exists: close it first"
            )));
        }
        self.negotiation_wanted |= !self.has_data_section && self.channels.is_empty();
        self.channels.push(channel);
        Ok(())
    }

    pub(crate) fn forget_channel(&mut self, channel: &Arc<Channel>) {
        self.channels.retain(|other| !Arc::ptr_eq(other, channel));
    }

    /// Reports once to the program that an offer is due (W3C webrtc-pc, section 4.7.3).
    pub(crate) fn take_negotiation_needed(&mut self) -> Option<Effect> {
        if self.signaling != SignalingState::Stable || !std::mem::take(&mut self.negotiation_wanted) {
            return None;
        }
        self.negotiations = self.negotiations.wrapping_add(1);
        Some(Effect::NegotiationNeeded(self.negotiations))
    }

    /// Closes the connection for good; every later call fails.
    pub(crate) fn close(&mut self) {
        self.signaling = SignalingState::Closed;
        self.draft = None;
        self.transceivers.iter().for_each(|transceiver| transceiver.end());
    }
}

fn is_live(channel: &Arc<Channel>) -> bool {
    matches!(channel.state(), DataChannelState::Connecting | DataChannelState::Open)
}

fn wanted_direction(transceiver: &Arc<Transceiver>) -> Option<(String, RtpTransceiverDirection)> {
    Some((transceiver.mid()?, transceiver.direction()))
        .filter(|(_, wanted)| *wanted != RtpTransceiverDirection::Stopped)
}

fn has_data(sections: &[Section]) -> bool {
    sections.iter().any(|section| section.kind == SectionKind::Application && !section.rejected)
}
