//! STUN and TURN servers: the candidates they add, and the effect of their absence.

use std::{net::SocketAddr, process::Command, sync::Arc};

use libwebrtc::{
    peer_connection_factory::{IceTransportsType, RtcConfiguration},
    prelude::*,
};
use tokio::net::UdpSocket;

use super::support::{
    Line, Peer, connected_pair, negotiate,
    relay::without_candidates,
    trickle,
    turn::{TurnServer, asking, asking_with},
};

/// Set in the process that trusts the authority of the test's TURN server.
const TLS_URL: &str = "LIBWEBRTC_TEST_TURNS";

/// Two peers that signal and use only relays, with an open channel.
async fn relayed_pair(url: &str) -> (Peer, Line, Peer, Line) {
    let config = || asking(url, IceTransportsType::Relay);
    let (mut a, mut b) = (Peer::with(config()), Peer::with(config()));
    let mut near = a.line("chat", DataChannelInit::default());
    let offer = a.offer().await;
    assert!(!offer.to_string().contains("a=candidate"), "{offer}");
    let answer = b.answer(offer).await;
    a.pc.set_remote_description(without_candidates(&answer)).await.unwrap();
    let told = trickle(&mut a, &mut b).await;
    assert!(told.iter().all(|candidate| candidate.contains(" typ relay ")), "{told:?}");
    near.open().await;
    let far = Line::over(b.channels.next().await);
    (a, near, b, far)
}

async fn carries_messages(near: &mut Line, far: &mut Line) {
    for size in [1, 1_000, 60_000] {
        near.channel.send(&vec![7; size], true).unwrap();
        assert_eq!(far.messages.next().await.0, vec![7; size]);
        far.channel.send(&vec![8; size], true).unwrap();
        assert_eq!(near.messages.next().await.0, vec![8; size]);
    }
}

#[tokio::test]
async fn a_relay_over_udp_is_all_a_connection_needs() {
    let Some(server) = TurnServer::start() else { return };
    let (mut a, mut near, _b, mut far) = relayed_pair(&server.udp()).await;
    carries_messages(&mut near, &mut far).await;
    assert_eq!(a.gathering.next().await, IceGatheringState::Gathering);
    assert_eq!(a.gathering.next().await, IceGatheringState::Complete);
    assert!(a.candidate_errors.so_far().is_empty());
}

#[tokio::test]
async fn a_relay_over_tcp_is_all_a_connection_needs() {
    let Some(server) = TurnServer::start() else { return };
    let (_a, mut near, _b, mut far) = relayed_pair(&server.tcp()).await;
    carries_messages(&mut near, &mut far).await;
}

/// A process reads its trusted certificates once, so another process trusts those of this test.
#[test]
fn a_relay_over_tls_is_all_a_connection_needs() {
    let Some(server) = TurnServer::start() else { return };
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "two_peers::servers::within_trust_in_the_turn_server", "--ignored", "--nocapture"])
        .env("SSL_CERT_FILE", server.authority())
        .env(TLS_URL, server.tls())
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test]
#[ignore = "run by a_relay_over_tls_is_all_a_connection_needs"]
async fn within_trust_in_the_turn_server() {
    let url = std::env::var(TLS_URL).unwrap();
    let (_a, mut near, _b, mut far) = relayed_pair(&url).await;
    carries_messages(&mut near, &mut far).await;
}

#[tokio::test]
async fn a_turn_server_without_a_trusted_certificate_is_not_used() {
    let Some(server) = TurnServer::start() else { return };
    let mut peer = Peer::with(asking(server.tls(), IceTransportsType::Relay));
    let _line = peer.line("chat", DataChannelInit::default());
    peer.offer().await;
    let error = peer.candidate_errors.next().await;
    assert_eq!((error.error_code, error.url), (701, server.tls()));
    assert!(error.error_text.contains("certificate"), "{}", error.error_text);
    peer.gathering.until(|state| *state == IceGatheringState::Complete).await;
    assert!(peer.candidates.so_far().is_empty());
}

#[tokio::test]
async fn a_wrong_password_is_told() {
    let Some(server) = TurnServer::start() else { return };
    for url in [server.udp(), server.tcp()] {
        let mut peer = Peer::with(asking_with(url.as_str(), IceTransportsType::Relay, "a guess"));
        let _line = peer.line("chat", DataChannelInit::default());
        peer.offer().await;
        let error = peer.candidate_errors.next().await;
        assert_eq!((error.error_code, error.url), (401, url));
        assert_eq!(error.address, "127.0.0.1");
        peer.gathering.until(|state| *state == IceGatheringState::Complete).await;
        assert!(peer.candidates.so_far().is_empty());
    }
}

#[tokio::test]
async fn a_turn_server_that_dies_ends_the_connection_and_its_return_restores_it() {
    let Some(mut server) = TurnServer::start() else { return };
    for url in [server.udp(), server.tcp()] {
        let (mut a, near, mut b, mut far) = relayed_pair(&url).await;
        server.kill();
        a.states.until(|state| *state == PeerConnectionState::Disconnected).await;
        near.channel.send(b"patience", true).unwrap();
        server.restart();
        restart_ice(&a, &b).await;
        let told = trickle(&mut a, &mut b).await;
        assert!(told.iter().all(|candidate| candidate.contains(" typ relay ")), "{told:?}");
        assert_eq!(far.messages.next().await.0, b"patience");
    }
}

#[tokio::test]
async fn a_relay_that_works_survives_an_ice_restart() {
    let Some(server) = TurnServer::start() else { return };
    let (mut a, mut near, mut b, mut far) = relayed_pair(&server.udp()).await;
    restart_ice(&a, &b).await;
    trickle(&mut a, &mut b).await;
    carries_messages(&mut near, &mut far).await;
}

async fn restart_ice(a: &Peer, b: &Peer) {
    let offer = a.pc.create_offer(OfferOptions { ice_restart: true, ..Default::default() }).await.unwrap();
    a.pc.set_local_description(offer.clone()).await.unwrap();
    let answer = b.answer(offer).await;
    a.pc.set_remote_description(answer).await.unwrap();
}

#[tokio::test]
async fn servers_that_are_configured_later_are_asked_with_the_first_description() {
    let Some(server) = TurnServer::start() else { return };
    let mut config = RtcConfiguration::default();
    config.ice_transport_type = IceTransportsType::Relay;
    let mut peer = Peer::with(config);
    let _line = peer.line("chat", DataChannelInit::default());
    let offer = peer.pc.create_offer(OfferOptions::default()).await.unwrap();
    let error = peer.pc.set_local_description(offer.clone()).await.unwrap_err();
    assert!(error.to_string().contains("turn:"), "{error}");
    peer.pc.set_configuration(asking(server.udp(), IceTransportsType::Relay)).unwrap();
    peer.pc.set_local_description(offer).await.unwrap();
    assert!(peer.candidates.next().await.contains(" typ relay "));
}

#[tokio::test]
async fn a_server_that_never_answers_delays_nothing() {
    let silent = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let port = silent.local_addr().unwrap().port();
    for url in [format!("stun:127.0.0.1:{port}"), format!("turn:127.0.0.1:{port}")] {
        let config = asking(url, IceTransportsType::All);
        let (mut a, mut b) = (Peer::with(config.clone()), Peer::with(config));
        let mut near = a.line("chat", DataChannelInit::default());
        negotiate(&a, &b).await;
        assert!(a.candidates.next().await.contains(" typ host"));
        a.connected().await;
        b.connected().await;
        near.open().await;
        assert_eq!(a.pc.ice_gathering_state(), IceGatheringState::Gathering);
    }
}

#[tokio::test]
async fn servers_that_cannot_be_used_are_told_one_by_one() {
    let urls = ["stun:", "turn:name.invalid:3478", "stun:name.invalid", "smtp:127.0.0.1"];
    let mut config = asking(urls[0], IceTransportsType::All);
    config.ice_servers[0].urls = urls.map(str::to_owned).to_vec();
    let mut peer = Peer::with(config);
    let _line = peer.line("chat", DataChannelInit::default());
    peer.offer().await;
    let mut told = Vec::new();
    for _ in urls {
        let error = peer.candidate_errors.next().await;
        assert_eq!(error.error_code, 701, "{error:?}");
        told.push(error.url);
    }
    told.sort();
    let mut expected = urls;
    expected.sort_unstable();
    assert_eq!(told, expected);
    peer.gathering.until(|state| *state == IceGatheringState::Complete).await;
}

#[tokio::test]
async fn a_stun_server_tells_the_address_behind_a_nat() {
    let Some(server) = TurnServer::start() else { return };
    let nat = Nat::in_front_of(server.address()).await;
    let mut peer = Peer::with(asking(format!("stun:{}", nat.inside), IceTransportsType::NoHost));
    let _line = peer.line("chat", DataChannelInit::default());
    let offer = peer.offer().await;
    assert!(!offer.to_string().contains("a=candidate"), "{offer}");
    let candidate = peer.candidates.next().await;
    assert!(candidate.contains(" typ srflx raddr 0.0.0.0 rport 0"), "{candidate}");
    assert!(candidate.contains(&format!(" 127.0.0.1 {} ", nat.outside.port())), "{candidate}");
    peer.gathering.until(|state| *state == IceGatheringState::Complete).await;
}

#[tokio::test]
async fn without_host_candidates_no_address_of_the_machine_is_told() {
    let Some(server) = TurnServer::start() else { return };
    let config = || asking(server.udp(), IceTransportsType::NoHost);
    let (mut a, mut b) = (Peer::with(config()), Peer::with(config()));
    let mut near = a.line("chat", DataChannelInit::default());
    let offer = a.offer().await;
    let answer = b.answer(offer.clone()).await;
    for description in [&offer, &answer] {
        assert!(!description.to_string().contains(" typ host"), "{description}");
    }
    a.pc.set_remote_description(answer).await.unwrap();
    let told = trickle(&mut a, &mut b).await;
    assert!(told.iter().all(|candidate| candidate.contains(" typ relay ")), "{told:?}");
    near.open().await;
    let mut far = Line::over(b.channels.next().await);
    carries_messages(&mut near, &mut far).await;
}

#[tokio::test]
async fn a_direct_way_is_preferred_to_a_relay() {
    let Some(server) = TurnServer::start() else { return };
    let config = || asking(server.udp(), IceTransportsType::All);
    let (mut a, mut b) = (Peer::with(config()), Peer::with(config()));
    let mut near = a.line("chat", DataChannelInit::default());
    negotiate(&a, &b).await;
    let told = trickle(&mut a, &mut b).await;
    assert!(told.iter().any(|candidate| candidate.contains(" typ host")), "{told:?}");
    near.open().await;
    let mut far = Line::over(b.channels.next().await);
    // The connection survives although the relays go.
    drop(server);
    carries_messages(&mut near, &mut far).await;
    let (_a, mut near, _b, mut far) = connected_pair(DataChannelInit::default()).await;
    carries_messages(&mut near, &mut far).await;
}

/// A NAT that lets one datagram socket at a time ask a server from another address.
struct Nat {
    inside: SocketAddr,
    outside: SocketAddr,
}

impl Nat {
    async fn in_front_of(server: SocketAddr) -> Self {
        let inside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        let outside = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
        outside.connect(server).await.unwrap();
        let nat = Self { inside: inside.local_addr().unwrap(), outside: outside.local_addr().unwrap() };
        tokio::spawn(async move {
            let (mut request, mut answer) = ([0; 2048], [0; 2048]);
            while let Ok((len, client)) = inside.recv_from(&mut request).await {
                outside.send(&request[..len]).await.unwrap();
                let len = outside.recv(&mut answer).await.unwrap();
                inside.send_to(&answer[..len], client).await.unwrap();
            }
        });
        nat
    }
}
