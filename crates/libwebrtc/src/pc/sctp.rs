//! Lost data is sent again soon.
//!
//! The SCTP in `str0m` waits a second at least before it sends a last lost packet again, twice as long each further time, up
//! to a minute; it knows other times, but `str0m` has no setting for them. So what goes between its SCTP and its DTLS passes
//! a [`Line`], which sends lost DATA chunks again by itself, as RACK-TLP has it for TCP (RFC 8985):
//!
//! - what was sent before something that has arrived is lost, once it could have been overtaken no more;
//! - what is not acknowledged about two round trips after it was sent is sent again, to learn what is missing.
//!
//! The peer sees the DATA chunks of the association, some of them twice, and acknowledges them to the association. A packet
//! goes out for each acknowledgement or timer, at most, so the network gets no more than it has room for.
//!
//! - [`packet`] reads and makes SCTP packets;
//! - [`round_trip`] knows how long an answer takes;
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

/// Packets of an association, with whether they are ours and how much later than the one before they come.
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
