//! The callbacks of a connection.

use crate::{
    connection_state::{
        IceCandidateError, IceConnectionState, IceGatheringState, PeerConnectionState, SignalingState,
    },
    data_channel::DataChannel,
    ice_candidate::IceCandidate,
    media_stream::MediaStream,
    media_stream_track::MediaStreamTrack,
    rtp_receiver::RtpReceiver,
    rtp_transceiver::RtpTransceiver,
};

/// The peer began to send a track.
#[derive(Debug, Clone)]
pub struct TrackEvent {
    pub receiver: RtpReceiver,
    pub streams: Vec<MediaStream>,
    pub track: MediaStreamTrack,
    pub transceiver: RtpTransceiver,
}

/// Receives each new state of ICE and DTLS together.
pub type OnConnectionChange = Box<dyn FnMut(PeerConnectionState) + Send + Sync>;
/// Receives each channel that the peer opens, before anything else about it.
pub type OnDataChannel = Box<dyn FnMut(DataChannel) + Send + Sync>;
/// Receives each address of this side, for the peer.
pub type OnIceCandidate = Box<dyn FnMut(IceCandidate) + Send + Sync>;
/// Receives each failure of a STUN or TURN server.
pub type OnIceCandidateError = Box<dyn FnMut(IceCandidateError) + Send + Sync>;
/// Receives each new state of ICE.
pub type OnIceConnectionChange = Box<dyn FnMut(IceConnectionState) + Send + Sync>;
/// Receives the begin and the end of each gathering.
pub type OnIceGatheringChange = Box<dyn FnMut(IceGatheringState) + Send + Sync>;
/// Receives a number for each time that an offer is due.
pub type OnNegotiationNeeded = Box<dyn FnMut(u32) + Send + Sync>;
/// Receives each new state of the offer/answer exchange.
pub type OnSignalingChange = Box<dyn FnMut(SignalingState) + Send + Sync>;
/// Receives each track that the peer begins to send.
pub type OnTrack = Box<dyn FnMut(TrackEvent) + Send + Sync>;
