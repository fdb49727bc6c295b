//! STUN (RFC 8489): its messages, the repetition of requests, and queries for the outside addresses of our sockets.

pub(super) mod bindings;
pub(crate) mod message;
pub(super) mod retransmission;
