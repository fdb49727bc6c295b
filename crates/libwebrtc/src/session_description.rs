//! Offers and answers: the text that two peers exchange to agree on a connection.

use std::{
    fmt::{self, Debug, Display},
    sync::Arc,
};

use crate::pc::{payload_types, sdp};

pub use crate::sdp_type::{SdpParseError, SdpType};

/// One side's view of a session. It keeps its original text, byte for byte.
#[derive(Clone)]
pub struct SessionDescription {
    sdp_type: SdpType,
    text: Arc<str>,
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

    /// The role of the description.
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
