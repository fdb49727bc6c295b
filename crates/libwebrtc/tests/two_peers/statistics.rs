//! The counts of `get_stats`, while a tone is sent and texts go both ways.

use libwebrtc::{audio_stream::native::NativeAudioStream, prelude::*, stats::RtcStats};

use super::{
    audio::{Tone, hear, is_loud, listening_pair, received},
    support::Line,
};

/// The only report of a kind.
macro_rules! the {
    ($reports:expr, $kind:ident) => {
        $reports
            .iter()
            .find_map(|report| match report {
                RtcStats::$kind(stats) => Some(stats),
                _ => None,
            })
            .unwrap_or_else(|| panic!("no {} in {:#?}", stringify!($kind), $reports))
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_channels_and_the_transport_are_counted_on_both_sides() {
    let tone = Tone::new(440.0, 48_000, 1);
    let (a, mut b, transceiver) = listening_pair(&tone).await;
    let mut near = a.line("chat", DataChannelInit::default());
    super::support::negotiate(&a, &b).await;
    let mut far = Line::over(b.channels.next().await);
    near.open().await;
    far.open().await;
    near.channel.send(b"three", true).unwrap();
    far.messages.next().await;
    let mut stream = NativeAudioStream::new(received(&b), 48_000, 1);
    // Long enough for the reports of RTCP, and for the values that are read once a second.
    hear(&mut stream, "the tone", 400, is_loud).await;

    let sent = a.pc.get_stats().await.unwrap();
    let outbound = the!(sent, OutboundRtp);
    assert!(outbound.sent.packets_sent > 200, "{outbound:?}");
    assert!(outbound.outbound.active && outbound.outbound.target_bitrate == 32_000.0, "{outbound:?}");
    let channel = the!(sent, DataChannel);
    assert_eq!((channel.dc.label.as_str(), channel.dc.messages_sent, channel.dc.bytes_sent), ("chat", 1, 5));
    let pair = the!(sent, CandidatePair);
    assert!(pair.candidate_pair.nominated && pair.candidate_pair.current_round_trip_time > 0.0, "{pair:?}");
    assert!(the!(sent, Transport).transport.bytes_sent > outbound.sent.bytes_sent);
    assert_eq!(the!(sent, LocalCandidate).local_candidate.protocol, "udp");
    assert_eq!(the!(sent, PeerConnection).pc.data_channels_opened, 1);

    let heard = b.pc.get_stats().await.unwrap();
    let inbound = the!(heard, InboundRtp);
    assert_eq!(inbound.stream.ssrc, outbound.stream.ssrc);
    assert_eq!(inbound.received.packets_lost, 0);
    assert!(inbound.received.packets_received > 200, "{inbound:?}");
    assert!(inbound.inbound.total_samples_received >= 400 * 480, "{inbound:?}");
    assert!(inbound.inbound.audio_level > 0.2, "{inbound:?}");
    assert!(inbound.inbound.jitter_buffer_emitted_count > 0, "{inbound:?}");
    assert_eq!(the!(heard, DataChannel).dc.messages_received, 1);

    // Another description does not reset the counts.
    super::support::negotiate(&a, &b).await;
    hear(&mut stream, "the tone after it", 50, is_loud).await;
    let reports = b.pc.get_stats().await.unwrap();
    let later = the!(reports, InboundRtp);
    assert!(later.received.packets_received > inbound.received.packets_received, "{later:?}");
    assert_eq!(later.received.packets_lost, 0);

    let of_sender = transceiver.sender().get_stats().await.unwrap();
    assert_eq!(the!(of_sender, OutboundRtp).stream.ssrc, outbound.stream.ssrc);
    assert!(!of_sender.iter().any(|report| matches!(report, RtcStats::DataChannel(_))));
    let of_receiver = b.pc.receivers()[0].get_stats().await.unwrap();
    assert_eq!(the!(of_receiver, InboundRtp).inbound.track_identifier, "TR_1");
}

#[tokio::test]
async fn a_connection_without_a_peer_has_a_transport_and_a_closed_one_none() {
    let peer = super::support::Peer::new();
    let stats = peer.pc.get_stats().await.unwrap();
    assert_eq!(the!(stats, Transport).transport.bytes_received, 0);
    peer.pc.close();
    assert!(peer.pc.get_stats().await.is_err());
}
