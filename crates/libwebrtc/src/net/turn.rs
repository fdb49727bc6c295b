//! TURN (RFC 8656): an address on a server that relays between us and peers.
//!
//! [`client`] is the protocol as a pure state machine, [`relay`] the task that runs it over a [`link`] to the server.

mod client;
pub(crate) mod framing;
mod link;
mod peers;
pub(super) mod relay;

#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
}
