//! How long an acknowledgement takes, as RFC 9260 measures it (section 6.3.1).

use std::time::Duration;

/// Before anything was measured; what the C++ library's SCTP starts with.
const UNKNOWN: Duration = Duration::from_millis(500);
/// For the handshake of SCTP, as in the C++ library. It must not be short: a second INIT that overtakes what came after the
/// first is the end of the association, with `sctp-proto` as with Pion.
const HANDSHAKE: Duration = Duration::from_secs(1);
/// What a timer may be late on either side.
pub(super) const SLACK: Duration = Duration::from_millis(10);
/// A probe that comes sooner than that helps nobody, and on a busy machine it would often come in vain.
const SOONEST: Duration = Duration::from_millis(50);
/// How long to wait at most, however often there was no answer; as in the C++ library.
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

    /// How long an acknowledgement takes.
    pub(super) fn time(&self) -> Duration {
        self.smoothed.unwrap_or(UNKNOWN)
    }

    /// By how much something may come later than what was sent after it.
    pub(super) fn disorder(&self) -> Duration {
        let time = self.time();
        (time / 4).max(self.variation * 4).min(time)
    }

    /// How long an acknowledgement is waited for when so many probes had no answer.
    pub(super) fn patience(&self, unanswered: u32) -> Duration {
        let first = match self.smoothed {
            Some(time) => (time + time.max(self.variation * 4) + SLACK).max(SOONEST),
            None => UNKNOWN,
        };
        doubled(first, unanswered)
    }
}

/// How long an answer to a packet of the handshake is waited for.
pub(super) fn handshake_patience(unanswered: u32) -> Duration {
    doubled(HANDSHAKE, unanswered)
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(LONGEST)
}
