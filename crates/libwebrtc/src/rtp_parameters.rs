//! The parameters of a sender or receiver: codecs, encodings, RTCP (W3C webrtc-pc, section 5.2).

use crate::direction::RtpTransceiverDirection;

/// The relative importance of an encoding or a data channel (W3C webrtc-priority).
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum Priority {
    VeryLow,
    Low,
    Medium,
    High,
}

/// What a video encoder gives up first when bandwidth or CPU is short.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Default)]
pub enum DegradationPreference {
    /// Neither: frames are dropped before they are encoded.
    MaintainFramerateAndResolution,
    /// Resolution.
    MaintainFramerate,
    /// Frame rate.
    MaintainResolution,
    /// A little of both.
    #[default]
    Balanced,
}

/// A header extension in use (RFC 8285).
#[derive(Debug, Clone)]
pub struct RtpHeaderExtensionParameters {
    pub uri: String,
    pub id: i32,
    pub encrypted: bool,
}

/// The parameters of one sender or receiver.
///
/// A sender stores and returns them; `active` and `max_bitrate` of the first encoding of audio have an effect.
#[derive(Debug, Clone, Default)]
pub struct RtpParameters {
    pub codecs: Vec<RtpCodecParameters>,
    pub header_extensions: Vec<RtpHeaderExtensionParameters>,
    pub encodings: Vec<RtpEncodingParameters>,
    pub rtcp: RtcpParameters,
    degradation_preference: Option<DegradationPreference>,
}

/// One codec in use.
#[derive(Debug, Clone, Default)]
pub struct RtpCodecParameters {
    /// The payload type of its RTP packets.
    pub payload_type: u8,
    /// For example `audio/opus`.
    pub mime_type: String,
    /// RTP clock in Hz.
    pub clock_rate: Option<u64>,
    pub channels: Option<u16>,
}

/// How RTCP is sent.
#[derive(Debug, Clone, Default)]
pub struct RtcpParameters {
    /// The canonical name that ties the streams of one endpoint together (RFC 3550, section 6.5.1).
    pub cname: String,
    /// Whether RTCP packets may be shortened (RFC 5506).
    pub reduced_size: bool,
}

/// One encoding of a track; several are simulcast.
#[derive(Debug, Clone)]
pub struct RtpEncodingParameters {
    /// Whether this encoding is sent.
    pub active: bool,
    /// Bits per second.
    pub max_bitrate: Option<u64>,
    /// Frames per second.
    pub max_framerate: Option<f64>,
    pub priority: Priority,
    /// The name of a simulcast layer (RFC 8851), empty when there is only one.
    pub rid: String,
    /// 2.0 halves width and height.
    pub scale_resolution_down_by: Option<f64>,
    /// For example `L3T3_KEY` (W3C webrtc-svc).
    pub scalability_mode: Option<String>,
    /// Whether `ssrc` is set.
    pub has_ssrc: bool,
    pub ssrc: u32,
}

/// A codec that could be used.
#[derive(Debug, Clone)]
pub struct RtpCodecCapability {
    pub channels: Option<u16>,
    /// RTP clock in Hz.
    pub clock_rate: Option<u64>,
    /// For example `audio/opus`.
    pub mime_type: String,
    /// The `a=fmtp` parameters, for example `minptime=10;useinbandfec=1`.
    pub sdp_fmtp_line: Option<String>,
}

/// A header extension that could be used (RFC 8285).
#[derive(Debug, Clone)]
pub struct RtpHeaderExtensionCapability {
    pub uri: String,
    pub direction: RtpTransceiverDirection,
}

/// Everything a sender or receiver of one kind of media could use.
#[derive(Debug, Clone)]
pub struct RtpCapabilities {
    pub codecs: Vec<RtpCodecCapability>,
    pub header_extensions: Vec<RtpHeaderExtensionCapability>,
}

impl RtpParameters {
    /// Sets what is given up first.
    pub fn set_degradation_preference(&mut self, preference: DegradationPreference) {
        self.degradation_preference = Some(preference);
    }

    /// What is given up first, if that was set.
    pub fn degradation_preference(&self) -> Option<DegradationPreference> {
        self.degradation_preference
    }
}

impl Default for RtpEncodingParameters {
    fn default() -> Self {
        Self {
            active: true,
            max_bitrate: None,
            max_framerate: None,
            priority: Priority::Low,
            rid: String::new(),
            scale_resolution_down_by: None,
            scalability_mode: None,
            has_ssrc: false,
            ssrc: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_degradation_preference_is_unknown_until_it_is_set() {
        let mut parameters = RtpParameters::default();
        assert_eq!(parameters.degradation_preference(), None);
        for preference in [
            DegradationPreference::MaintainFramerateAndResolution,
            DegradationPreference::MaintainFramerate,
            DegradationPreference::MaintainResolution,
            DegradationPreference::Balanced,
        ] {
            parameters.set_degradation_preference(preference);
            assert_eq!(parameters.degradation_preference(), Some(preference));
        }
    }

    #[test]
    fn an_encoding_is_sent_unless_it_is_switched_off() {
        let encoding = RtpEncodingParameters::default();
        assert!(encoding.active && encoding.rid.is_empty() && !encoding.has_ssrc);
        assert_eq!(encoding.priority, Priority::Low);
        assert_eq!(encoding.max_bitrate, None);
    }
}
