//! STUN (RFC 8489): its messages, when a request is repeated, and asking servers how our sockets look from outside.

pub(super) mod bindings;
pub(crate) mod message;
pub(super) mod retransmission;
