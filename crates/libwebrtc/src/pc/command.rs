//! Calls of the program that wait for the driver.

use tokio::sync::oneshot;

use crate::{
    RtcError, connection_state::OfferOptions, ice_candidate::IceCandidate,
    session_description::SessionDescription, stats::RtcStats,
};

pub(super) type Reply<T> = oneshot::Sender<Result<T, RtcError>>;

/// A call that waits for the driver.
pub(crate) enum Command {
    CreateOffer(OfferOptions, Reply<SessionDescription>),
    CreateAnswer(Reply<SessionDescription>),
    SetLocal(SessionDescription, Reply<()>),
    SetRemote(SessionDescription, Reply<()>),
    AddCandidate(IceCandidate, Reply<()>),
    Stats(StatsOf, Reply<Vec<RtcStats>>),
}

/// The subject of a request for statistics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StatsOf {
    Connection,
    /// The sender of the m-line with this mid.
    Sender(String),
    Receiver(String),
}
