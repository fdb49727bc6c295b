//! Networks that lose, delay and stop packets, and networks without UDP.

use std::sync::atomic::Ordering;

use libwebrtc::prelude::*;

use super::support::{
    Line, Peer,
    relay::{TcpFront, Weather, relayed_pair},
};

#[tokio::test]
async fn a_reliable_channel_delivers_everything_in_order_through_loss_and_delay() {
    let weather = Weather { loss_percent: 10, late_percent: 10 };
    let (_a, near, _b, mut far, relay) = relayed_pair(Peer::new(), DataChannelInit::default(), weather).await;
    for number in 0..300_u32 {
        let mut message = vec![0; 2_000];
        message[..4].copy_from_slice(&number.to_be_bytes());
        near.channel.send(&message, true).unwrap();
    }
    for number in 0..300_u32 {
        assert_eq!(far.messages.next().await.0[..4], number.to_be_bytes());
    }
    assert!(relay.lost.load(Ordering::Relaxed) > 0, "the network was not bad at all");
}

#[tokio::test]
async fn an_unreliable_channel_goes_on_after_loss() {
    let init = DataChannelInit { ordered: false, max_retransmits: Some(0), ..Default::default() };
    let weather = Weather { loss_percent: 20, late_percent: 20 };
    let (_a, near, _b, mut far, _relay) = relayed_pair(Peer::new(), init, weather).await;
    let mut sent = 0_u32;
    // Sends until enough messages have arrived: with a fifth lost that ends, with a stuck channel it would not.
    let mut arrived = 0;
    while arrived < 50 {
        near.channel.send(&sent.to_be_bytes(), true).unwrap();
        sent += 1;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        arrived += far.messages.so_far().len();
        assert!(sent < 5_000, "{arrived} of {sent} messages arrived");
    }
}

#[tokio::test]
async fn an_outage_is_told_and_survived() {
    let (mut a, near, b, mut far, relay) =
        relayed_pair(Peer::new(), DataChannelInit::default(), Weather::default()).await;
    relay.cut.store(true, Ordering::Relaxed);
    a.states.until(|state| *state == PeerConnectionState::Disconnected).await;
    near.channel.send(b"patience", true).unwrap();
    relay.cut.store(false, Ordering::Relaxed);
    a.connected().await;
    assert_eq!(far.messages.next().await.0, b"patience");
    assert_eq!(b.pc.connection_state(), PeerConnectionState::Connected);
}

#[tokio::test]
async fn a_connection_that_failed_comes_back_with_an_ice_restart() {
    let (mut a, near, mut b, mut far, relay) =
        relayed_pair(Peer::new(), DataChannelInit::default(), Weather::default()).await;
    relay.cut.store(true, Ordering::Relaxed);
    a.states.until(|state| *state == PeerConnectionState::Failed).await;
    b.states.until(|state| *state == PeerConnectionState::Failed).await;
    relay.cut.store(false, Ordering::Relaxed);
    let offer = a.pc.create_offer(OfferOptions { ice_restart: true, ..Default::default() }).await.unwrap();
    a.pc.set_local_description(offer.clone()).await.unwrap();
    relay.exchange(&a, &b, offer).await;
    a.connected().await;
    b.connected().await;
    near.channel.send(b"back", true).unwrap();
    assert_eq!(far.messages.next().await.0, b"back");
}

#[tokio::test]
async fn a_peer_that_can_only_be_reached_over_tcp_is_reached() {
    let (mut a, mut b) = (Peer::new(), Peer::new());
    let mut near = a.line("chat", DataChannelInit::default());
    TcpFront::bind().await.negotiate(&a, &b).await;
    a.connected().await;
    near.open().await;
    let mut far = Line::over(b.channels.next().await);
    let message = vec![3; 100_000];
    near.channel.send(&message, true).unwrap();
    assert_eq!(far.messages.next().await.0, message);
    far.channel.send(b"back", true).unwrap();
    assert_eq!(near.messages.next().await.0, b"back");
}

/// The offerer nominates, so both ends of TCP must be able to do either role.
#[tokio::test]
async fn an_answerer_reaches_an_offerer_that_has_tcp_alone() {
    let (mut a, mut b) = (Peer::new(), Peer::new());
    let mut near = a.line("chat", DataChannelInit::default());
    TcpFront::bind().await.negotiate_from_behind(&a, &b).await;
    b.connected().await;
    a.connected().await;
    near.open().await;
    let mut far = Line::over(b.channels.next().await);
    near.channel.send(b"hello", true).unwrap();
    assert_eq!(far.messages.next().await.0, b"hello");
}
