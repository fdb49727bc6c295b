//! Statistics, in the shapes of the W3C list (webrtc-stats).
//!
//! The types are complete. The README lists the measured fields; the others keep their defaults.

pub mod dictionaries;

/// One report.
#[derive(Debug, Clone)]
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
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub enum QualityLimitationReason {
    #[default]
    None,
    Cpu,
    Bandwidth,
    Other,
}

/// The side that decides which candidate pair is used (RFC 8445, section 6.1.1).
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub enum IceRole {
    #[default]
    Unknown,
    Controlling,
    Controlled,
}

/// The DTLS handshake.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum DtlsTransportState {
    New,
    Connecting,
    Connected,
    Closed,
    Failed,
}

/// The ICE transport.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
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
#[derive(Debug, Default, Copy, Clone, PartialEq, Eq)]
pub enum DtlsRole {
    Client,
    Server,
    #[default]
    Unknown,
}

/// A candidate pair in the check list (RFC 8445, section 6.1.2.6).
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceCandidatePairState {
    Frozen,
    Waiting,
    InProgress,
    Failed,
    Succeeded,
}

/// How a candidate was found (RFC 8445, section 4).
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceCandidateType {
    Host,
    Srflx,
    Prflx,
    Relay,
}

/// How a relay is reached.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceServerTransportProtocol {
    Udp,
    Tcp,
    Tls,
}

/// The side that opens the connection of a TCP candidate (RFC 6544).
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceTcpCandidateType {
    Active,
    Passive,
    So,
}

/// A report is an id and a time, and the dictionaries of its type side by side.
macro_rules! report {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $part:ident,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Default, Clone)]
        pub struct $name {
            pub rtc: dictionaries::RtcStats,
            $(
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
