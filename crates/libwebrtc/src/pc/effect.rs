//! Events for the program, in order, delivered when no lock is held.

use std::sync::Arc;

use crate::{
    callback::Slot,
    channel_init::{DataBuffer, DataChannelState},
    connection_events::{
        OnConnectionChange, OnDataChannel, OnIceCandidate, OnIceCandidateError, OnIceConnectionChange,
        OnIceGatheringChange, OnNegotiationNeeded, OnSignalingChange, OnTrack, TrackEvent,
    },
    connection_state::{
        IceCandidateError, IceConnectionState, IceGatheringState, PeerConnectionState, SignalingState,
    },
    data_channel::{DataChannel, filtered},
    ice_candidate::IceCandidate,
    pc::channel::Channel,
};

pub(crate) enum Effect {
    Connection(PeerConnectionState),
    Ice(IceConnectionState),
    Gathering(IceGatheringState),
    Signaling(SignalingState),
    NegotiationNeeded(u32),
    Candidate(IceCandidate),
    CandidateError(IceCandidateError),
    Track(Box<TrackEvent>),
    /// The peer opened a channel. It comes before anything else about that channel.
    Channel(Arc<Channel>),
    ChannelState(Arc<Channel>, DataChannelState),
    ChannelMessage {
        channel: Arc<Channel>,
        data: Vec<u8>,
        binary: bool,
    },
    ChannelSent(Arc<Channel>, u64),
}

/// The callbacks of one connection.
#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) connection: Slot<OnConnectionChange>,
    pub(crate) ice: Slot<OnIceConnectionChange>,
    pub(crate) gathering: Slot<OnIceGatheringChange>,
    pub(crate) signaling: Slot<OnSignalingChange>,
    pub(crate) negotiation_needed: Slot<OnNegotiationNeeded>,
    pub(crate) candidate: Slot<OnIceCandidate>,
    pub(crate) candidate_error: Slot<OnIceCandidateError>,
    pub(crate) track: Slot<OnTrack>,
    pub(crate) data_channel: Slot<OnDataChannel>,
}

impl Effect {
    pub(crate) fn dispatch(self, callbacks: &Callbacks) {
        match self {
            Self::Connection(state) => callbacks.connection.with(|f| f(state)),
            Self::Ice(state) => callbacks.ice.with(|f| f(state)),
            Self::Gathering(state) => callbacks.gathering.with(|f| f(state)),
            Self::Signaling(state) => callbacks.signaling.with(|f| f(state)),
            Self::NegotiationNeeded(id) => callbacks.negotiation_needed.with(|f| f(id)),
            Self::Candidate(candidate) => callbacks.candidate.with(|f| f(candidate)),
            Self::CandidateError(error) => callbacks.candidate_error.with(|f| f(error)),
            Self::Track(event) => callbacks.track.with(|f| f(*event)),
            Self::Channel(inner) => callbacks.data_channel.with(|f| f(DataChannel { inner })),
            Self::ChannelState(channel, state) => {
                channel.callbacks().state_change.with(|f| f(state));
                if state == DataChannelState::Closed {
                    channel.callbacks().clear();
                }
            }
            Self::ChannelMessage { channel, data, binary } => {
                // Runs inside the callback's place, where a panic of the filter is caught too.
                channel.callbacks().message.with(|f| f(DataBuffer { data: &filtered(data), binary }));
            }
            Self::ChannelSent(channel, bytes) => {
                channel.callbacks().buffered_amount_change.with(|f| f(bytes))
            }
        }
    }
}

impl Callbacks {
    /// Drops every callback: after a close there are no more events, and a callback may own handles that should be
    /// dropped.
    pub(crate) fn clear(&self) {
        self.connection.set(None);
        self.ice.set(None);
        self.gathering.set(None);
        self.signaling.set(None);
        self.negotiation_needed.set(None);
        self.candidate.set(None);
        self.candidate_error.set(None);
        self.track.set(None);
        self.data_channel.set(None);
    }
}
