//! The timing of the worker's connection: when to connect, register and ping, and when to take it for dead.

use std::time::{Duration, Instant};

use bounded::{Backoff, Jitter};

/// The waits before reconnects: workers of a restarted server do not come all at once.
const RECONNECTS: Backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10), Jitter::Half);
/// Half of the time that the server allows, so that the worker learns of the failure first.
const REGISTER_TIMEOUT: Duration = Duration::from_secs(5);
/// A registration that held for this long was a good one: the next loss starts with a short wait again.
const STEADY: Duration = Duration::from_secs(10);
const STATUS_INTERVAL: Duration = Duration::from_millis(2500);
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Servers do not notice a half-open worker socket for minutes, and neither does TCP.
const SILENCE: Duration = Duration::from_secs(25);
/// A server that says it goes away may say so to all its workers at once.
const GO_AWAY_WAIT: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct Link {
    started: Instant,
    random: fastrand::Rng,
    state: State,
    /// Connection attempts since the last steady registration.
    attempts: u32,
    /// The reason why the worker is not registered, in words for people.
    trouble: String,
}

#[derive(Debug)]
enum State {
    Down {
        retry_at: Instant,
        wait: Duration,
    },
    /// The shell is busy opening the socket, for a limited time.
    Opening,
    Registering {
        until: Instant,
    },
    Up(Up),
}

#[derive(Debug)]
struct Up {
    worker_id: String,
    since: Instant,
    last_seen: Instant,
    next_ping: Instant,
    next_status: Instant,
    sequence: u64,
    /// The time at which the worker reconnects because the server asked for it.
    leave_at: Option<Instant>,
}

/// The step that has become due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Connect,
    Disconnect,
    Ping { milliseconds: i64 },
}

impl Link {
    pub(super) fn new(now: Instant, seed: u64, trouble: String) -> Self {
        let random = fastrand::Rng::with_seed(seed);
        Self {
            started: now,
            random,
            state: State::Down { retry_at: now, wait: Duration::ZERO },
            attempts: 0,
            trouble,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(self.state, State::Up(_))
    }

    pub(super) fn is_going_away(&self) -> bool {
        matches!(&self.state, State::Up(up) if up.leave_at.is_some())
    }

    /// Empty unless registered.
    pub(super) fn worker_id(&self) -> &str {
        match &self.state {
            State::Up(up) => &up.worker_id,
            _ => "",
        }
    }

    /// The length of the present wait before the next attempt.
    pub(super) fn wait(&self) -> Duration {
        match &self.state {
            State::Down { wait, .. } => *wait,
            _ => Duration::ZERO,
        }
    }

    pub(super) fn trouble(&self) -> &str {
        &self.trouble
    }

    pub(super) fn opened(&mut self, now: Instant) {
        self.state = State::Registering { until: now + REGISTER_TIMEOUT };
    }

    /// False, and nothing changes, if no registration was awaited.
    pub(super) fn registered(&mut self, now: Instant, worker_id: &str) -> bool {
        if !matches!(self.state, State::Registering { .. }) {
            return false;
        }
        self.state = State::Up(Up {
            worker_id: worker_id.to_owned(),
            since: now,
            last_seen: now,
            next_ping: now + PING_INTERVAL,
            next_status: now,
            sequence: 0,
            leave_at: None,
        });
        true
    }

    pub(super) fn seen(&mut self, now: Instant) {
        if let State::Up(up) = &mut self.state {
            up.last_seen = now;
        }
    }

    pub(super) fn go_away(&mut self, now: Instant) {
        let wait = self.random_part(GO_AWAY_WAIT);
        if let State::Up(up) = &mut self.state {
            up.leave_at.get_or_insert(now + wait);
        }
    }

    pub(super) fn lost(&mut self, now: Instant, reason: String) {
        if let State::Up(up) = &self.state
            && now.duration_since(up.since) >= STEADY
        {
            self.attempts = 0;
        }
        self.trouble = reason;
        let wait = RECONNECTS.wait(self.attempts + 1, &mut self.random);
        self.state = State::Down { retry_at: now + wait, wait };
        self.attempts = self.attempts.saturating_add(1);
    }

    /// Whether to send a status now, and with which sequence number.
    pub(super) fn status_due(&mut self, now: Instant, changed: bool) -> Option<u64> {
        let State::Up(up) = &mut self.state else {
            return None;
        };
        if !changed && now < up.next_status {
            return None;
        }
        up.next_status = now + STATUS_INTERVAL;
        up.sequence += 1;
        Some(up.sequence)
    }

    pub(super) fn due(&mut self, now: Instant) -> Due {
        match &mut self.state {
            State::Down { retry_at, .. } if now >= *retry_at => {
                self.state = State::Opening;
                Due::Connect
            }
            State::Registering { until } if now >= *until => {
                self.disconnect(now, "LiveKit did not answer the registration".to_owned())
            }
            State::Up(up) if up.leave_at.is_some_and(|leave_at| now >= leave_at) => {
                self.attempts = 0;
                self.disconnect(now, "reconnecting: LiveKit closes this connection soon".to_owned())
            }
            State::Up(up) if now >= up.last_seen + SILENCE => {
                self.disconnect(now, format!("LiveKit was silent for {SILENCE:?}"))
            }
            State::Up(up) if now >= up.next_ping => {
                up.next_ping = now + PING_INTERVAL;
                let since_start = now.duration_since(self.started).as_millis();
                Due::Ping { milliseconds: i64::try_from(since_start).unwrap_or(i64::MAX) }
            }
            _ => Due::Nothing,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Down { retry_at, .. } => Some(*retry_at),
            State::Opening => None,
            State::Registering { until } => Some(*until),
            State::Up(up) => {
                let often = up.next_ping.min(up.next_status).min(up.last_seen + SILENCE);
                Some(up.leave_at.map_or(often, |leave_at| often.min(leave_at)))
            }
        }
    }

    fn disconnect(&mut self, now: Instant, reason: String) -> Due {
        self.lost(now, reason);
        Due::Disconnect
    }

    fn random_part(&mut self, whole: Duration) -> Duration {
        whole.mul_f64(self.random.f64())
    }
}
