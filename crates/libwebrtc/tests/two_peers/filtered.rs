//! The effect of a filter on messages.

use libwebrtc::{data_channel::set_incoming_filter, prelude::*};

use super::support::connected_pair;

/// Reverses a message that begins with `r` and panics over one that begins with `p`.
fn filter(mut message: Vec<u8>) -> Vec<u8> {
    match message.first() {
        Some(b'r') => message.reverse(),
        Some(b'p') => panic!("a defect of the filter"),
        _ => {}
    }
    message
}

#[tokio::test]
async fn the_first_filter_changes_messages_and_its_panics_cost_no_others() {
    assert!(set_incoming_filter(filter));
    assert!(!set_incoming_filter(|_| Vec::new()));
    let (_a, near, _b, mut far) = connected_pair(DataChannelInit::default()).await;
    for message in ["as it is", "reversed", "panic", "after that"] {
        near.channel.send(message.as_bytes(), true).unwrap();
    }
    for expected in ["as it is", "desrever", "after that"] {
        assert_eq!(far.messages.next().await, (expected.as_bytes().to_vec(), true));
    }
}
