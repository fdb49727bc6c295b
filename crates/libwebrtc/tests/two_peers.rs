//! Two peers in one process, over real sockets. Each module is named after its subject.

#![allow(clippy::unwrap_used)] // The helpers of these tests are tests too.

mod two_peers {
    pub(crate) mod support;

    mod addresses;
    mod audio;
    mod data_channels;
    mod encrypted;
    mod hostile_input;
    mod lifetime;
    mod negotiation;
    mod network;
    mod outbox;
    mod servers;
    mod statistics;
}

#[path = "../examples/two_peers.rs"]
mod example;

#[test]
fn the_example_receives_its_message_and_its_tone() {
    example::main().unwrap();
}
