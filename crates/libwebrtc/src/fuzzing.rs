//! The parsers of what comes from the network, for fuzzing. None of them may panic, whatever it is given.

use crate::net::{stun, turn, url::ServerUrl};

/// A STUN message, with every attribute that is ever read from one.
pub fn stun_message(bytes: &[u8]) {
    stun::message::read_everything(bytes);
}

/// A stream from a TURN server that arrives in pieces of `step` bytes.
pub fn turn_stream(bytes: &[u8], step: usize) {
    turn::framing::cut(bytes, step.max(1));
}

/// Messages of a TURN server, one after another, to a client that wants an allocation.
pub fn turn_client<'a>(messages: impl IntoIterator<Item = &'a [u8]>) {
    turn::fuzz_client(messages);
}

/// The URL of an ICE server.
pub fn server_url(text: &str) {
    _ = ServerUrl::parse(text);
}
