//! What telemetry wants to know of a request: its attempts, and what came of it. The crate makes no spans.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use conversation::{Attempt, Failure};

/// The account of one request, as far as it has come.
#[derive(Clone, Debug)]
pub struct Report {
    pub started: Instant,
    pub ended: Instant,
    /// In the order of their beginning. One that was under way when the request was dropped has neither status nor
    /// failure.
    pub attempts: Vec<Attempt>,
    /// From the start to the first byte of the transcript or the first sample. None when nothing came.
    pub time_to_first_byte: Option<Duration>,
    /// The length of the audio that was sent, or of that which came.
    pub audio: Duration,
    /// The characters of the transcript, or of the text to be spoken.
    pub characters: u64,
    /// The tokens that the provider counted, where it says so.
    pub tokens: Option<u64>,
    pub outcome: Outcome,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Complete,
    /// The caller dropped the request, or it has not ended yet.
    Interrupted,
    Failed(Failure),
}

/// The account of a request, for who does not hold the request. Clones share it.
#[derive(Clone, Debug)]
pub struct Account(Record);

/// A report that is being written. Clones share it.
#[derive(Clone, Debug)]
pub(crate) struct Record(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    report: Report,
    is_over: bool,
    /// The attempt under way.
    open: Option<Attempt>,
}

/// What was seen of an answer's head.
#[derive(Clone, Debug, Default)]
pub(crate) struct Head {
    pub(crate) status: Option<u16>,
    pub(crate) request_id: Option<String>,
}

/// The runtime's clock, which tests can stop.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

// === impl Report ===

impl Report {
    fn new(started: Instant) -> Self {
        Self {
            started,
            ended: started,
            attempts: Vec::new(),
            time_to_first_byte: None,
            audio: Duration::ZERO,
            characters: 0,
            tokens: None,
            outcome: Outcome::Interrupted,
        }
    }
}

// === impl Account ===

impl Account {
    pub(crate) fn new(record: &Record) -> Self {
        Self(record.clone())
    }

    /// The report as it is now.
    pub fn report(&self) -> Report {
        self.0.report()
    }
}

// === impl Record ===

impl Record {
    pub(crate) fn new(audio: Duration, characters: u64) -> Self {
        let report = Report { audio, characters, ..Report::new(now()) };
        Self(Arc::new(Mutex::new(State { report, is_over: false, open: None })))
    }

    /// The report as it is now.
    pub(crate) fn report(&self) -> Report {
        let state = self.lock();
        let mut report = state.report.clone();
        if !state.is_over {
            report.ended = now();
        }
        report.attempts.extend(state.open.clone().map(|open| Attempt { ended: report.ended, ..open }));
        report
    }

    pub(crate) fn begin_attempt(&self) {
        let started = now();
        self.lock().open = Some(Attempt {
            started,
            ended: started,
            http_status: None,
            request_id: None,
            first_byte: None,
            failure: None,
        });
    }

    pub(crate) fn head(&self, head: &Head) {
        if let Some(open) = &mut self.lock().open {
            open.http_status = head.status;
            open.request_id.clone_from(&head.request_id);
        }
    }

    /// The first byte of the transcript, or the first sample, came at this time.
    pub(crate) fn first_byte(&self, at: Instant) {
        let mut state = self.lock();
        let started = state.report.started;
        state.report.time_to_first_byte.get_or_insert(at.saturating_duration_since(started));
        if let Some(open) = &mut state.open {
            open.first_byte.get_or_insert(at);
        }
    }

    pub(crate) fn audio(&self, length: Duration) {
        self.lock().report.audio = length;
    }

    pub(crate) fn result(&self, characters: u64, tokens: Option<u64>) {
        let mut state = self.lock();
        state.report.characters = characters;
        state.report.tokens = tokens;
    }

    pub(crate) fn end_attempt(&self, failure: Option<Failure>) {
        let mut state = self.lock();
        if let Some(open) = state.open.take() {
            state.report.attempts.push(Attempt { ended: now(), failure, ..open });
        }
    }

    pub(crate) fn end(&self, outcome: Outcome) {
        let mut state = self.lock();
        state.report.ended = now();
        state.report.outcome = outcome;
        state.is_over = true;
    }

    pub(crate) fn attempts(&self) -> usize {
        self.lock().report.attempts.len()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
