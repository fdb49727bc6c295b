//! TURN (RFC 8656): an address on a server that relays between us and peers.
//!
//! [`client`] is the protocol as a pure state machine, [`relay`] the task that runs it over a [`link`] to the server.

mod client;
pub(crate) mod framing;
mod link;
mod peers;
pub(super) mod relay;

/// Fuzzes a client with any messages of a server.
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) fn fuzz_client<'a>(messages: impl IntoIterator<Item = &'a [u8]>) {
    use client::{Client, Event};
    let credentials = Credentials { username: "user".to_owned(), password: "password".to_owned() };
    let (now, peer) = (std::time::Instant::now(), std::net::SocketAddr::from(([192, 0, 2, 1], 1)));
    let mut client = Client::new(credentials, false);
    client.step(now, Event::Start);
    for message in messages {
        client.step(now, Event::Received(message));
        client.step(now, Event::Send { peer, data: message });
    }
    while let Some(due) = client.deadline().filter(|due| *due < now + std::time::Duration::from_secs(3600)) {
        client.step(due, Event::Timeout);
    }
}

#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) username: String,
    pub(crate) password: String,
}
