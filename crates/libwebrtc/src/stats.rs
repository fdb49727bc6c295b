//! Statistics, in the shapes of the W3C list (webrtc-stats).
//!
//! The types are complete. The README lists the measured fields; the others keep their defaults.

use serde::Deserialize;

pub mod dictionaries;

/// One report. The member `type` in JSON names its kind.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum RtcStats {
    Codec(CodecStats),
    InboundRtp(InboundRtpStats),
    OutboundRtp(OutboundRtpStats),
    RemoteInboundRtp(RemoteInboundRtpStats),
    RemoteOutboundRtp(RemoteOutboundRtpStats),
    MediaSource(MediaSourceStats),
    MediaPlayout(MediaPlayoutStats),
    PeerConnection(PeerConnectionStats),
    DataChannel(DataChannelStats),
    Transport(TransportStats),
    CandidatePair(CandidatePairStats),
    LocalCandidate(LocalCandidateStats),
    RemoteCandidate(RemoteCandidateStats),
    Certificate(CertificateStats),
    Stream(StreamStats),
    /// Removed from the specification.
    Track,
}

/// Why an encoder sends less than it could.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QualityLimitationReason {
    #[default]
    None,
    Cpu,
    Bandwidth,
    Other,
}

/// The side that decides which candidate pair is used (RFC 8445, section 6.1.1).
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IceRole {
    #[default]
    Unknown,
    Controlling,
    Controlled,
}

/// The DTLS handshake.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DtlsTransportState {
    New,
    Connecting,
    Connected,
    Closed,
    Failed,
}

/// The ICE transport.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IceTransportState {
    New,
    Checking,
    Connected,
    Completed,
    Disconnected,
    Failed,
    Closed,
}

/// The side that started the DTLS handshake.
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DtlsRole {
    Client,
    Server,
    #[default]
    Unknown,
}

/// A candidate pair in the check list (RFC 8445, section 6.1.2.6).
#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IceCandidatePairState {
    Frozen,
    Waiting,
    InProgress,
    Failed,
    Succeeded,
}

/// How a candidate was found (RFC 8445, section 4).
#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IceCandidateType {
    Host,
    Srflx,
    Prflx,
    Relay,
}

/// How a relay is reached.
#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IceServerTransportProtocol {
    Udp,
    Tcp,
    Tls,
}

/// The side that opens the connection of a TCP candidate (RFC 6544).
#[derive(Debug, Copy, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IceTcpCandidateType {
    Active,
    Passive,
    So,
}

/// A report is an id and a time, and the dictionaries of its type side by side.
macro_rules! report {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $part:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Clone, Deserialize)]
        pub struct $name {
            #[serde(flatten)]
            pub rtc: dictionaries::RtcStats,
            $(
                #[serde(flatten)]
                pub $field: dictionaries::$part,
            )+
        }
    };
}

report! {
    /// A codec in use.
    CodecStats {
        codec: CodecStats,
    }
}

report! {
    /// A stream we receive.
    InboundRtpStats {
        stream: RtpStreamStats,
        received: ReceivedRtpStreamStats,
        inbound: InboundRtpStreamStats,
    }
}

report! {
    /// A stream we send.
    OutboundRtpStats {
        stream: RtpStreamStats,
        sent: SentRtpStreamStats,
        outbound: OutboundRtpStreamStats,
    }
}

report! {
    /// The other side's reception of a stream that we send.
    RemoteInboundRtpStats {
        stream: RtpStreamStats,
        received: ReceivedRtpStreamStats,
        remote_inbound: RemoteInboundRtpStreamStats,
    }
}

report! {
    /// The other side's sending of a stream that we receive.
    RemoteOutboundRtpStats {
        stream: RtpStreamStats,
        sent: SentRtpStreamStats,
        remote_outbound: RemoteOutboundRtpStreamStats,
    }
}

report! {
    /// The source of a sender's media.
    MediaSourceStats {
        source: MediaSourceStats,
        audio: AudioSourceStats,
        video: VideoSourceStats,
    }
}

report! {
    /// An audio output.
    MediaPlayoutStats {
        audio_playout: AudioPlayoutStats,
    }
}

report! {
    /// A peer connection.
    PeerConnectionStats {
        pc: PeerConnectionStats,
    }
}

report! {
    /// A data channel.
    DataChannelStats {
        dc: DataChannelStats,
    }
}

report! {
    /// ICE and DTLS.
    TransportStats {
        transport: TransportStats,
    }
}

report! {
    /// A pair of ICE candidates.
    CandidatePairStats {
        candidate_pair: CandidatePairStats,
    }
}

report! {
    /// An ICE candidate of ours.
    LocalCandidateStats {
        local_candidate: IceCandidateStats,
    }
}

report! {
    /// An ICE candidate of the other side.
    RemoteCandidateStats {
        remote_candidate: IceCandidateStats,
    }
}

report! {
    /// A certificate.
    CertificateStats {
        certificate: CertificateStats,
    }
}

report! {
    /// A media stream.
    StreamStats {
        stream: StreamStats,
    }
}

/// The former content of [`RtcStats::Track`].
#[derive(Debug, Default, Clone, Deserialize)]
pub struct TrackStats {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_from_the_json_of_the_specification() {
        let json = r#"[
            {"type": "candidate-pair", "id": "CP1", "timestamp": 7, "state": "in-progress",
             "nominated": true, "currentRoundTripTime": 0.25, "bytesSent": 12},
            {"type": "inbound-rtp", "id": "I1", "ssrc": 42, "packetsLost": -1, "concealedSamples": 9},
            {"type": "transport", "iceRole": "controlled", "dtlsState": "connected"},
            {"type": "track"}
        ]"#;
        let reports: Vec<RtcStats> = serde_json::from_str(json).unwrap();
        let [
            RtcStats::CandidatePair(pair),
            RtcStats::InboundRtp(inbound),
            RtcStats::Transport(transport),
            RtcStats::Track,
        ] = &reports[..]
        else {
            panic!("{reports:?}");
        };
        assert_eq!((pair.rtc.id.as_str(), pair.rtc.timestamp), ("CP1", 7));
        assert_eq!(pair.candidate_pair.state, Some(IceCandidatePairState::InProgress));
        assert_eq!(pair.candidate_pair.current_round_trip_time, 0.25);
        assert_eq!(inbound.stream.ssrc, 42);
        assert_eq!(inbound.received.packets_lost, -1);
        assert_eq!(inbound.inbound.concealed_samples, 9);
        assert_eq!(transport.transport.ice_role, IceRole::Controlled);
        assert_eq!(transport.transport.dtls_state, Some(DtlsTransportState::Connected));
        assert_eq!(transport.transport.ice_state, None);
    }

    #[test]
    fn an_unknown_report_is_an_error_and_no_panic() {
        let json = r#"{"type": "weather"}"#;
        assert!(serde_json::from_str::<RtcStats>(json).is_err());
    }
}
