//! ICE candidates: addresses at which a peer may be reached (RFC 8839, section 5.1).

use std::fmt::{self, Debug, Display};

use str0m::Candidate;

use crate::sdp_type::SdpParseError;

/// One address of a peer, as it travels over signalling.
pub struct IceCandidate {
    sdp_mid: String,
    sdp_mline_index: i32,
    text: String,
    /// `None` is the end-of-candidates mark, whose text is empty. Boxed, as queues of calls and events carry it.
    parsed: Option<Box<Candidate>>,
}

impl IceCandidate {
    /// Reads a candidate line, with or without its `a=` prefix. An empty line marks the end of the candidates.
    pub fn parse(sdp_mid: &str, sdp_mline_index: i32, sdp: &str) -> Result<IceCandidate, SdpParseError> {
        let text = sdp.trim();
        let line = text.strip_prefix("a=").unwrap_or(text);
        let parsed = match line {
            "" => None,
            line => Some(Box::new(Candidate::from_sdp_string(line).map_err(|error| refuse(text, error))?)),
        };
        Ok(Self { sdp_mid: sdp_mid.to_owned(), sdp_mline_index, text: line.to_owned(), parsed })
    }

    /// The mid of the m-line that the candidate is for.
    pub fn sdp_mid(&self) -> String {
        self.sdp_mid.clone()
    }

    /// The place of that m-line in the description.
    pub fn sdp_mline_index(&self) -> i32 {
        self.sdp_mline_index
    }

    /// The candidate line, without `a=`.
    pub fn candidate(&self) -> String {
        self.text.clone()
    }

    /// A candidate of our own. All media share one transport, so it belongs to the first m-line.
    ///
    /// The text omits the user fragment: while a restart is pending `str0m` still names the old one, which would make
    /// the peer drop the candidate.
    pub(crate) fn local(candidate: Candidate, first_mid: &str) -> Self {
        let text = candidate.to_sdp_string();
        Self {
            sdp_mid: first_mid.to_owned(),
            sdp_mline_index: 0,
            text: text.split_once(" ufrag ").map_or(text.as_str(), |(text, _)| text).to_owned(),
            parsed: Some(Box::new(candidate)),
        }
    }

    pub(crate) fn into_parsed(self) -> Option<Candidate> {
        self.parsed.map(|candidate| *candidate)
    }
}

impl Display for IceCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Debug for IceCandidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceCandidate").field("candidate", &self.text).finish()
    }
}

fn refuse(line: &str, error: impl Display) -> SdpParseError {
    SdpParseError { line: line.to_owned(), description: format!("not an ICE candidate: {error}") }
}
