//! Statistics, in the shapes of the W3C list.

use std::{
    collections::HashMap,
    net::SocketAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use str0m::{
    Candidate, CandidateKind,
    media::Mid,
    net::Protocol,
    stats::{CandidatePairStats as Pair, MediaEgressStats, MediaIngressStats, PeerStats},
};

use crate::{
    audio::jitter::JitterStats,
    connection_state::{IceConnectionState, PeerConnectionState},
    pc::{
        channel::Channel,
        command::StatsOf,
        engine::{
            Engine,
            media::{Incoming, Outgoing},
        },
        sdp,
        transceiver::{Kind, Transceiver},
    },
    stats::{
        self, DtlsTransportState, IceCandidatePairState, IceCandidateType, IceTransportState, RtcStats,
        dictionaries,
    },
};

/// How often `str0m` is asked for the values that only it knows.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);

const TRANSPORT: &str = "T01";
const PAIR: &str = "CP01";
const LOCAL: &str = "IL01";
const REMOTE: &str = "IR01";
const SECONDS_PER_UNIT: f64 = 1.0 / 48_000.0;

/// The counts so far.
#[derive(Default)]
pub(super) struct Counted {
    sent: Traffic,
    received: Traffic,
    channels_opened: u32,
    channels_closed: u32,
    pair_changes: u32,
    peer: Option<PeerStats>,
    egress: HashMap<Mid, MediaEgressStats>,
    ingress: HashMap<Mid, MediaIngressStats>,
}

#[derive(Default, Clone, Copy)]
struct Traffic {
    packets: u64,
    bytes: u64,
    last: Option<Instant>,
}

/// One moment, on both clocks.
struct Moment {
    now: Instant,
    /// Microseconds since 1970.
    epoch: i64,
}

// === impl Counted ===

impl Counted {
    pub(super) fn sent(&mut self, now: Instant, bytes: usize) {
        self.sent.count(now, bytes);
    }

    pub(super) fn received(&mut self, now: Instant, bytes: usize) {
        self.received.count(now, bytes);
    }

    pub(super) fn channel_opened(&mut self) {
        self.channels_opened += 1;
    }

    pub(super) fn channel_closed(&mut self) {
        self.channels_closed += 1;
    }

    pub(super) fn pair_changed(&mut self) {
        self.pair_changes += 1;
    }

    pub(super) fn peer(&mut self, stats: PeerStats) {
        self.peer = Some(stats);
    }

    pub(super) fn egress(&mut self, stats: MediaEgressStats) {
        self.egress.insert(stats.mid, stats);
    }

    pub(super) fn ingress(&mut self, stats: MediaIngressStats) {
        self.ingress.insert(stats.mid, stats);
    }

    fn pair(&self) -> Option<&Pair> {
        self.peer.as_ref()?.selected_candidate_pair.as_ref()
    }
}

impl Traffic {
    fn count(&mut self, now: Instant, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
        self.last = Some(now);
    }
}

// === impl Moment ===

impl Moment {
    fn new(now: Instant) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { now, epoch: i64::try_from(since.as_micros()).unwrap_or(i64::MAX) }
    }

    fn report(&self, id: impl Into<String>) -> dictionaries::RtcStats {
        dictionaries::RtcStats { id: id.into(), timestamp: self.epoch }
    }

    /// Milliseconds since 1970, the specification's unit for single events; zero stands for never.
    fn when(&self, event: Option<Instant>) -> f64 {
        let ago = event.map(|event| self.now.saturating_duration_since(event));
        ago.map_or(0.0, |ago| self.epoch as f64 / 1e3 - ago.as_secs_f64() * 1e3)
    }
}

impl Engine {
    pub(crate) fn stats(&mut self, now: Instant, of: &StatsOf) -> Vec<RtcStats> {
        let moment = Moment::new(now);
        let (transceivers, channels) = {
            let state = self.shared.state.lock();
            (state.transceivers().to_vec(), state.channels().to_vec())
        };
        let mut reports = Vec::new();
        for transceiver in transceivers {
            let Some(mid) = transceiver.mid() else { continue };
            let sender = matches!(of, StatsOf::Sender(wanted) if *wanted == mid);
            let receiver = matches!(of, StatsOf::Receiver(wanted) if *wanted == mid);
            if *of == StatsOf::Connection || sender {
                self.sender_stats(&moment, &transceiver, &mid, &mut reports);
            }
            if *of == StatsOf::Connection || receiver {
                self.receiver_stats(&moment, &transceiver, &mid, &mut reports);
            }
        }
        if *of == StatsOf::Connection {
            reports.push(self.connection_stats(&moment));
            reports.extend(channels.iter().map(|channel| channel_stats(&moment, channel)));
        }
        reports.push(self.transport_stats(&moment));
        reports.extend(self.pair_stats(&moment));
        reports
    }

    fn sender_stats(
        &self,
        moment: &Moment,
        transceiver: &Transceiver,
        mid: &str,
        reports: &mut Vec<RtcStats>,
    ) {
        let mid = Mid::from(mid);
        let Some(outgoing) = self.media.outgoing(mid) else { return };
        let egress = self.counted.egress.get(&mid);
        let id = outgoing.ssrc;
        reports.push(outbound(moment, transceiver, mid, outgoing, egress));
        if let Some(egress) = egress {
            reports.push(remote_inbound(moment, outgoing, egress));
        }
        reports.push(codec(moment, transceiver));
        if let Some(track) = transceiver.sender_track() {
            reports.push(RtcStats::MediaSource(stats::MediaSourceStats {
                rtc: moment.report(format!("SA{id}")),
                source: dictionaries::MediaSourceStats {
                    track_identifier: track.id(),
                    kind: "audio".to_owned(),
                },
                ..Default::default()
            }));
        }
    }

    fn receiver_stats(
        &self,
        moment: &Moment,
        transceiver: &Transceiver,
        mid: &str,
        reports: &mut Vec<RtcStats>,
    ) {
        let mid = Mid::from(mid);
        let Some((ssrc, incoming)) = self.media.incoming(mid) else { return };
        let ingress = self.counted.ingress.get(&mid);
        reports.push(inbound(moment, transceiver, ssrc, incoming, ingress));
        if let Some(remote) = ingress.and_then(|ingress| ingress.remote.as_ref()) {
            reports.push(RtcStats::RemoteOutboundRtp(stats::RemoteOutboundRtpStats {
                rtc: moment.report(format!("ROA{ssrc}")),
                stream: stream(ssrc, transceiver.kind()),
                sent: dictionaries::SentRtpStreamStats {
                    packets_sent: remote.packets,
                    bytes_sent: remote.bytes,
                },
                remote_outbound: dictionaries::RemoteOutboundRtpStreamStats {
                    local_id: format!("IT{ssrc}"),
                    ..Default::default()
                },
            }));
        }
        if transceiver.kind() == Kind::Audio {
            reports.push(codec(moment, transceiver));
        }
    }

    fn connection_stats(&self, moment: &Moment) -> RtcStats {
        RtcStats::PeerConnection(stats::PeerConnectionStats {
            rtc: moment.report("P"),
            pc: dictionaries::PeerConnectionStats {
                data_channels_opened: self.counted.channels_opened,
                data_channels_closed: self.counted.channels_closed,
            },
        })
    }

    fn transport_stats(&self, moment: &Moment) -> RtcStats {
        let (ice, state, secured) = {
            let state = self.shared.state.lock();
            (state.transport.ice(), state.transport.state(), state.transport.is_secured())
        };
        let Counted { sent, received, pair_changes, .. } = &self.counted;
        RtcStats::Transport(stats::TransportStats {
            rtc: moment.report(TRANSPORT),
            transport: dictionaries::TransportStats {
                packets_sent: sent.packets,
                packets_received: received.packets,
                bytes_sent: sent.bytes,
                bytes_received: received.bytes,
                dtls_state: Some(dtls_state(state, secured)),
                ice_state: Some(ice_state(ice)),
                selected_candidate_pair_id: self.counted.pair().map_or("", |_| PAIR).to_owned(),
                selected_candidate_pair_changes: *pair_changes,
                ..Default::default()
            },
        })
    }

    /// The candidate pair in use, and its candidates.
    fn pair_stats(&self, moment: &Moment) -> Vec<RtcStats> {
        let Some(pair) = self.counted.pair() else { return Vec::new() };
        let (local, remote) = {
            let state = self.shared.state.lock();
            let remote = state.current_remote().map(|remote| sdp::candidates(remote.text()));
            (
                kind_of(state.local_candidates(), pair.local.addr),
                kind_of(&remote.unwrap_or_default(), pair.remote.addr),
            )
        };
        let candidate = |addr, kind| ice_candidate(addr, pair.protocol, kind);
        vec![
            RtcStats::CandidatePair(self.pair_in_use(moment, pair)),
            RtcStats::LocalCandidate(stats::LocalCandidateStats {
                rtc: moment.report(LOCAL),
                local_candidate: candidate(pair.local.addr, local),
            }),
            RtcStats::RemoteCandidate(stats::RemoteCandidateStats {
                rtc: moment.report(REMOTE),
                remote_candidate: candidate(pair.remote.addr, remote),
            }),
        ]
    }

    fn pair_in_use(&self, moment: &Moment, pair: &Pair) -> stats::CandidatePairStats {
        let Counted { sent, received, .. } = &self.counted;
        stats::CandidatePairStats {
            rtc: moment.report(PAIR),
            candidate_pair: dictionaries::CandidatePairStats {
                transport_id: TRANSPORT.to_owned(),
                local_candidate_id: LOCAL.to_owned(),
                remote_candidate_id: REMOTE.to_owned(),
                state: Some(IceCandidatePairState::Succeeded),
                nominated: true,
                packets_sent: sent.packets,
                packets_received: received.packets,
                bytes_sent: sent.bytes,
                bytes_received: received.bytes,
                last_packet_sent_timestamp: moment.when(sent.last),
                last_packet_received_timestamp: moment.when(received.last),
                total_round_trip_time: pair.total_round_trip_time.as_secs_f64(),
                current_round_trip_time: seconds(pair.current_round_trip_time),
                responses_received: pair.responses_received,
                ..Default::default()
            },
        }
    }
}

fn outbound(
    moment: &Moment,
    transceiver: &Transceiver,
    mid: Mid,
    outgoing: &Outgoing,
    egress: Option<&MediaEgressStats>,
) -> RtcStats {
    RtcStats::OutboundRtp(stats::OutboundRtpStats {
        rtc: moment.report(format!("OT{}", outgoing.ssrc)),
        stream: stream(outgoing.ssrc, Kind::Audio),
        sent: dictionaries::SentRtpStreamStats { packets_sent: outgoing.packets, bytes_sent: outgoing.bytes },
        outbound: dictionaries::OutboundRtpStreamStats {
            mid: mid.to_string(),
            media_source_id: format!("SA{}", outgoing.ssrc),
            remote_id: egress.map(|_| format!("RIA{}", outgoing.ssrc)).unwrap_or_default(),
            target_bitrate: transceiver.target_bitrate(),
            nack_count: egress.map_or(0, |egress| egress.nacks as u32),
            active: transceiver.is_sending(),
            ..Default::default()
        },
    })
}

fn remote_inbound(moment: &Moment, outgoing: &Outgoing, egress: &MediaEgressStats) -> RtcStats {
    let remote = egress.remote.as_ref();
    let lost = remote.map_or(0, |remote| remote.packets_lost);
    RtcStats::RemoteInboundRtp(stats::RemoteInboundRtpStats {
        rtc: moment.report(format!("RIA{}", outgoing.ssrc)),
        stream: stream(outgoing.ssrc, Kind::Audio),
        received: dictionaries::ReceivedRtpStreamStats {
            packets_received: outgoing.packets.saturating_sub(lost),
            packets_lost: i64::try_from(lost).unwrap_or(i64::MAX),
            jitter: remote.map_or(0.0, |remote| f64::from(remote.jitter) * SECONDS_PER_UNIT),
        },
        remote_inbound: dictionaries::RemoteInboundRtpStreamStats {
            local_id: format!("OT{}", outgoing.ssrc),
            round_trip_time: seconds(egress.rtt),
            fraction_lost: f64::from(egress.loss.unwrap_or_default()),
            ..Default::default()
        },
    })
}

fn inbound(
    moment: &Moment,
    transceiver: &Transceiver,
    ssrc: u32,
    incoming: &Incoming,
    ingress: Option<&MediaIngressStats>,
) -> RtcStats {
    let played = transceiver.jitter_stats();
    let jitter = ingress.map_or(0.0, |ingress| f64::from(ingress.jitter) * SECONDS_PER_UNIT);
    RtcStats::InboundRtp(stats::InboundRtpStats {
        rtc: moment.report(format!("IT{ssrc}")),
        stream: stream(ssrc, transceiver.kind()),
        received: dictionaries::ReceivedRtpStreamStats {
            packets_received: incoming.packets,
            packets_lost: incoming.lost(),
            jitter: if jitter > 0.0 { jitter } else { played.jitter },
        },
        inbound: dictionaries::InboundRtpStreamStats {
            track_identifier: transceiver.receiver_track().id(),
            mid: transceiver.mid().unwrap_or_default(),
            last_packet_received_timestamp: moment.when(incoming.last),
            bytes_received: incoming.bytes,
            nack_count: ingress.map_or(0, |ingress| ingress.nacks as u32),
            ..heard(&played)
        },
    })
}

/// The statistics of the jitter buffer and the decoder.
fn heard(played: &JitterStats) -> dictionaries::InboundRtpStreamStats {
    dictionaries::InboundRtpStreamStats {
        packets_discarded: played.packets_discarded,
        fec_packets_received: played.fec_packets,
        jitter_buffer_delay: played.jitter_buffer_delay,
        jitter_buffer_target_delay: played.jitter_buffer_target_delay,
        jitter_buffer_emitted_count: played.jitter_buffer_emitted_count,
        total_samples_received: played.total_samples_received,
        concealed_samples: played.concealed_samples,
        silent_concealed_samples: played.silent_concealed_samples,
        concealment_events: played.concealment_events,
        inserted_samples_for_deceleration: played.inserted_samples_for_deceleration,
        removed_samples_for_acceleration: played.removed_samples_for_acceleration,
        audio_level: played.audio_level,
        total_audio_energy: played.total_audio_energy,
        total_samples_duration: played.total_samples_duration,
        ..Default::default()
    }
}

fn codec(moment: &Moment, transceiver: &Transceiver) -> RtcStats {
    RtcStats::Codec(stats::CodecStats {
        rtc: moment.report("COT_opus"),
        codec: dictionaries::CodecStats {
            payload_type: u32::from(transceiver.format().opus.unwrap_or_default()),
            transport_id: TRANSPORT.to_owned(),
            mime_type: "audio/opus".to_owned(),
            clock_rate: 48_000,
            channels: 2,
            sdp_fmtp_line: String::new(),
        },
    })
}

fn stream(ssrc: u32, kind: Kind) -> dictionaries::RtpStreamStats {
    let (kind, codec_id) = match kind {
        Kind::Audio => ("audio", "COT_opus"),
        Kind::Video => ("video", ""),
    };
    dictionaries::RtpStreamStats {
        ssrc,
        kind: kind.to_owned(),
        transport_id: TRANSPORT.to_owned(),
        codec_id: codec_id.to_owned(),
    }
}

fn channel_stats(moment: &Moment, channel: &Channel) -> RtcStats {
    let traffic = channel.traffic();
    RtcStats::DataChannel(stats::DataChannelStats {
        rtc: moment.report(format!("D{}", channel.id())),
        dc: dictionaries::DataChannelStats {
            label: channel.label().to_owned(),
            protocol: channel.config().protocol.clone(),
            data_channel_identifier: channel.id(),
            state: Some(channel.state()),
            messages_sent: traffic.messages_sent,
            bytes_sent: traffic.bytes_sent,
            messages_received: traffic.messages_received,
            bytes_received: traffic.bytes_received,
        },
    })
}

fn ice_candidate(
    addr: SocketAddr,
    protocol: Protocol,
    kind: Option<IceCandidateType>,
) -> dictionaries::IceCandidateStats {
    dictionaries::IceCandidateStats {
        transport_id: TRANSPORT.to_owned(),
        address: addr.ip().to_string(),
        port: i32::from(addr.port()),
        protocol: if protocol == Protocol::Udp { "udp" } else { "tcp" }.to_owned(),
        candidate_type: kind.or(Some(IceCandidateType::Prflx)),
        ..Default::default()
    }
}

/// A candidate that is not in the list was learnt from a check.
fn kind_of(candidates: &[Candidate], addr: SocketAddr) -> Option<IceCandidateType> {
    let found = candidates.iter().find(|candidate| candidate.addr() == addr)?;
    Some(match found.kind() {
        CandidateKind::Host => IceCandidateType::Host,
        CandidateKind::ServerReflexive => IceCandidateType::Srflx,
        CandidateKind::PeerReflexive => IceCandidateType::Prflx,
        CandidateKind::Relayed => IceCandidateType::Relay,
    })
}

fn dtls_state(state: PeerConnectionState, secured: bool) -> DtlsTransportState {
    match state {
        PeerConnectionState::Closed => DtlsTransportState::Closed,
        PeerConnectionState::Failed => DtlsTransportState::Failed,
        _ if secured => DtlsTransportState::Connected,
        PeerConnectionState::New => DtlsTransportState::New,
        _ => DtlsTransportState::Connecting,
    }
}

fn ice_state(state: IceConnectionState) -> IceTransportState {
    match state {
        IceConnectionState::New | IceConnectionState::Max => IceTransportState::New,
        IceConnectionState::Checking => IceTransportState::Checking,
        IceConnectionState::Connected => IceTransportState::Connected,
        IceConnectionState::Completed => IceTransportState::Completed,
        IceConnectionState::Failed => IceTransportState::Failed,
        IceConnectionState::Disconnected => IceTransportState::Disconnected,
        IceConnectionState::Closed => IceTransportState::Closed,
    }
}

fn seconds(duration: Option<Duration>) -> f64 {
    duration.map_or(0.0, |duration| duration.as_secs_f64())
}
