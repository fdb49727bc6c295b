//! The time until an acknowledgement, measured as in RFC 9260 (section 6.3.1).

use std::time::Duration;

/// The time before the first measurement; the same as in the C++ library's SCTP.
const UNKNOWN: Duration = Duration::from_millis(500);
/// For the handshake of SCTP, as in the C++ library. It must not be short: a second INIT that overtakes the packets
/// after the first ends the association, in `sctp-proto` as in Pion.
const HANDSHAKE: Duration = Duration::from_secs(1);
/// The lateness of timers on either side.
pub(super) const SLACK: Duration = Duration::from_millis(10);
/// An earlier probe has no use, and on a busy machine it would often be unnecessary.
const SOONEST: Duration = Duration::from_millis(50);
/// The longest wait, after any number of probes without an answer; as in the C++ library.
const LONGEST: Duration = Duration::from_secs(3);

#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    smoothed: Option<Duration>,
    variation: Duration,
}

impl RoundTrip {
    pub(super) fn measured(&mut self, time: Duration) {
        let Some(smoothed) = self.smoothed else {
            self.smoothed = Some(time);
            self.variation = time / 2;
            return;
        };
        self.variation = (self.variation * 3 + smoothed.abs_diff(time)) / 4;
        self.smoothed = Some((smoothed * 7 + time) / 8);
    }

    /// The time until an acknowledgement.
    pub(super) fn time(&self) -> Duration {
        self.smoothed.unwrap_or(UNKNOWN)
    }

    /// How much later a packet may arrive than one that was sent after it.
    pub(super) fn disorder(&self) -> Duration {
        let time = self.time();
        (time / 4).max(self.variation * 4).min(time)
    }

    /// How long to wait for an acknowledgement after this many probes without an answer.
    pub(super) fn patience(&self, unanswered: u32) -> Duration {
        let first = match self.smoothed {
            Some(time) => (time + time.max(self.variation * 4) + SLACK).max(SOONEST),
            None => UNKNOWN,
        };
        doubled(first, unanswered)
    }
}

/// How long to wait for an answer to a packet of the handshake.
pub(super) fn handshake_patience(unanswered: u32) -> Duration {
    doubled(HANDSHAKE, unanswered)
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(LONGEST)
}
