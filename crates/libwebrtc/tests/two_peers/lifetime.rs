//! How connections end, and that nothing of them remains.

use std::net::{SocketAddr, UdpSocket};

use libwebrtc::{
    peer_connection_factory::{IceServer, IceTransportsType, PeerConnectionFactory, RtcConfiguration},
    prelude::*,
};

use super::support::{Peer, connected_pair, eventually, relay::loopback_address};

#[tokio::test]
async fn a_close_is_immediate_here_and_reaches_the_peer() {
    let (mut a, mut near, mut b, mut far) = connected_pair(DataChannelInit::default()).await;
    a.pc.close();
    assert_eq!(a.pc.connection_state(), PeerConnectionState::Closed);
    assert_eq!(a.pc.signaling_state(), SignalingState::Closed);
    near.closed().await;
    a.states.until(|state| *state == PeerConnectionState::Closed).await;
    far.closed().await;
    b.states.until(|state| *state == PeerConnectionState::Disconnected).await;
    b.states.until(|state| *state == PeerConnectionState::Failed).await;
}

#[tokio::test]
async fn a_closed_connection_refuses_calls_and_says_why() {
    let (a, near, _b, _far) = connected_pair(DataChannelInit::default()).await;
    a.pc.close();
    let error = a.pc.create_offer(OfferOptions::default()).await.unwrap_err();
    assert_eq!(error.error_type, RtcErrorType::InvalidState);
    assert!(error.message.contains("closed"), "{error}");
    assert!(a.pc.create_data_channel("x", DataChannelInit::default()).is_err());
    eventually("the channel closes", || near.channel.state() == DataChannelState::Closed).await;
    assert!(near.channel.send(b"x", true).is_err());
    a.pc.close();
}

#[tokio::test]
async fn a_connection_the_peer_ended_refuses_offers_and_says_what_to_do() {
    let (a, _near, mut b, _far) = connected_pair(DataChannelInit::default()).await;
    drop(a);
    b.states.until(|state| *state == PeerConnectionState::Disconnected).await;
    let error =
        b.pc.create_offer(OfferOptions { ice_restart: true, ..Default::default() }).await.unwrap_err();
    assert!(error.message.contains("create a new peer connection"), "{error}");
}

#[tokio::test]
async fn dropping_the_last_handle_frees_the_sockets_even_without_a_close() {
    let (a, _near, _b, mut far) = connected_pair(DataChannelInit::default()).await;
    let address = loopback_address(&a.pc.current_local_description().unwrap());
    assert!(!is_free(address));
    drop(a);
    eventually("the port is free again", || is_free(address)).await;
    far.closed().await;
}

#[tokio::test]
async fn dropped_connections_leave_no_task_behind() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for _ in 0..3 {
        let (_a, _near, _b, _far) = connected_pair(DataChannelInit::default()).await;
        assert!(tasks() > before);
    }
    eventually("the tasks end", || tasks() == before).await;
}

#[tokio::test]
async fn a_connection_that_never_connected_frees_its_sockets_too() {
    let a = Peer::new();
    let _near = a.line("chat", DataChannelInit::default());
    let address = loopback_address(&a.offer().await);
    a.pc.close();
    eventually("the port is free again", || is_free(address)).await;
}

#[test]
fn connections_can_be_made_used_and_dropped_outside_of_a_runtime() {
    let peer = Peer::new();
    let line = peer.line("chat", DataChannelInit::default());
    peer.pc.close();
    drop(peer);
    assert!(line.channel.send(b"x", true).is_err());
}

#[tokio::test]
async fn a_callback_may_close_its_own_connection() {
    let (a, near, _b, mut far) = connected_pair(DataChannelInit::default()).await;
    let pc = a.pc.clone();
    far.channel.send(b"bye", true).unwrap();
    near.channel.on_message(Some(Box::new(move |_| pc.close())));
    far.channel.send(b"bye", true).unwrap();
    far.closed().await;
    assert_eq!(a.pc.connection_state(), PeerConnectionState::Closed);
}

#[tokio::test]
async fn a_panic_in_a_callback_does_not_end_the_connection() {
    let (_a, near, _b, mut far) = connected_pair(DataChannelInit::default()).await;
    let mut count = 0;
    let channel = near.channel.clone();
    near.channel.on_message(Some(Box::new(move |_| {
        count += 1;
        assert!(count > 1, "the first message is too much for this program");
        channel.send(b"survived", true).unwrap();
    })));
    far.channel.send(b"one", true).unwrap();
    far.channel.send(b"two", true).unwrap();
    assert_eq!(far.messages.next().await.0, b"survived");
}

#[tokio::test]
async fn a_relay_only_connection_without_a_relay_is_refused_with_a_reason() {
    let mut config = RtcConfiguration::default();
    config.ice_transport_type = IceTransportsType::Relay;
    config.ice_servers = vec![IceServer {
        urls: vec!["stun:127.0.0.1".to_owned()],
        username: String::new(),
        password: String::new(),
    }];
    let error = PeerConnectionFactory::default().create_peer_connection(config).unwrap_err();
    assert!(error.message.contains("TURN"), "{error}");
}

fn is_free(address: SocketAddr) -> bool {
    UdpSocket::bind(address).is_ok()
}
