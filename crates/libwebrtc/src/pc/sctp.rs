//! Sends lost data again soon.
//!
//! The SCTP in `str0m` waits at least a second before it sends a lost last packet again, and doubles the wait each
//! time, up to a minute; it supports other times, but `str0m` has no setting for them. So the packets between its SCTP
//! and its DTLS pass a [`Line`], which sends lost DATA chunks again by itself, as RACK-TLP does for TCP (RFC 8985):
//!
//! - a chunk that was sent before one that has arrived is lost, once reordering can no longer explain its absence;
//! - a chunk that is not acknowledged about two round trips after it was sent is sent again, to learn what is missing.
//!
//! The peer sees the DATA chunks of the association, some of them twice, and acknowledges them to the association. At
//! most one packet is sent for each acknowledgement or timer, so the network is not overloaded.
//!
//! - [`packet`] reads and makes SCTP packets;
//! - [`round_trip`] measures the time until an acknowledgement;
//! - [`recovery`] is the state machine that decides what is lost;
//! - [`line`] is its place between SCTP and DTLS.

#[cfg(any(debug_assertions, feature = "fuzzing"))]
use std::time::{Duration, Instant};

mod line;
mod packet;
mod recovery;
mod round_trip;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub(crate) use self::line::{Line, build};

/// Packets of an association: whether each is ours, how much later than the last one it comes, and its bytes.
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) fn fuzz<'p>(packets: impl Iterator<Item = (bool, Duration, &'p [u8])>) {
    let (mut recovery, mut now) = (recovery::Recovery::default(), Instant::now());
    for (ours, later, packet) in packets {
        now += later;
        if ours {
            recovery.outgoing(now, packet);
        } else {
            recovery.incoming(now, &mut packet.to_vec());
        }
        recovery.timeout(now);
        while let Some(again) = recovery.take() {
            assert!(packet::is_whole(&again), "the peer would drop it");
        }
    }
}
