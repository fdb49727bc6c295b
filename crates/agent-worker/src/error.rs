//! Why a socket to the server could not be opened.

use thiserror::Error;

/// The socket to the server could not be opened. As a text it is one sentence for the operator: what happened, at which
/// URL, and what to do. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{text}")]
pub struct OpenError {
    fault: Fault,
    text: String,
}

/// The step that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// No token could be signed.
    Token,
    /// There is no way to the host, or nothing listens there.
    Unreachable,
    /// The certificate is not accepted, or the other side speaks no TLS.
    Tls,
    /// The server answered with this HTTP status: 401 and 403 are about the key pair, with 404 it is no LiveKit server.
    Refused(u16),
    /// What listens there speaks no websocket.
    Handshake,
    TimedOut,
}

// === impl OpenError ===

impl OpenError {
    pub(crate) fn new(fault: Fault, text: String) -> Self {
        Self { fault, text }
    }

    pub fn fault(&self) -> Fault {
        self.fault
    }
}
