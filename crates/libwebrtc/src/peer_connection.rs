//! A connection to one peer (W3C webrtc-pc, section 4).

use std::{
    fmt::{self, Debug},
    sync::Arc,
};

use crate::{
    MediaType, RtcError,
    channel_init::DataChannelInit,
    configuration::RtcConfiguration,
    data_channel::DataChannel,
    direction::RtpTransceiverDirection,
    ice_candidate::IceCandidate,
    media_stream_track::MediaStreamTrack,
    pc::{
        Connection,
        state::gathering::ensure_reachable,
        transceiver::{Kind, Transceiver},
    },
    rtp_receiver::RtpReceiver,
    rtp_sender::RtpSender,
    rtp_transceiver::RtpTransceiver,
    session_description::SessionDescription,
    stats::RtcStats,
    transceiver_init::RtpTransceiverInit,
};

pub use crate::connection_state::{
    AnswerOptions, BitrateSettings, IceCandidateError, IceConnectionState, IceGatheringState, OfferOptions,
    PeerConnectionState, SignalingState,
};

pub use crate::connection_events::{
    OnConnectionChange, OnDataChannel, OnIceCandidate, OnIceCandidateError, OnIceConnectionChange,
    OnIceGatheringChange, OnNegotiationNeeded, OnSignalingChange, OnTrack, TrackEvent,
};

/// A connection to one peer. Clones are the same connection; dropping the last one closes it.
///
/// Callbacks run one after another on the connection's own task, in the order things happened. They must not block, and
/// may call everything that does not wait.
#[derive(Clone)]
pub struct PeerConnection {
    connection: Arc<Connection>,
}

impl PeerConnection {
    pub(crate) fn open(config: RtcConfiguration) -> Result<Self, RtcError> {
        ensure_reachable(&config)?;
        Ok(Self { connection: Arc::new(Connection::open(config)?) })
    }

    /// Replaces the configuration. It takes effect with the next gathering of candidates, which is the first local
    /// description or an ICE restart.
    pub fn set_configuration(&self, config: RtcConfiguration) -> Result<(), RtcError> {
        self.connection.configure(config)
    }

    /// Checks `settings`, which limit nothing yet.
    pub fn set_bitrate(&self, settings: BitrateSettings) -> Result<(), RtcError> {
        self.connection.read(|state| state.ensure_open())?;
        let ordered = [settings.min_bitrate_bps, settings.start_bitrate_bps, settings.max_bitrate_bps];
        if !ordered.into_iter().flatten().is_sorted() {
            return Err(RtcError::invalid_state(format!(
                "bitrates must be min <= start <= max, not {settings:?}"
            )));
        }
        Ok(())
    }

    /// Creates an offer of everything this connection is to carry.
    ///
    /// The offer takes effect with [`PeerConnection::set_local_description`]. An offer that is never set costs nothing;
    /// the next call replaces it. Only the last offer can be set, and only the last can be answered: a call while an
    /// offer is pending withdraws that one.
    pub async fn create_offer(&self, options: OfferOptions) -> Result<SessionDescription, RtcError> {
        self.connection.create_offer(options).await
    }

    /// The answer to the offer set last with [`PeerConnection::set_remote_description`].
    pub async fn create_answer(&self, _options: AnswerOptions) -> Result<SessionDescription, RtcError> {
        self.connection.create_answer().await
    }

    /// Puts an offer or an answer of this side in force. Edits of its text are passed to the peer but not acted on.
    pub async fn set_local_description(&self, desc: SessionDescription) -> Result<(), RtcError> {
        self.connection.set_local(desc).await
    }

    /// Applies a description of the peer.
    ///
    /// While an offer of this side is pending, the answer that is already in force withdraws that offer, and so does an
    /// offer of the peer.
    pub async fn set_remote_description(&self, desc: SessionDescription) -> Result<(), RtcError> {
        self.connection.set_remote(desc).await
    }

    /// Adds an address of the peer. The end-of-candidates mark is accepted and changes nothing.
    pub async fn add_ice_candidate(&self, candidate: IceCandidate) -> Result<(), RtcError> {
        self.connection.add_candidate(candidate).await
    }

    /// Creates a channel. It opens once both sides agreed on data channels and the transport is up.
    pub fn create_data_channel(&self, label: &str, init: DataChannelInit) -> Result<DataChannel, RtcError> {
        let inner = self.connection.create_data_channel(label, &init)?;
        Ok(DataChannel { inner })
    }

    /// Adds a track to send, on a new transceiver.
    pub fn add_track<T: AsRef<str>>(
        &self,
        track: MediaStreamTrack,
        streams_ids: &[T],
    ) -> Result<RtpSender, RtcError> {
        let init = RtpTransceiverInit {
            direction: RtpTransceiverDirection::SendRecv,
            stream_ids: streams_ids.iter().map(|id| id.as_ref().to_owned()).collect(),
            send_encodings: Vec::new(),
        };
        Ok(self.add_transceiver(track, init)?.sender())
    }

    /// Stops sending the sender's track with the next offer.
    pub fn remove_track(&self, sender: RtpSender) -> Result<(), RtcError> {
        self.connection.remove_track(&sender.inner)
    }

    /// Statistics of the connection: its streams, data channels, transport, and the candidate pair in use.
    ///
    /// Values that only the transport knows, such as the round-trip time, are up to a second old.
    pub async fn get_stats(&self) -> Result<Vec<RtcStats>, RtcError> {
        self.connection.stats().await
    }

    /// Adds an m-line that sends `track`, with the next offer.
    pub fn add_transceiver(
        &self,
        track: MediaStreamTrack,
        init: RtpTransceiverInit,
    ) -> Result<RtpTransceiver, RtcError> {
        let kind = Kind::of_track(&track);
        Ok(RtpTransceiver { inner: self.connection.add_transceiver(kind, Some(track), init)? })
    }

    /// Adds an m-line without a track. Data is no medium of a transceiver: that is an error.
    pub fn add_transceiver_for_media(
        &self,
        media_type: MediaType,
        init: RtpTransceiverInit,
    ) -> Result<RtpTransceiver, RtcError> {
        let kind = match media_type {
            MediaType::Audio => Kind::Audio,
            MediaType::Video => Kind::Video,
            MediaType::Data | MediaType::Unsupported => {
                return Err(RtcError::invalid_state(format!(
                    "a transceiver carries audio or video, not {media_type:?}"
                )));
            }
        };
        Ok(RtpTransceiver { inner: self.connection.add_transceiver(kind, None, init)? })
    }

    /// Ends the connection. This returns at once; the peer is told in the background.
    pub fn close(&self) {
        self.connection.close()
    }

    /// Makes the next offer restart ICE.
    pub fn restart_ice(&self) {
        self.connection.restart_ice()
    }

    /// The state of ICE and DTLS together.
    pub fn connection_state(&self) -> PeerConnectionState {
        self.connection.connection_state()
    }

    /// The state of ICE.
    pub fn ice_connection_state(&self) -> IceConnectionState {
        self.connection.ice_state()
    }

    /// Whether addresses of this side are looked for.
    pub fn ice_gathering_state(&self) -> IceGatheringState {
        self.connection.read(|state| state.gathering())
    }

    /// The state of the offer/answer exchange.
    pub fn signaling_state(&self) -> SignalingState {
        self.connection.read(|state| state.signaling())
    }

    /// The description of this side that is in force.
    pub fn current_local_description(&self) -> Option<SessionDescription> {
        self.connection.read(|state| state.current_local())
    }

    /// The description of the peer that is in force.
    pub fn current_remote_description(&self) -> Option<SessionDescription> {
        self.connection.read(|state| state.current_remote())
    }

    /// The sender of each transceiver.
    pub fn senders(&self) -> Vec<RtpSender> {
        self.map_transceivers(|inner| RtpSender { inner })
    }

    /// The receiver of each transceiver.
    pub fn receivers(&self) -> Vec<RtpReceiver> {
        self.map_transceivers(|inner| RtpReceiver { inner })
    }

    /// The m-lines of audio and video, in the order of their creation.
    pub fn transceivers(&self) -> Vec<RtpTransceiver> {
        self.map_transceivers(|inner| RtpTransceiver { inner })
    }

    /// Replaces the callback for states of the connection.
    pub fn on_connection_state_change(&self, f: Option<OnConnectionChange>) {
        self.connection.callbacks().connection.set(f)
    }

    /// Replaces the callback for channels of the peer.
    pub fn on_data_channel(&self, f: Option<OnDataChannel>) {
        self.connection.callbacks().data_channel.set(f)
    }

    /// Replaces the callback for addresses of this side.
    pub fn on_ice_candidate(&self, f: Option<OnIceCandidate>) {
        self.connection.callbacks().candidate.set(f)
    }

    /// Replaces the callback for failures of servers.
    pub fn on_ice_candidate_error(&self, f: Option<OnIceCandidateError>) {
        self.connection.callbacks().candidate_error.set(f)
    }

    /// Replaces the callback for states of ICE.
    pub fn on_ice_connection_state_change(&self, f: Option<OnIceConnectionChange>) {
        self.connection.callbacks().ice.set(f)
    }

    /// Replaces the callback for gathering.
    pub fn on_ice_gathering_state_change(&self, f: Option<OnIceGatheringChange>) {
        self.connection.callbacks().gathering.set(f)
    }

    /// Replaces the callback for offers that are due.
    pub fn on_negotiation_needed(&self, f: Option<OnNegotiationNeeded>) {
        self.connection.callbacks().negotiation_needed.set(f)
    }

    /// Replaces the callback for states of the offer/answer exchange.
    pub fn on_signaling_state_change(&self, f: Option<OnSignalingChange>) {
        self.connection.callbacks().signaling.set(f)
    }

    /// Replaces the callback for tracks of the peer.
    pub fn on_track(&self, f: Option<OnTrack>) {
        self.connection.callbacks().track.set(f)
    }

    fn map_transceivers<T>(&self, map: impl Fn(Arc<Transceiver>) -> T) -> Vec<T> {
        self.connection.read(|state| state.transceivers().iter().cloned().map(map).collect())
    }
}

impl Debug for PeerConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PeerConnection")
            .field("state", &self.connection_state())
            .field("ice_state", &self.ice_connection_state())
            .finish()
    }
}
