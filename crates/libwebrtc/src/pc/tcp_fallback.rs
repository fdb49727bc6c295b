//! When to try ICE over TCP, as a pure state machine.
//!
//! `str0m` would open its TCP connections at once and keep them although UDP works, which costs the peer a socket per
//! connection. So TCP starts only when UDP does not connect, and ends once UDP works after all.

use std::time::{Duration, Instant};

/// The time in which UDP may connect alone.
const UDP_HEAD_START: Duration = Duration::from_secs(2);
/// A peer that sends TCP candidates first may still send UDP ones.
const TCP_ONLY_WAIT: Duration = Duration::from_millis(250);
/// UDP must have carried the connection for this long before TCP is given up.
const SETTLE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(crate) struct TcpFallback {
    phase: Phase,
    remote_udp: bool,
    remote_tcp: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Idle,
    Waiting {
        at: Instant,
        since: Instant,
    },
    Running,
    Settling {
        at: Instant,
    },
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    RemoteCandidate {
        tcp: bool,
    },
    Connected,
    Disconnected,
    /// A deadline may have passed; `over_tcp` is whether TCP carries the connection now.
    Timeout {
        over_tcp: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    Start,
    Stop,
}

impl TcpFallback {
    /// When an [`Event::Timeout`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Waiting { at, .. } | Phase::Settling { at } => Some(at),
            Phase::Idle | Phase::Running => None,
        }
    }

    /// Whether ICE has TCP candidates now.
    pub(crate) fn is_in_use(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Settling { .. })
    }

    pub(crate) fn step(&mut self, now: Instant, event: Event) -> Option<Action> {
        match event {
            Event::RemoteCandidate { tcp } => {
                self.remote_tcp |= tcp;
                self.remote_udp |= !tcp;
                self.wait(now);
                None
            }
            Event::Connected => {
                self.phase = match self.phase {
                    Phase::Running => Phase::Settling { at: now + SETTLE },
                    Phase::Waiting { .. } => Phase::Idle,
                    phase => phase,
                };
                None
            }
            Event::Disconnected => {
                match self.phase {
                    Phase::Settling { .. } => self.phase = Phase::Running,
                    _ => self.wait(now),
                }
                None
            }
            Event::Timeout { over_tcp } => self.timeout(now, over_tcp),
        }
    }

    fn wait(&mut self, now: Instant) {
        let since = match self.phase {
            Phase::Idle => now,
            Phase::Waiting { since, .. } => since,
            Phase::Running | Phase::Settling { .. } => return,
        };
        if self.remote_tcp {
            let head_start = if self.remote_udp { UDP_HEAD_START } else { TCP_ONLY_WAIT };
            self.phase = Phase::Waiting { at: since + head_start, since };
        }
    }

    fn timeout(&mut self, now: Instant, over_tcp: bool) -> Option<Action> {
        match self.phase {
            Phase::Waiting { at, .. } if at <= now => {
                self.phase = Phase::Running;
                Some(Action::Start)
            }
            // ICE may still move to UDP, so the transport is checked again.
            Phase::Settling { at } if at <= now && over_tcp => {
                self.phase = Phase::Settling { at: now + SETTLE };
                None
            }
            Phase::Settling { at } if at <= now => {
                self.phase = Phase::Idle;
                Some(Action::Stop)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UDP: Event = Event::RemoteCandidate { tcp: false };
    const TCP: Event = Event::RemoteCandidate { tcp: true };

    fn due(fallback: &mut TcpFallback) -> Option<Action> {
        let at = fallback.deadline()?;
        fallback.step(at, Event::Timeout { over_tcp: false })
    }

    #[test]
    fn tcp_is_not_tried_when_udp_connects_in_time() {
        let now = Instant::now();
        let mut fallback = TcpFallback::default();
        fallback.step(now, UDP);
        fallback.step(now, TCP);
        assert_eq!(fallback.deadline(), Some(now + UDP_HEAD_START));
        fallback.step(now, Event::Connected);
        assert_eq!(due(&mut fallback), None);
    }

    #[test]
    fn tcp_starts_when_udp_does_not_come_up() {
        let now = Instant::now();
        let mut fallback = TcpFallback::default();
        fallback.step(now, TCP);
        fallback.step(now, UDP);
        assert_eq!(due(&mut fallback), Some(Action::Start));
        assert_eq!(fallback.deadline(), None);
    }

    #[test]
    fn a_peer_with_tcp_alone_is_not_kept_waiting() {
        let now = Instant::now();
        let mut fallback = TcpFallback::default();
        fallback.step(now, TCP);
        assert_eq!(fallback.deadline(), Some(now + TCP_ONLY_WAIT));
    }

    #[test]
    fn a_peer_without_tcp_is_never_tried() {
        let mut fallback = TcpFallback::default();
        fallback.step(Instant::now(), UDP);
        fallback.step(Instant::now(), Event::Disconnected);
        assert_eq!(fallback.deadline(), None);
    }

    #[test]
    fn tcp_ends_once_udp_has_carried_the_connection() {
        let now = Instant::now();
        let mut fallback = TcpFallback::default();
        fallback.step(now, TCP);
        due(&mut fallback);
        fallback.step(now, Event::Connected);
        assert_eq!(due(&mut fallback), Some(Action::Stop));
        fallback.step(now, Event::Disconnected);
        assert_eq!(due(&mut fallback), Some(Action::Start), "and starts again when UDP is lost");
    }

    #[test]
    fn tcp_stays_while_it_carries_the_connection() {
        let now = Instant::now();
        let mut fallback = TcpFallback::default();
        fallback.step(now, TCP);
        due(&mut fallback);
        fallback.step(now, Event::Connected);
        for _ in 0..3 {
            let at = fallback.deadline().unwrap();
            assert_eq!(fallback.step(at, Event::Timeout { over_tcp: true }), None);
        }
        assert_eq!(due(&mut fallback), Some(Action::Stop));
    }
}
