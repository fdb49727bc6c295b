//! The people who are there to talk with, and whether the agent is there itself: pure.
//!
//! While the connection to the room is being restored no person can be seen, so none counts as gone.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// A person who came back sooner is not missed. During a longer absence people's words may be lost.
const MISSED: Duration = Duration::from_secs(2);
/// How long people who lost the room together with the agent may take to come back: clients try ever less often.
const REUNION: Duration = Duration::from_secs(60);
/// How many people a session remembers, those who left included.
const REMEMBERED: usize = 256;

pub(super) struct Presence {
    grace: Duration,
    /// The people in the room, those who do not hear yet included.
    here: BTreeSet<String>,
    /// At least one of them hears the agent.
    listens: bool,
    met: BTreeSet<String>,
    /// When to give up on people coming back.
    alone_until: Option<Instant>,
    /// Since when the connection is being restored.
    away_since: Option<Instant>,
    /// People may have spoken while no agent listened, and were not told so yet.
    owes_notice: bool,
}

// === impl Presence ===

impl Presence {
    /// `grace` is how long a session outlives its last person.
    pub(super) fn new(grace: Duration) -> Self {
        let (here, met) = (BTreeSet::new(), BTreeSet::new());
        Self { grace, here, listens: false, met, alone_until: None, away_since: None, owes_notice: false }
    }

    /// Adds a person who does not hear yet.
    pub(super) fn coming(&mut self, person: String) {
        self.here.insert(person);
        self.alone_until = None;
    }

    pub(super) fn arrived(&mut self, person: String) {
        self.listens = true;
        if self.met.len() < REMEMBERED {
            self.met.insert(person.clone());
        }
        self.coming(person);
    }

    /// Starts the grace when the room is empty: a person who does not come soon will not come.
    pub(super) fn expect_people_soon(&mut self, now: Instant) {
        self.wait_if_alone(now, self.grace);
    }

    pub(super) fn left(&mut self, now: Instant, person: &str) {
        if self.here.remove(person) {
            self.listens &= !self.here.is_empty();
            self.wait_if_alone(now, self.grace);
        }
    }

    /// The connection is lost and being restored.
    pub(super) fn away(&mut self, now: Instant) {
        self.away_since.get_or_insert(now);
        self.alone_until = None;
    }

    /// The connection is back; `rejoined` as a new participant, to whom the server brings nothing of what was said
    /// meanwhile.
    pub(super) fn back(&mut self, now: Instant, rejoined: bool) {
        let Some(since) = self.away_since.take() else { return };
        self.owes_notice |= rejoined && now.saturating_duration_since(since) >= MISSED;
        let grace = if rejoined { self.grace.max(REUNION) } else { self.grace };
        self.wait_if_alone(now, grace);
    }

    /// Whether to tell people, now, that we were away; true once.
    pub(super) fn notice_due(&mut self) -> bool {
        self.listens && self.away_since.is_none() && std::mem::take(&mut self.owes_notice)
    }

    /// Drops the notice that is owed: people see by themselves that the agent is here.
    pub(super) fn noticed(&mut self) {
        self.owes_notice = false;
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.alone_until
    }

    /// Whether no person came back in time.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        self.alone_until.is_some_and(|deadline| now >= deadline)
    }

    /// The identities of all people who took part in the session.
    pub(super) fn met(&self) -> Vec<String> {
        self.met.iter().cloned().collect()
    }

    fn wait_if_alone(&mut self, now: Instant, grace: Duration) {
        if self.here.is_empty() && self.away_since.is_none() {
            self.alone_until.get_or_insert(now + grace);
        }
    }
}
