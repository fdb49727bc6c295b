//! What a program knows of its messages before the peer has them.

use std::sync::atomic::Ordering;

use libwebrtc::outbox::Outbox;
use libwebrtc::prelude::*;

use super::support::{
    Line, Peer, eventually,
    relay::{Relay, Weather, relayed_pair},
};

/// A peer whose messages are counted, its line to another peer, and the relay between them.
async fn counted(outbox: &Outbox) -> (Peer, Line, Peer, Line, Relay) {
    let mut config = RtcConfiguration::default();
    config.outbox = Some(outbox.clone());
    relayed_pair(Peer::with(config), DataChannelInit::default(), Weather::default()).await
}

#[tokio::test]
async fn what_the_peer_has_acknowledged_has_passed_its_mark_and_makes_room() {
    let outbox = Outbox::new();
    let (_a, near, _b, mut far, relay) = counted(&outbox).await;
    relay.cut.store(true, Ordering::Relaxed);
    near.channel.send(&[1; 50_000], true).unwrap();
    let mark = outbox.mark();
    assert_eq!((outbox.under_way(), outbox.has_passed(mark)), (50_000, false));
    let waiting = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.at_most(10_000).await }
    });
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "nothing gets through");
    relay.cut.store(false, Ordering::Relaxed);
    waiting.await.unwrap();
    assert_eq!(far.messages.next().await.0.len(), 50_000);
    eventually("all is acknowledged", || outbox.has_passed(mark)).await;
    assert_eq!(outbox.under_way(), 0);
}

#[tokio::test]
async fn what_a_closed_connection_had_under_way_is_neither_waited_for_nor_passed() {
    let outbox = Outbox::new();
    let (a, near, _b, _far, relay) = counted(&outbox).await;
    relay.cut.store(true, Ordering::Relaxed);
    near.channel.send(&[1; 50_000], true).unwrap();
    let mark = outbox.mark();
    a.pc.close();
    outbox.at_most(0).await;
    assert!(!outbox.has_passed(mark));
}
