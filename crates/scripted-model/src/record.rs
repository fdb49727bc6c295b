//! The requests so far, and whether the client stayed to the end of each answer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, HeaderValue};
use serde_json::Value;
use tokio::sync::watch;

/// Further requests are answered but not recorded, so that a process can run without end.
const MOST_RECORDED: usize = 10_000;
/// The writes of an answer whose times are recorded.
const MOST_WRITES: usize = 256;

/// One request to an endpoint.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Names in lower case. A repeated header keeps its last value.
    pub headers: BTreeMap<String, String>,
    /// Null when the body was not JSON. Of a transcription: the fields of the form, and `rate`, `samples` and `peak` of its
    /// audio.
    pub body: Value,
    /// The number of the TCP connection of the request, counted from 0.
    pub connection: u64,
    pub ended: Ended,
    /// The time at which the whole request was here.
    pub came: Instant,
    /// The times of the first writes of a streamed body.
    pub written: Vec<Instant>,
    /// The time of the answer's end.
    pub ended_at: Option<Instant>,
}

/// How the answer to a request ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is still going on.
    Open,
    /// Everything in the step was sent.
    Answered,
    /// The client closed the connection before the end.
    Cut,
}

/// The requests did not become as the test waits for; holds the requests at the time limit.
#[derive(Debug)]
pub struct TimedOut(pub Vec<Recorded>);

#[derive(Clone, Debug)]
pub(crate) struct Journal {
    requests: Arc<Mutex<Vec<Recorded>>>,
    changed: Arc<watch::Sender<()>>,
}

/// Marks its request as cut when it is dropped before `answered`: the server drops an answer when its client has left.
#[derive(Debug)]
pub(crate) struct Open {
    journal: Journal,
    /// `None` when the request is not recorded.
    index: Option<usize>,
}

// === impl Recorded ===

impl Recorded {
    fn new(headers: BTreeMap<String, String>, body: Value, connection: u64, came: Instant) -> Self {
        Self { headers, body, connection, ended: Ended::Open, came, written: Vec::new(), ended_at: None }
    }
}

// === impl Journal ===

impl Default for Journal {
    fn default() -> Self {
        Self { requests: Arc::default(), changed: Arc::new(watch::Sender::new(())) }
    }
}

impl Journal {
    /// A request that was here as a whole at the time `came`.
    pub(crate) fn open(&self, headers: &HeaderMap, body: Value, connection: u64, came: Instant) -> Open {
        let mut requests = self.lock();
        let index = Some(requests.len()).filter(|index| *index < MOST_RECORDED);
        if index.is_some() {
            requests.push(Recorded::new(readable(headers), body, connection, came));
        }
        drop(requests);
        self.changed.send_replace(());
        Open { journal: self.clone(), index }
    }

    pub(crate) fn requests(&self) -> Vec<Recorded> {
        self.lock().clone()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.lock().iter().filter(|request| request.ended == Ended::Open).count()
    }

    /// Waits until the requests are as `wanted`. The time limit only makes a failing test end.
    pub(crate) async fn wait(
        &self,
        wanted: impl Fn(&[Recorded]) -> bool,
        limit: Duration,
    ) -> Result<Vec<Recorded>, TimedOut> {
        let mut changed = self.changed.subscribe();
        let waiting = async {
            while !wanted(&self.lock()) {
                let _ = changed.changed().await;
            }
        };
        match tokio::time::timeout(limit, waiting).await {
            Ok(()) => Ok(self.requests()),
            Err(_) => Err(TimedOut(self.requests())),
        }
    }

    /// Only the first end of a request counts.
    fn end(&self, index: Option<usize>, ended: Ended) {
        let mut requests = self.lock();
        if let Some(request) = index.and_then(|index| requests.get_mut(index))
            && request.ended == Ended::Open
        {
            request.ended = ended;
            request.ended_at = Some(Instant::now());
            drop(requests);
            self.changed.send_replace(());
        }
    }

    fn wrote(&self, index: Option<usize>) {
        let mut requests = self.lock();
        if let Some(request) = index.and_then(|index| requests.get_mut(index))
            && request.written.len() < MOST_WRITES
        {
            request.written.push(Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Recorded>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn readable(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

// === impl Open ===

impl Open {
    /// The next write of the answer is on its way.
    pub(crate) fn wrote(&self) {
        self.journal.wrote(self.index);
    }

    pub(crate) fn answered(self) {
        self.journal.end(self.index, Ended::Answered);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.journal.end(self.index, Ended::Cut);
    }
}

// === impl TimedOut ===

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the requests did not come to be as expected: {:?}", self.0)
    }
}

impl std::error::Error for TimedOut {}
