//! A transceiver is one m-line of audio or video: a sender and a receiver that share a mid.

use std::{
    fmt::{self, Debug},
    sync::Arc,
};

use crate::{
    RtcError, pc::transceiver::Transceiver, rtp_parameters::RtpCodecCapability, rtp_receiver::RtpReceiver,
    rtp_sender::RtpSender,
};

pub use crate::{direction::RtpTransceiverDirection, transceiver_init::RtpTransceiverInit};

/// A handle to an m-line. Clones are the same.
#[derive(Clone)]
pub struct RtpTransceiver {
    pub(crate) inner: Arc<Transceiver>,
}

impl RtpTransceiver {
    /// The name of the m-line in the session description, `None` until a local or remote description has one.
    pub fn mid(&self) -> Option<String> {
        self.inner.mid()
    }

    /// The direction the last offer/answer exchange agreed on, `None` before the first.
    pub fn current_direction(&self) -> Option<RtpTransceiverDirection> {
        self.inner.current_direction()
    }

    /// The direction the next offer will ask for.
    pub fn direction(&self) -> RtpTransceiverDirection {
        self.inner.direction()
    }

    /// The sending half.
    pub fn sender(&self) -> RtpSender {
        RtpSender { inner: self.inner.clone() }
    }

    /// The receiving half.
    pub fn receiver(&self) -> RtpReceiver {
        RtpReceiver { inner: self.inner.clone() }
    }

    /// Accepted and ignored: every connection offers the same codecs, see the crate documentation.
    pub fn set_codec_preferences(&self, codecs: Vec<RtpCodecCapability>) -> Result<(), RtcError> {
        log::debug!("codec preferences are ignored: {} codecs given for {:?}", codecs.len(), self.mid());
        Ok(())
    }

    /// Ends the m-line for good with the next offer.
    pub fn stop(&self) -> Result<(), RtcError> {
        self.inner.stop();
        Ok(())
    }
}

impl Debug for RtpTransceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpTransceiver")
            .field("mid", &self.mid())
            .field("direction", &self.direction())
            .field("sender", &self.sender())
            .field("receiver", &self.receiver())
            .finish()
    }
}
