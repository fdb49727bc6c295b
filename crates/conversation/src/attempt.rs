//! The record of one request to a provider.

use std::time::Instant;

use crate::Failure;

/// One attempt at a request to a provider, of whichever kind.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub started: Instant,
    pub ended: Instant,
    /// None when no answer came.
    pub http_status: Option<u16>,
    /// The provider's id of the request, where it sends one.
    pub request_id: Option<String>,
    /// The time of the first byte of what was asked for. None when none came.
    pub first_byte: Option<Instant>,
    /// None: it went well or was interrupted.
    pub failure: Option<Failure>,
}
