//! The receiving half of a transceiver.

use std::{
    fmt::{self, Debug},
    sync::Arc,
};

use crate::{
    RtcError, media_stream::MediaStream, media_stream_track::MediaStreamTrack, pc::transceiver::Transceiver,
    rtp_parameters::RtpParameters, stats::RtcStats,
};

/// A handle to the receiving half. Clones are the same.
#[derive(Clone)]
pub struct RtpReceiver {
    pub(crate) inner: Arc<Transceiver>,
}

impl RtpReceiver {
    /// The incoming track. It exists as soon as the transceiver does; its id is the peer's once the peer names one.
    pub fn track(&self) -> Option<MediaStreamTrack> {
        Some(self.inner.receiver_track())
    }

    /// The ids of the streams that the peer announced the track in.
    pub fn stream_ids(&self) -> Vec<String> {
        self.streams().iter().map(MediaStream::id).collect()
    }

    /// The streams the peer sends this track in; empty while it does not send.
    pub fn streams(&self) -> Vec<MediaStream> {
        self.inner.receiver_streams()
    }

    /// Statistics of the received stream, of the peer's reports about it, and of its transport. Empty until the stream
    /// is negotiated.
    pub async fn get_stats(&self) -> Result<Vec<RtcStats>, RtcError> {
        self.inner.receiver_stats().await
    }

    /// The agreed parameters.
    pub fn parameters(&self) -> RtpParameters {
        self.inner.receiver_parameters()
    }
}

impl Debug for RtpReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpReceiver")
            .field("track", &self.track())
            .field("cname", &self.parameters().rtcp.cname)
            .finish()
    }
}
