//! The sending half of a transceiver.

use std::{
    fmt::{self, Debug},
    sync::Arc,
};

use crate::{
    RtcError, media_stream_track::MediaStreamTrack, pc::transceiver::Transceiver,
    rtp_parameters::RtpParameters, stats::RtcStats,
};

/// The video encoder that a program prefers for an [`RtpSender`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum VideoEncoderBackend {
    #[default]
    Auto,
    Software,
    Hardware,
    Nvenc,
    Vaapi,
    VideoToolbox,
    PreEncoded,
}

/// A handle to the sending half. Clones are the same.
#[derive(Clone)]
pub struct RtpSender {
    pub(crate) inner: Arc<Transceiver>,
}

impl RtpSender {
    /// The track that is sent, if any.
    pub fn track(&self) -> Option<MediaStreamTrack> {
        self.inner.sender_track()
    }

    /// Statistics of the sent stream, of the peer's reports about it, and of its transport. Empty until the stream is
    /// negotiated.
    pub async fn get_stats(&self) -> Result<Vec<RtcStats>, RtcError> {
        self.inner.sender_stats().await
    }

    /// Replaces the track without a new negotiation. The track must be of the transceiver's kind.
    pub fn set_track(&self, track: Option<MediaStreamTrack>) -> Result<(), RtcError> {
        self.inner.set_sender_track(track)
    }

    /// The parameters last set.
    pub fn parameters(&self) -> RtpParameters {
        self.inner.sender_parameters()
    }

    /// Stores `parameters`. Of audio, `active` and `max_bitrate` of the first encoding take effect.
    pub fn set_parameters(&self, parameters: RtpParameters) -> Result<(), RtcError> {
        self.inner.set_sender_parameters(parameters);
        Ok(())
    }

    /// Accepted and ignored: there is no video encoder in this crate.
    pub fn set_video_encoder_backend(&self, backend: VideoEncoderBackend) {
        log::debug!("video encoder backend {backend:?} is ignored: this crate encodes no video");
    }
}

impl Debug for RtpSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpSender").field("cname", &self.parameters().rtcp.cname).finish()
    }
}
