//! Offers and answers: the text that two peers exchange to agree on a connection.

use std::{
    fmt::{self, Debug, Display},
    str::FromStr,
    sync::Arc,
};

use thiserror::Error;

use crate::pc::{payload_types, sdp};

/// The role of a [`SessionDescription`] in the offer/answer exchange (RFC 9429, section 4.1.8).
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum SdpType {
    Offer,
    PrAnswer,
    Answer,
    Rollback,
}

/// One side's view of a session. It keeps its original text, byte for byte.
#[derive(Clone)]
pub struct SessionDescription {
    sdp_type: SdpType,
    text: Arc<str>,
}

/// The text is not a session description or not an ICE candidate.
#[derive(Clone, Error, Debug)]
#[error("Failed to parse sdp: {line} - {description}")]
pub struct SdpParseError {
    /// The line that was not understood, empty when the fault is not in a single line.
    pub line: String,
    pub description: String,
}

impl SessionDescription {
    /// Checks that `sdp` is a session description this crate can apply, and keeps the text unchanged.
    ///
    /// The text of a rollback is ignored and may be empty.
    pub fn parse(sdp: &str, sdp_type: SdpType) -> Result<Self, SdpParseError> {
        if sdp_type != SdpType::Rollback {
            sdp::validate(sdp, sdp_type)?;
            payload_types::check(sdp)?;
        }
        Ok(Self::from_text(sdp, sdp_type))
    }

    pub fn sdp_type(&self) -> SdpType {
        self.sdp_type
    }

    pub(crate) fn from_text(text: impl Into<Arc<str>>, sdp_type: SdpType) -> Self {
        Self { sdp_type, text: text.into() }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

impl Display for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Omits the text: it holds ICE credentials and addresses, which do not belong in logs.
impl Debug for SessionDescription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionDescription").field("sdp_type", &self.sdp_type).finish()
    }
}

impl FromStr for SdpType {
    type Err = &'static str;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "offer" => Ok(Self::Offer),
            "pranswer" => Ok(Self::PrAnswer),
            "answer" => Ok(Self::Answer),
            "rollback" => Ok(Self::Rollback),
            _ => Err("invalid SdpType: expected offer, pranswer, answer or rollback"),
        }
    }
}

impl Display for SdpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Offer => "offer",
            Self::PrAnswer => "pranswer",
            Self::Answer => "answer",
            Self::Rollback => "rollback",
        })
    }
}
