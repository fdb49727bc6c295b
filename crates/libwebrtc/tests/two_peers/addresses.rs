//! Addresses of the machine that appear and vanish. The test changes those of a network of its own.

use std::process::{Command, Stdio};

use libwebrtc::{
    peer_connection_factory::{ContinualGatheringPolicy, RtcConfiguration},
    prelude::*,
};

use super::support::{Line, Peer, eventually, negotiate, trickle};

/// Set within the network.
const INSIDE: &str = "LIBWEBRTC_TEST_INSIDE";
/// The arguments of `unshare` for root, and for an unprivileged user where the kernel allows user namespaces.
const WAYS: [&[&str]; 2] = [&["--net"], &["--user", "--map-root-user", "--net"]];

/// Whether this process is in a network of its own. If not, the test `name` is run once more within one.
fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let works = |way: &&&[&str]| {
        let mut tried = Command::new("unshare");
        tried.args(**way).args(["ip", "link", "set", "lo", "up"]).stderr(Stdio::null());
        tried.status().is_ok_and(|status| status.success())
    };
    let Some(way) = WAYS.iter().find(works) else {
        eprintln!(
            "SKIPPED: no network of a test's own can be made here (root or user namespaces, and iproute2)"
        );
        return false;
    };
    let mut again = Command::new("unshare");
    again.args(*way).arg(std::env::current_exe().unwrap()).args(["--exact", name, "--nocapture"]);
    assert!(again.env(INSIDE, "1").status().unwrap().success(), "{name} failed in a network of its own");
    false
}

fn ip(arguments: &str) {
    let status = Command::new("ip").args(arguments.split(' ')).status();
    assert!(status.unwrap().success(), "ip {arguments}");
}

/// Makes `address` the only address of the machine.
fn begin_with(address: &str) {
    ip("link set lo up");
    ip("addr flush dev lo");
    ip(&format!("addr add {address}/32 dev lo"));
}

fn with_policy(policy: ContinualGatheringPolicy) -> Peer {
    let mut config = RtcConfiguration::default();
    config.continual_gathering_policy = policy;
    Peer::with(config)
}

#[tokio::test]
async fn a_connection_moves_when_the_only_address_changes() {
    if !inside("two_peers::addresses::a_connection_moves_when_the_only_address_changes") {
        return;
    }
    begin_with("10.99.0.1");
    let (mut a, mut b) = (Peer::new(), Peer::new());
    let mut near = a.line("chat", DataChannelInit::default());
    negotiate(&a, &b).await;
    trickle(&mut a, &mut b).await;
    near.open().await;
    let mut far = Line::over(b.channels.next().await);
    ip("addr add 10.99.0.2/32 dev lo");
    ip("addr del 10.99.0.1/32 dev lo");
    eventually("the loss is noticed", || a.pc.connection_state() != PeerConnectionState::Connected).await;
    near.channel.send(b"patience", true).unwrap();
    let told = trickle(&mut a, &mut b).await;
    assert!(told.iter().all(|candidate| candidate.contains(" 10.99.0.2 ")), "{told:?}");
    assert_eq!(far.messages.next().await.0, b"patience");
    far.channel.send(b"here", true).unwrap();
    assert_eq!(near.messages.next().await.0, b"here");
}

#[tokio::test]
async fn a_new_address_is_told_to_those_who_gather_continually() {
    if !inside("two_peers::addresses::a_new_address_is_told_to_those_who_gather_continually") {
        return;
    }
    begin_with("10.99.0.1");
    let mut once = with_policy(ContinualGatheringPolicy::GatherOnce);
    let mut continually = with_policy(ContinualGatheringPolicy::GatherContinually);
    let lines = [&once, &continually].map(|peer| peer.line("chat", DataChannelInit::default()));
    for peer in [&mut once, &mut continually] {
        let offer = peer.offer().await;
        assert!(offer.to_string().contains(" 10.99.0.1 "), "{offer}");
        assert!(peer.candidates.next().await.contains(" 10.99.0.1 "));
    }
    ip("addr add 10.99.0.2/32 dev lo");
    assert!(continually.candidates.next().await.contains(" 10.99.0.2 "));
    ip("addr del 10.99.0.2/32 dev lo");
    ip("addr add 10.99.0.3/32 dev lo");
    assert!(continually.candidates.next().await.contains(" 10.99.0.3 "));
    let offer = continually.offer().await;
    assert!(
        offer.to_string().contains(" 10.99.0.3 ") && !offer.to_string().contains(" 10.99.0.2 "),
        "{offer}"
    );
    assert!(once.candidates.so_far().is_empty());
    drop(lines);
}
