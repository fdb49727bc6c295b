//! What a transceiver begins with.

use crate::{direction::RtpTransceiverDirection, rtp_parameters::RtpEncodingParameters};

/// The initial state of a transceiver.
#[derive(Debug, Clone)]
pub struct RtpTransceiverInit {
    pub direction: RtpTransceiverDirection,
    /// The stream the track is announced in; only the first id is used.
    pub stream_ids: Vec<String>,
    pub send_encodings: Vec<RtpEncodingParameters>,
}
