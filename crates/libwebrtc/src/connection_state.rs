//! What is told of a connection and asked of it, in plain values (W3C webrtc-pc, section 4).

/// ICE and DTLS together: whether data can flow.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum PeerConnectionState {
    New,
    Connecting,
    Connected,
    /// The peer does not answer at the moment. The connection may recover by itself.
    Disconnected,
    /// The peer did not answer for 20 s, or never answered. Only an ICE restart or a new connection helps.
    Failed,
    Closed,
}

/// ICE: whether a pair of addresses works (W3C webrtc-pc, section 4.3.5).
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceConnectionState {
    New,
    Checking,
    Connected,
    Completed,
    Failed,
    Disconnected,
    Closed,
    Max,
}

/// Whether addresses of this side are still looked for.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceGatheringState {
    New,
    Gathering,
    Complete,
}

/// The offer/answer exchange (RFC 9429, section 3.2).
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum SignalingState {
    Stable,
    HaveLocalOffer,
    HaveLocalPrAnswer,
    HaveRemoteOffer,
    HaveRemotePrAnswer,
    Closed,
}

/// What an offer asks for beyond the transceivers.
#[derive(Debug, Clone, Default)]
pub struct OfferOptions {
    /// Look for a new network path, with new credentials.
    pub ice_restart: bool,
    /// Ask for audio even though no transceiver does.
    pub offer_to_receive_audio: bool,
    /// Ask for video even though no transceiver does.
    pub offer_to_receive_video: bool,
}

/// An answer has no options.
#[derive(Debug, Clone, Default)]
pub struct AnswerOptions {}

/// Limits for everything that a connection sends, in bits per second. They are checked, and not used while no media is
/// sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BitrateSettings {
    pub min_bitrate_bps: Option<u64>,
    pub start_bitrate_bps: Option<u64>,
    pub max_bitrate_bps: Option<u64>,
}

/// An ICE server that could not be used.
///
/// `error_code` is the server's code, or 701 if the server could not be reached; `address` and `port` are this side's,
/// and empty if the failure came before there was a socket.
#[derive(Debug, Clone)]
pub struct IceCandidateError {
    pub address: String,
    pub port: i32,
    pub url: String,
    pub error_code: i32,
    pub error_text: String,
}
