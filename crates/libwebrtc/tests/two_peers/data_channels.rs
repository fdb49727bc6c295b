//! The guarantees of data channels to a program that sends.

use std::sync::atomic::Ordering;

use libwebrtc::prelude::*;

use super::support::{
    Peer, connected_pair, eventually, negotiate,
    relay::{Weather, relayed_pair},
};

#[tokio::test]
async fn messages_arrive_in_order_with_their_kind_and_are_echoed() {
    let (_a, mut near, _b, mut far) = connected_pair(DataChannelInit::default()).await;
    for number in 0..200_u32 {
        near.channel.send(&number.to_be_bytes(), true).unwrap();
    }
    near.channel.send("grüße".as_bytes(), false).unwrap();
    for number in 0..200_u32 {
        let (data, binary) = far.messages.next().await;
        assert_eq!((data, binary), (number.to_be_bytes().to_vec(), true));
    }
    let (text, binary) = far.messages.next().await;
    assert!(!binary);
    far.channel.send(&text, false).unwrap();
    assert_eq!(near.messages.next().await, ("grüße".as_bytes().to_vec(), false));
}

#[tokio::test]
async fn an_empty_message_is_refused_and_holds_nothing_up() {
    let (_a, near, _b, mut far) = connected_pair(DataChannelInit::default()).await;
    assert!(matches!(near.channel.send(b"", true), Err(DataChannelError::Send)));
    near.channel.send(b"after", true).unwrap();
    assert_eq!(far.messages.next().await, (b"after".to_vec(), true));
}

#[tokio::test]
async fn an_in_band_channel_is_described_to_the_peer() {
    let init = DataChannelInit {
        ordered: false,
        max_retransmits: Some(0),
        protocol: "p".into(),
        ..Default::default()
    };
    let (_a, near, _b, far) = connected_pair(init).await;
    assert_eq!(far.channel.label(), "chat");
    assert_eq!(far.channel.id(), near.channel.id());
    assert!(near.channel.id() >= 0);
    assert_eq!(far.channel.state(), DataChannelState::Open);
}

#[tokio::test]
async fn an_unordered_channel_delivers_every_message_on_a_good_network() {
    let init = DataChannelInit { ordered: false, max_retransmits: Some(0), ..Default::default() };
    let (_a, near, _b, mut far) = connected_pair(init).await;
    for number in 0..50_u8 {
        near.channel.send(&[number], true).unwrap();
    }
    let mut seen = Vec::new();
    for _ in 0..50 {
        seen.push(far.messages.next().await.0[0]);
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<u8>>());
}

#[tokio::test]
async fn negotiated_channels_open_on_both_sides_without_being_announced() {
    let (a, mut b) = (Peer::new(), Peer::new());
    let init = DataChannelInit { negotiated: true, id: 7, ..Default::default() };
    let mut near = a.line("left", init.clone());
    let mut far = b.line("right", init);
    negotiate(&a, &b).await;
    near.open().await;
    far.open().await;
    far.channel.send(b"hello", false).unwrap();
    assert_eq!(near.messages.next().await.0, b"hello");
    assert_eq!((near.channel.id(), far.channel.id()), (7, 7));
    assert!(b.channels.so_far().is_empty());
}

#[tokio::test]
async fn channels_created_after_the_connection_open_without_an_offer() {
    let (a, _near, mut b, _far) = connected_pair(DataChannelInit::default()).await;
    let mut second = a.line("second", DataChannelInit::default());
    second.open().await;
    let announced = b.channels.next().await;
    assert_eq!(announced.label(), "second");
    assert_eq!(a.pc.signaling_state(), SignalingState::Stable);
}

#[tokio::test]
async fn a_large_message_arrives_whole() {
    let (_a, near, _b, mut far) = connected_pair(DataChannelInit::default()).await;
    let message: Vec<u8> = (0..250_000_u32).map(|index| (index % 251) as u8).collect();
    near.channel.send(&message, true).unwrap();
    assert_eq!(far.messages.next().await.0, message);
}

#[tokio::test]
async fn a_message_larger_than_the_peer_announced_is_refused_at_once() {
    let (_a, near, _b, mut far) = connected_pair(DataChannelInit::default()).await;
    assert!(matches!(near.channel.send(&vec![0; 300_000], true), Err(DataChannelError::Send)));
    near.channel.send(b"still open", true).unwrap();
    assert_eq!(far.messages.next().await.0, b"still open");
}

#[tokio::test]
async fn text_must_be_utf8() {
    let (_a, near, _b, _far) = connected_pair(DataChannelInit::default()).await;
    assert!(matches!(near.channel.send(&[0xff], false), Err(DataChannelError::Utf8(_))));
}

#[tokio::test]
async fn what_was_reported_as_sent_adds_up_to_what_was_given() {
    let (_a, mut near, _b, mut far) = connected_pair(DataChannelInit::default()).await;
    let sizes = [1, 1_000, 60_000, 60_000, 17];
    for size in sizes {
        near.channel.send(&vec![1; size], true).unwrap();
    }
    let given: u64 = sizes.iter().map(|size| *size as u64).sum();
    let mut sent = 0;
    while sent < given {
        sent += near.sent.next().await;
    }
    assert_eq!(sent, given);
    assert_eq!(near.channel.buffered_amount(), 0);
    for size in sizes {
        assert_eq!(far.messages.next().await.0.len(), size);
    }
}

#[tokio::test]
async fn a_queue_that_the_network_does_not_drain_refuses_instead_of_growing() {
    let (_a, near, _b, mut far, relay) =
        relayed_pair(Peer::new(), DataChannelInit::default(), Weather::default()).await;
    relay.cut.store(true, Ordering::Relaxed);
    let message = vec![0; 60_000];
    let taken = (0..1_000).take_while(|_| near.channel.send(&message, true).is_ok()).count();
    assert!((279..400).contains(&taken), "about 16 MiB and what the association holds, not {taken} messages");
    relay.cut.store(false, Ordering::Relaxed);
    for _ in 0..taken {
        assert_eq!(far.messages.next().await.0.len(), message.len());
    }
}

#[tokio::test]
async fn a_channel_that_is_not_open_takes_nothing() {
    let a = Peer::new();
    let near = a.line("chat", DataChannelInit::default());
    assert_eq!(near.channel.state(), DataChannelState::Connecting);
    assert!(near.channel.send(b"early", true).is_err());
    near.channel.close();
    eventually("the channel closes", || near.channel.state() == DataChannelState::Closed).await;
    assert!(near.channel.send(b"late", true).is_err());
}

#[tokio::test]
async fn a_close_reaches_the_peer_after_everything_that_was_sent_before() {
    let (_a, mut near, _b, mut far) = connected_pair(DataChannelInit::default()).await;
    for _ in 0..20 {
        near.channel.send(&[7; 10_000], true).unwrap();
    }
    near.channel.close();
    far.closed().await;
    near.closed().await;
    assert_eq!(far.messages.so_far().len(), 20);
}

#[tokio::test]
async fn a_negotiated_id_can_be_used_again_after_its_channel_closed() {
    let (a, b) = (Peer::new(), Peer::new());
    let init = DataChannelInit { negotiated: true, id: 3, ..Default::default() };
    let (mut near, mut far) = (a.line("x", init.clone()), b.line("x", init.clone()));
    negotiate(&a, &b).await;
    near.open().await;
    far.open().await;
    near.channel.close();
    far.closed().await;
    near.closed().await;
    let (mut near, mut far) = (a.line("x", init.clone()), b.line("x", init));
    near.open().await;
    far.open().await;
    near.channel.send(b"again", true).unwrap();
    assert_eq!(far.messages.next().await.0, b"again");
}

#[tokio::test]
async fn an_id_that_is_taken_is_refused() {
    let a = Peer::new();
    let init = DataChannelInit { negotiated: true, id: 3, ..Default::default() };
    let _first = a.line("x", init.clone());
    let error = a.pc.create_data_channel("y", init).unwrap_err();
    assert_eq!(error.error_type, RtcErrorType::InvalidState);
    assert!(error.message.contains("id 3 exists"), "{error}");
}
