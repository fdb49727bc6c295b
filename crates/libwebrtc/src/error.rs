//! The error of every fallible call of this crate, and the kinds of media.

use thiserror::Error;

/// The content of an m-line or a transceiver.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum MediaType {
    Audio,
    Video,
    Data,
    Unsupported,
}

/// The class of an [`RtcError`], on which a program can base a decision.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum RtcErrorType {
    /// The machine or this crate failed: no socket, no runtime, or an unsupported feature.
    Internal,
    /// A session description or a candidate was not understood, or cannot be applied here.
    InvalidSdp,
    /// The call is not allowed now: wrong signalling state, or the connection is closed.
    InvalidState,
}

/// The failure and, where there is one, its remedy.
#[derive(Error, Debug)]
#[error("an RtcError occurred: {error_type:?} - {message}")]
pub struct RtcError {
    pub error_type: RtcErrorType,
    pub message: String,
}

impl RtcError {
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(RtcErrorType::Internal, message)
    }

    pub(crate) fn invalid_sdp(message: impl Into<String>) -> Self {
        Self::new(RtcErrorType::InvalidSdp, message)
    }

    pub(crate) fn invalid_state(message: impl Into<String>) -> Self {
        Self::new(RtcErrorType::InvalidState, message)
    }

    fn new(error_type: RtcErrorType, message: impl Into<String>) -> Self {
        Self { error_type, message: message.into() }
    }
}
