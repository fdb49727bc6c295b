//! Asks STUN servers for the outside address of each of our sockets, as a pure state machine.

use std::{net::SocketAddr, time::Instant};

use super::{
    message::{Builder, Class, Message, Method, TransactionId, new_transaction},
    retransmission::{Due, Retransmission},
};

/// Sockets times servers; further pairs are not asked.
const MAX_QUERIES: usize = 64;

/// `S` identifies the server of the configuration.
pub(crate) struct Bindings<S> {
    queries: Vec<Query<S>>,
}

struct Query<S> {
    socket: SocketAddr,
    server: SocketAddr,
    source: S,
    transaction: TransactionId,
    retransmission: Retransmission,
}

#[derive(Debug)]
pub(crate) enum Event<'a, S> {
    Ask {
        socket: SocketAddr,
        server: SocketAddr,
        source: S,
    },
    Received {
        socket: SocketAddr,
        server: SocketAddr,
        data: &'a [u8],
    },
    /// The socket cannot send to the server, or is gone.
    Unsendable {
        socket: SocketAddr,
        server: SocketAddr,
    },
    Timeout,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action<S> {
    Transmit {
        socket: SocketAddr,
        server: SocketAddr,
        request: Vec<u8>,
    },
    /// `address` is the server's view of `socket`.
    Mapped {
        socket: SocketAddr,
        address: SocketAddr,
    },
    /// The server gave no answer, or one without a mapped address.
    Failed {
        socket: SocketAddr,
        source: S,
        code: u16,
        text: String,
    },
}

impl<S: Copy> Bindings<S> {
    pub(crate) fn new() -> Self {
        Self { queries: Vec::new() }
    }

    pub(crate) fn pending(&self) -> usize {
        self.queries.len()
    }

    pub(crate) fn clear(&mut self) {
        self.queries.clear();
    }

    /// Drops the queries of a socket that is gone.
    pub(crate) fn forget(&mut self, socket: SocketAddr) {
        self.queries.retain(|query| query.socket != socket);
    }

    /// When an [`Event::Timeout`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.queries.iter().map(|query| query.retransmission.deadline()).min()
    }

    /// Whether a datagram may be an answer, judged by its source.
    pub(crate) fn expects(&self, socket: SocketAddr, server: SocketAddr) -> bool {
        self.queries.iter().any(|query| query.socket == socket && query.server == server)
    }

    pub(crate) fn step(&mut self, now: Instant, event: Event<'_, S>) -> Vec<Action<S>> {
        match event {
            Event::Ask { socket, server, source } => self.ask(now, socket, server, source),
            Event::Received { socket, server, data } => {
                self.received(socket, server, data).into_iter().collect()
            }
            Event::Unsendable { socket, server } => {
                self.queries.retain(|query| query.socket != socket || query.server != server);
                Vec::new()
            }
            Event::Timeout => self.timeout(now),
        }
    }

    fn ask(&mut self, now: Instant, socket: SocketAddr, server: SocketAddr, source: S) -> Vec<Action<S>> {
        if self.queries.len() >= MAX_QUERIES || self.expects(socket, server) {
            return Vec::new();
        }
        let query = Query {
            socket,
            server,
            source,
            transaction: new_transaction(),
            retransmission: Retransmission::start(now, false),
        };
        let action = query.transmit();
        self.queries.push(query);
        vec![action]
    }

    fn received(&mut self, socket: SocketAddr, server: SocketAddr, data: &[u8]) -> Option<Action<S>> {
        let message = Message::parse(data)?;
        let index = self.queries.iter().position(|query| {
            query.socket == socket && query.server == server && query.transaction == message.transaction
        })?;
        if message.method != Method::Binding || matches!(message.class, Class::Request | Class::Indication) {
            return None;
        }
        let query = self.queries.swap_remove(index);
        match (message.class, message.mapped_address()) {
            (Class::Success, Some(address)) => Some(Action::Mapped { socket, address }),
            (Class::Success, None) => Some(query.failed(0, "an answer without an address")),
            _ => {
                let (code, text) = message.error();
                Some(query.failed(code, &text))
            }
        }
    }

    fn timeout(&mut self, now: Instant) -> Vec<Action<S>> {
        let mut actions = Vec::new();
        self.queries.retain_mut(|query| match query.retransmission.step(now) {
            Due::NotYet => true,
            Due::Again => {
                actions.push(query.transmit());
                true
            }
            Due::GaveUp => {
                actions.push(query.failed(super::super::UNREACHABLE, "the STUN server did not answer"));
                false
            }
        });
        actions
    }
}

impl<S: Copy> Query<S> {
    fn transmit(&self) -> Action<S> {
        let request = Builder::new(Class::Request, Method::Binding, self.transaction).finish();
        Action::Transmit { socket: self.socket, server: self.server, request }
    }

    fn failed(&self, code: u16, text: &str) -> Action<S> {
        Action::Failed { socket: self.socket, source: self.source, code, text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::message::attribute, *};

    const SOCKET: &str = "192.0.2.1:1000";
    const SERVER: &str = "198.51.100.1:3478";

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    fn asked(now: Instant) -> (Bindings<u8>, TransactionId) {
        let mut bindings = Bindings::new();
        let ask = Event::Ask { socket: address(SOCKET), server: address(SERVER), source: 7 };
        let actions = bindings.step(now, ask);
        let [Action::Transmit { request, .. }] = &actions[..] else { panic!("{actions:?}") };
        (bindings, Message::parse(request).unwrap().transaction)
    }

    fn receive(bindings: &mut Bindings<u8>, server: &str, data: &[u8]) -> Vec<Action<u8>> {
        let event = Event::Received { socket: address(SOCKET), server: address(server), data };
        bindings.step(Instant::now(), event)
    }

    fn answer(transaction: TransactionId) -> Vec<u8> {
        Builder::new(Class::Success, Method::Binding, transaction)
            .put_xor_address(attribute::XOR_MAPPED_ADDRESS, address("203.0.113.9:5"))
            .finish()
    }

    #[test]
    fn an_answer_tells_the_mapped_address_once() {
        let (mut bindings, transaction) = asked(Instant::now());
        let mapped = Action::Mapped { socket: address(SOCKET), address: address("203.0.113.9:5") };
        assert_eq!(receive(&mut bindings, SERVER, &answer(transaction)), [mapped]);
        assert!(receive(&mut bindings, SERVER, &answer(transaction)).is_empty());
        assert_eq!((bindings.pending(), bindings.deadline()), (0, None));
    }

    #[test]
    fn strangers_and_other_transactions_are_not_believed() {
        let (mut bindings, transaction) = asked(Instant::now());
        assert!(receive(&mut bindings, "198.51.100.2:3478", &answer(transaction)).is_empty());
        assert!(receive(&mut bindings, SERVER, &answer([9; 12])).is_empty());
        assert!(receive(&mut bindings, SERVER, b"noise").is_empty());
        assert_eq!(bindings.pending(), 1);
    }

    #[test]
    fn a_dead_server_is_asked_seven_times_and_then_reported() {
        let (mut bindings, _) = asked(Instant::now());
        let mut requests = 1;
        while let Some(due) = bindings.deadline() {
            for action in bindings.step(due, Event::Timeout) {
                match action {
                    Action::Transmit { .. } => requests += 1,
                    Action::Failed { source, code, .. } => assert_eq!((source, code), (7, 701)),
                    Action::Mapped { .. } => panic!("nobody answered"),
                }
            }
        }
        assert_eq!((requests, bindings.pending()), (7, 0));
    }

    #[test]
    fn an_error_of_the_server_is_passed_on() {
        let (mut bindings, transaction) = asked(Instant::now());
        let refusal = Builder::new(Class::Error, Method::Binding, transaction)
            .put(attribute::ERROR_CODE, &[0, 0, 5, 0, b'o', b'h'])
            .finish();
        let actions = receive(&mut bindings, SERVER, &refusal);
        assert!(
            matches!(&actions[..], [Action::Failed { code: 500, text, .. }] if text == "oh"),
            "{actions:?}"
        );
    }

    #[test]
    fn the_number_of_queries_is_bounded() {
        let mut bindings = Bindings::new();
        for port in 1..1000 {
            let socket = SocketAddr::new(address(SOCKET).ip(), port);
            bindings.step(Instant::now(), Event::Ask { socket, server: address(SERVER), source: 0 });
        }
        assert_eq!(bindings.pending(), MAX_QUERIES);
        bindings.step(
            Instant::now(),
            Event::Unsendable { socket: SocketAddr::new(address(SOCKET).ip(), 1), server: address(SERVER) },
        );
        assert_eq!(bindings.pending(), MAX_QUERIES - 1);
    }
}
