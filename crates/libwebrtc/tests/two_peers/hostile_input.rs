//! Every packet and every signal of a stranger ends in an error or has no effect; none causes a panic.

use std::{collections::HashSet, time::Duration};

use libwebrtc::prelude::*;
use tokio::{io::AsyncWriteExt, net::UdpSocket};

use super::support::{
    Peer, connected_pair,
    relay::{TcpFront, loopback_address, with_candidate, without_candidates},
};

#[test]
fn malformed_descriptions_are_refused_when_they_are_parsed() {
    for text in ["", "v=0", "hello", "v=1\r\n", "v=0\r\nm=audio\r\n", "\u{0}\u{1}\u{2}", "m=application 9"] {
        for sdp_type in [SdpType::Offer, SdpType::Answer] {
            let error = SessionDescription::parse(text, sdp_type).unwrap_err();
            assert!(!error.description.is_empty());
        }
    }
}

/// Lines of a real offer that are missing, doubled or emptied: each offer is refused or answered.
#[tokio::test]
async fn broken_offers_are_refused_or_answered() {
    let offer = real_offer().await;
    // Each kind of line once: a peer costs a certificate, and the payload types alone have dozens of lines.
    let mut kinds = HashSet::new();
    let lines: Vec<&str> = offer.lines().collect();
    let firsts: Vec<usize> = (0..lines.len()).filter(|at| kinds.insert(kind_of(lines[*at]))).collect();
    for index in firsts {
        let cut = join(lines.iter().take(index));
        let missing = join(lines.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, line)| line));
        let doubled = join(lines.iter().take(index + 1).chain(lines.iter().skip(index)));
        let emptied = join(lines.iter().map(|line| if *line == lines[index] { &"a=x:" } else { line }));
        for text in [cut, missing, doubled, emptied] {
            let Ok(broken) = SessionDescription::parse(&text, SdpType::Offer) else { continue };
            let peer = Peer::new();
            if peer.pc.set_remote_description(broken).await.is_ok() {
                peer.pc.create_answer(AnswerOptions::default()).await.unwrap();
            }
        }
    }
}

fn kind_of(line: &str) -> &str {
    line.split([':', '=']).take(2).last().unwrap_or(line)
}

/// The same for answers to an offer that contains all kinds of lines.
#[tokio::test]
async fn broken_answers_are_refused_or_accepted() {
    let (a, b) = (Peer::new(), Peer::new());
    let _near = a.line("chat", DataChannelInit::default());
    let init = RtpTransceiverInit {
        direction: RtpTransceiverDirection::RecvOnly,
        stream_ids: Vec::new(),
        send_encodings: Vec::new(),
    };
    a.pc.add_transceiver_for_media(MediaType::Audio, init).unwrap();
    let answer = b.answer(a.offer().await).await.to_string();
    let lines: Vec<&str> = answer.lines().collect();
    for index in 0..lines.len() {
        let missing = join(lines.iter().enumerate().filter(|(at, _)| *at != index).map(|(_, line)| line));
        let doubled = join(lines.iter().take(index + 1).chain(lines.iter().skip(index)));
        for text in [missing, doubled] {
            let Ok(broken) = SessionDescription::parse(&text, SdpType::Answer) else { continue };
            let rollback = SessionDescription::parse("", SdpType::Rollback).unwrap();
            if a.pc.set_remote_description(broken).await.is_err() {
                a.pc.set_local_description(rollback).await.unwrap();
            }
            a.offer().await;
        }
    }
}

#[tokio::test]
async fn an_answer_to_no_offer_is_refused() {
    let (a, _near, _b, _far) = connected_pair(DataChannelInit::default()).await;
    let answer = a.pc.current_remote_description().unwrap();
    let error = a.pc.set_remote_description(answer).await.unwrap_err();
    assert!(error.message.contains("answers no offer"), "{error}");
}

#[test]
fn malformed_candidates_are_refused_when_they_are_parsed() {
    for text in [
        "candidate",
        "candidate:",
        "candidate:1 1 udp",
        "candidate:1 1 udp 99999999999999 1.2.3.4 9 typ host",
        "candidate:1 1 udp 1 1.2.3.4 99999 typ host",
        "candidate:1 1 udp 1 not-an-address 9 typ host",
        "candidate:1 1 udp 1 1.2.3.4 9 typ nonsense",
        "a=ice-ufrag:x",
        "\u{0}",
    ] {
        let error = IceCandidate::parse("0", 0, text).unwrap_err();
        assert!(error.description.contains("candidate"), "{text}: {error}");
    }
}

#[tokio::test]
async fn the_end_of_candidates_and_odd_addresses_are_accepted() {
    let (a, _near, _b, _far) = connected_pair(DataChannelInit::default()).await;
    for text in
        ["", "candidate:1 1 udp 1 255.255.255.255 9 typ host", "a=candidate:1 1 udp 1 0.0.0.0 0 typ host"]
    {
        if let Ok(candidate) = IceCandidate::parse("", -1, text) {
            a.pc.add_ice_candidate(candidate).await.unwrap();
        }
    }
    assert_eq!(a.pc.connection_state(), PeerConnectionState::Connected);
}

#[tokio::test]
async fn garbage_datagrams_do_not_disturb_a_connection() {
    let (a, near, _b, mut far) = connected_pair(DataChannelInit::default()).await;
    let target = loopback_address(&a.pc.current_local_description().unwrap());
    let stranger = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    for first in 0..=u8::MAX {
        for len in [0, 1, 2, 3, 12, 19, 20, 28, 200, 1400, 4000] {
            let mut datagram = vec![first; len];
            if first < 2 && len >= 20 {
                // Looks like STUN: length and magic cookie.
                datagram[2..4].copy_from_slice(&((len - 20) as u16).to_be_bytes());
                datagram[4..8].copy_from_slice(&0x2112_A442_u32.to_be_bytes());
            }
            stranger.send_to(&datagram, target).await.unwrap();
        }
        tokio::task::yield_now().await;
    }
    near.channel.send(b"undisturbed", true).unwrap();
    assert_eq!(far.messages.next().await.0, b"undisturbed");
    assert_eq!(a.pc.connection_state(), PeerConnectionState::Connected);
}

#[tokio::test]
async fn garbage_over_tcp_ends_that_tcp_connection_alone() {
    let (a, b) = (Peer::new(), Peer::new());
    let _near = a.line("chat", DataChannelInit::default());
    let front = TcpFront::bind().await;
    let answer = b.answer(without_candidates(&a.offer().await)).await;
    a.pc.set_remote_description(with_candidate(&answer, &front.candidate())).await.unwrap();
    let mut stream = front.accept().await;
    for frame in [&[0, 0][..], &[0, 1, 255], &[0, 4, 22, 1, 2, 3], &[255, 255, 0]] {
        stream.write_all(frame).await.unwrap();
    }
    drop(stream);
    tokio::time::sleep(Duration::from_millis(100)).await;
    a.pc.create_data_channel("alive", DataChannelInit::default()).unwrap();
    assert_ne!(a.pc.connection_state(), PeerConnectionState::Closed);
    assert!(a.pc.create_offer(OfferOptions::default()).await.is_ok());
}

async fn real_offer() -> String {
    let peer = Peer::new();
    let _line = peer.line("chat", DataChannelInit::default());
    for kind in [MediaType::Audio, MediaType::Video] {
        let init = RtpTransceiverInit {
            direction: RtpTransceiverDirection::SendRecv,
            stream_ids: vec!["PA_1".to_owned()],
            send_encodings: Vec::new(),
        };
        peer.pc.add_transceiver_for_media(kind, init).unwrap();
    }
    peer.offer().await.to_string()
}

fn join<'a>(lines: impl Iterator<Item = &'a &'a str>) -> String {
    lines.map(|line| format!("{line}\r\n")).collect()
}
