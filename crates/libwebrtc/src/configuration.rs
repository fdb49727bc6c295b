//! How a connection is made: its servers, and what the peer is told of this machine.

use std::fmt::{self, Debug};

use crate::outbox::Outbox;

/// A STUN or TURN server: `stun:HOST`, `turn:HOST?transport=udp`, `turn:HOST?transport=tcp` or `turns:HOST`, each with
/// `:PORT` unless the default port is meant. A URL that cannot be used is reported through `on_ice_candidate_error`.
#[derive(Clone)]
pub struct IceServer {
    pub urls: Vec<String>,
    pub username: String,
    pub password: String,
}

/// Whether this machine is watched after the first gathering.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum ContinualGatheringPolicy {
    GatherOnce,
    /// Addresses of this machine that appear later are used and signalled, and those that vanish are given up.
    GatherContinually,
}

/// The candidates that a peer is told.
#[derive(Debug, Copy, Clone, PartialEq, Eq)]
pub enum IceTransportsType {
    /// The peer sees only relays. Without a TURN server that is an error.
    Relay,
    /// The peer is told no address of this machine itself, only those that servers saw, and relays.
    NoHost,
    All,
}

/// How a connection is made. Start from [`RtcConfiguration::default`] and set what you need.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RtcConfiguration {
    pub ice_servers: Vec<IceServer>,
    pub continual_gathering_policy: ContinualGatheringPolicy,
    pub ice_transport_type: IceTransportsType,
    /// Accepted and not offered: SCTP always starts with its handshake.
    pub enable_sctp_snap: bool,
    /// Counts what is sent over the reliable data channels that the program creates. Read when the connection is made.
    pub outbox: Option<Outbox>,
}

impl Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IceServer").field("urls", &self.urls).finish_non_exhaustive()
    }
}

impl Default for RtcConfiguration {
    fn default() -> Self {
        Self {
            ice_servers: Vec::new(),
            continual_gathering_policy: ContinualGatheringPolicy::GatherContinually,
            ice_transport_type: IceTransportsType::All,
            enable_sctp_snap: false,
            outbox: None,
        }
    }
}
