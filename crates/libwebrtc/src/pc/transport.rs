//! Whether the peer can be reached, as a pure state machine over ICE, DTLS and time.
//!
//! `str0m` has no failed state of ICE and never gives up. WebRTC does (W3C webrtc-pc, section 4.3.3), so the timers are
//! here.

use std::time::{Duration, Instant};

use crate::{
    connection_state::{IceConnectionState, PeerConnectionState},
    pc::effect::Effect,
};

/// A connected peer sends something at least every 3 s (ICE checks); after this much silence it is disconnected.
pub(crate) const SILENCE: Duration = Duration::from_secs(7);
/// How long a connected peer may be away before the connection fails.
const DISCONNECTED_TO_FAILED: Duration = Duration::from_secs(20);
/// `str0m` gave the path up. It cannot recover without an ICE restart.
const GIVEN_UP_TO_FAILED: Duration = Duration::from_secs(1);
/// The time from the first remote description to a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// A peer that closed DTLS cannot return on this connection. Its signalling usually gives the reason moments later, and
/// the program should hear that before the failure.
const PEER_CLOSED_TO_FAILED: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Transport {
    ice: IceConnectionState,
    state: PeerConnectionState,
    /// The ICE state of `str0m`.
    path: IceConnectionState,
    started: bool,
    /// Whether ICE and DTLS were both up once.
    secured: bool,
    silent: bool,
    peer_closed: bool,
    deadline: Option<Instant>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    /// A remote description was applied.
    Started,
    /// The ICE state of `str0m` has changed.
    Ice(IceConnectionState),
    /// ICE and DTLS are up.
    Secured,
    /// The peer sent nothing for [`SILENCE`].
    Silent,
    /// The peer sent something after all.
    Heard,
    PeerClosed,
    /// The transport gave up: a wrong certificate, for example.
    Broken,
    Closed,
    Timeout,
}

impl Transport {
    pub(crate) fn new() -> Self {
        Self {
            ice: IceConnectionState::New,
            state: PeerConnectionState::New,
            path: IceConnectionState::New,
            started: false,
            secured: false,
            silent: false,
            peer_closed: false,
            deadline: None,
        }
    }

    pub(crate) fn ice(&self) -> IceConnectionState {
        self.ice
    }

    pub(crate) fn state(&self) -> PeerConnectionState {
        self.state
    }

    /// Whether ICE and DTLS were both up once. SCTP can run from then on.
    pub(crate) fn is_secured(&self) -> bool {
        self.secured
    }

    /// When an [`Event::Timeout`] is due.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    pub(crate) fn step(&mut self, now: Instant, event: Event) -> Vec<Effect> {
        if self.state == PeerConnectionState::Closed {
            return Vec::new();
        }
        match event {
            Event::Closed => {
                self.deadline = None;
                return self.enter(IceConnectionState::Closed, PeerConnectionState::Closed);
            }
            Event::Broken => return self.fail(),
            Event::Timeout if self.deadline.is_some_and(|deadline| deadline <= now) => return self.fail(),
            Event::Timeout => return Vec::new(),
            Event::Started => self.started = true,
            Event::Ice(path) => self.path = path,
            Event::Secured => self.secured = true,
            Event::Silent => self.silent = true,
            Event::Heard => self.silent = false,
            Event::PeerClosed => self.peer_closed = true,
        }
        self.evaluate(now)
    }

    fn evaluate(&mut self, now: Instant) -> Vec<Effect> {
        let (ice, state) = self.reachability();
        if state == PeerConnectionState::Connected {
            self.deadline = None;
        } else if self.state == PeerConnectionState::Failed {
            // Only a connection ends a failure; the attempts in between are not reported.
            return Vec::new();
        } else if let Some(patience) = self.patience(state) {
            // A transport that flaps is failing all along, so an earlier deadline stays.
            let deadline = now + patience;
            self.deadline = Some(self.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        }
        self.enter(ice, state)
    }

    fn reachability(&self) -> (IceConnectionState, PeerConnectionState) {
        use IceConnectionState::{Checking, Completed, Connected, Disconnected};
        // A `str0m` that was connected and checks again has lost its path.
        let lost = self.secured && (self.silent || matches!(self.path, Checking | Disconnected));
        match self.path {
            _ if self.peer_closed || lost => (Disconnected, PeerConnectionState::Disconnected),
            Connected | Completed if self.secured => (self.path, PeerConnectionState::Connected),
            path if self.started => (path, PeerConnectionState::Connecting),
            path => (path, PeerConnectionState::New),
        }
    }

    fn patience(&self, state: PeerConnectionState) -> Option<Duration> {
        match state {
            _ if self.peer_closed => Some(PEER_CLOSED_TO_FAILED),
            PeerConnectionState::Disconnected if self.path == IceConnectionState::Disconnected => {
                Some(GIVEN_UP_TO_FAILED)
            }
            PeerConnectionState::Disconnected => Some(DISCONNECTED_TO_FAILED),
            PeerConnectionState::Connecting => Some(CONNECT_TIMEOUT),
            _ => None,
        }
    }

    fn fail(&mut self) -> Vec<Effect> {
        self.deadline = None;
        self.enter(IceConnectionState::Failed, PeerConnectionState::Failed)
    }

    fn enter(&mut self, ice: IceConnectionState, state: PeerConnectionState) -> Vec<Effect> {
        let mut effects = Vec::new();
        if self.ice != ice {
            self.ice = ice;
            effects.push(Effect::Ice(ice));
        }
        if self.state != state {
            self.state = state;
            effects.push(Effect::Connection(state));
        }
        effects
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(effects: &[Effect]) -> Vec<PeerConnectionState> {
        let state = |effect: &Effect| match effect {
            Effect::Connection(state) => Some(*state),
            _ => None,
        };
        effects.iter().filter_map(state).collect()
    }

    fn connected(now: Instant) -> Transport {
        let mut transport = Transport::new();
        transport.step(now, Event::Started);
        transport.step(now, Event::Ice(IceConnectionState::Connected));
        transport.step(now, Event::Secured);
        transport
    }

    #[test]
    fn ice_alone_is_not_a_connection() {
        let now = Instant::now();
        let mut transport = Transport::new();
        assert_eq!(states(&transport.step(now, Event::Started)), [PeerConnectionState::Connecting]);
        assert!(states(&transport.step(now, Event::Ice(IceConnectionState::Connected))).is_empty());
        assert_eq!(states(&transport.step(now, Event::Secured)), [PeerConnectionState::Connected]);
        assert_eq!(transport.deadline(), None);
    }

    #[test]
    fn a_silent_peer_is_disconnected_until_it_is_heard_again() {
        let now = Instant::now();
        let mut transport = connected(now);
        assert_eq!(states(&transport.step(now, Event::Silent)), [PeerConnectionState::Disconnected]);
        assert!(transport.deadline().is_some());
        assert_eq!(states(&transport.step(now, Event::Heard)), [PeerConnectionState::Connected]);
        assert_eq!(transport.deadline(), None);
    }

    #[test]
    fn a_path_that_was_given_up_fails_soon() {
        let now = Instant::now();
        let mut transport = connected(now);
        transport.step(now, Event::Silent);
        transport.step(now, Event::Ice(IceConnectionState::Disconnected));
        assert_eq!(transport.deadline(), Some(now + GIVEN_UP_TO_FAILED));
    }

    #[test]
    fn a_disconnected_peer_fails_after_a_while_and_not_before() {
        let now = Instant::now();
        let mut transport = connected(now);
        transport.step(now, Event::Ice(IceConnectionState::Checking));
        assert_eq!(transport.state(), PeerConnectionState::Disconnected);
        let due = transport.deadline().unwrap();
        assert!(transport.step(due - Duration::from_millis(1), Event::Timeout).is_empty());
        assert_eq!(states(&transport.step(due, Event::Timeout)), [PeerConnectionState::Failed]);
    }

    #[test]
    fn a_path_that_is_checked_again_is_disconnected() {
        let now = Instant::now();
        let mut transport = connected(now);
        let effects = transport.step(now, Event::Ice(IceConnectionState::Checking));
        assert_eq!(states(&effects), [PeerConnectionState::Disconnected]);
        assert_eq!(transport.ice(), IceConnectionState::Disconnected);
    }

    #[test]
    fn flapping_does_not_postpone_the_failure() {
        let now = Instant::now();
        let mut transport = connected(now);
        transport.step(now, Event::Ice(IceConnectionState::Disconnected));
        let due = transport.deadline();
        transport.step(now + Duration::from_secs(5), Event::Ice(IceConnectionState::Checking));
        transport.step(now + Duration::from_secs(6), Event::Ice(IceConnectionState::Disconnected));
        assert_eq!(transport.deadline(), due);
    }

    #[test]
    fn a_restart_brings_a_failed_transport_back() {
        let now = Instant::now();
        let mut transport = connected(now);
        transport.step(now, Event::Broken);
        assert_eq!(transport.state(), PeerConnectionState::Failed);
        transport.step(now, Event::Ice(IceConnectionState::Checking));
        let effects = transport.step(now, Event::Ice(IceConnectionState::Connected));
        assert_eq!(states(&effects), [PeerConnectionState::Connected]);
        assert_eq!(transport.deadline(), None);
    }

    #[test]
    fn a_peer_that_closed_is_disconnected_first_and_failed_later() {
        let now = Instant::now();
        let mut transport = connected(now);
        assert_eq!(states(&transport.step(now, Event::PeerClosed)), [PeerConnectionState::Disconnected]);
        assert!(transport.step(now, Event::Ice(IceConnectionState::Connected)).is_empty());
        let due = transport.deadline().unwrap();
        assert_eq!(states(&transport.step(due, Event::Timeout)), [PeerConnectionState::Failed]);
    }

    #[test]
    fn nothing_follows_a_close() {
        let now = Instant::now();
        let mut transport = connected(now);
        assert_eq!(states(&transport.step(now, Event::Closed)), [PeerConnectionState::Closed]);
        assert!(transport.step(now, Event::Ice(IceConnectionState::Connected)).is_empty());
        assert!(transport.step(now, Event::Timeout).is_empty());
    }

    #[test]
    fn a_peer_that_never_answers_fails() {
        let now = Instant::now();
        let mut transport = Transport::new();
        transport.step(now, Event::Started);
        transport.step(now, Event::Ice(IceConnectionState::Checking));
        let due = transport.deadline().unwrap();
        assert_eq!(due, now + CONNECT_TIMEOUT);
        assert_eq!(states(&transport.step(due, Event::Timeout)), [PeerConnectionState::Failed]);
    }
}
