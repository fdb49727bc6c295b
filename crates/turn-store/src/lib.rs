//! The record: every turn of every session in a local SQLite file, so that sessions can be inspected without a backend.
//!
//! A session hands over a [`Turn`] when it begins and again when it has ended; a thread writes them. No task that
//! answers a turn ever waits for the file: trouble with it costs records and is counted, logged once, and recovered
//! from. Readers ([`Reader`]) open the same file beside the writer, in this process or another.
//!
//! # Layout
//! - `turn`: the recorded form of a turn. `path`: the file, the directory and their permissions
//! - `writer`, `trouble`: the way of a turn into the file
//! - `run`: tells the turns of a living process from those of one that was killed
//! - `sqlite`: the seam to SQLite, with the schema, the writes and the queries
//! - `find`: the questions to the record, and their answers. `json`: the same for scripts. `bar`: a turn as a waterfall;
//!   `shares`: where the time of a spoken turn went
//! - `when`, `length`: points in time and lengths of it as people write them. `trace_url`: links to traces

mod bar;
mod find;
pub mod json;
mod length;
mod path;
mod run;
mod shares;
mod sqlite;
mod trace_url;
mod trouble;
mod turn;
mod when;
mod writer;

#[cfg(any(test, feature = "samples"))]
#[doc(hidden)]
pub mod samples;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bounded::{Limits, Pushed, Queue};

pub use self::bar::{Bar, bars};
pub use self::find::{
    Direction, Figures, Filter, Found, FoundTurns, Place, ReadError, Session, SpeechFigures, Spread, Turns,
    Window,
};
pub use self::length::{length, length_or_dash};
pub use self::shares::{Share, shares};
pub use self::sqlite::Reader;
pub use self::trace_url::{Linked, TraceUrl, TraceUrlError};
pub use self::trouble::Trouble;
pub use self::turn::UnknownStatus;
pub use self::turn::{Attempt, End, Speech, Stage, Status, Turn, length_us, micros};
pub use self::when::{NoTime, When};
use self::writer::Writer;

/// Turns that may wait for the file, half of them as beginnings. Far more than a worker with all slots taken makes in
/// a second, and at the longest texts some hundred MiB.
const QUEUE: usize = 2048;

/// A longer question or answer is cut here in the record, in bytes of UTF-8.
const MAX_TEXT: usize = 64 * 1024;

/// The process's record. Cheap to clone; clones share the file.
#[derive(Clone)]
pub struct Store {
    /// None: it keeps nothing.
    shared: Option<Arc<Shared>>,
}

/// What is kept, and where.
#[derive(Clone, Debug)]
pub struct Settings {
    /// None: nothing is recorded.
    pub path: Option<PathBuf>,
    /// Older turns are deleted.
    pub retention: Duration,
    /// When the file holds more, the oldest turns are deleted.
    pub max_bytes: u64,
    pub names: &'static Names,
}

/// What the program, its commands and its settings are called, for messages to its users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    pub program: &'static str,
    /// The command that writes the record.
    pub start: &'static str,
    /// The command that lists sessions.
    pub sessions: &'static str,
    /// The setting of the file's path.
    pub path: &'static str,
    /// The same, with the other ways to set it.
    pub path_in_full: &'static str,
}

struct Shared {
    queue: Queue<Arc<Turn>>,
    counters: Arc<Counters>,
    /// The name of this process in the file.
    run: String,
}

/// The outcomes of the turns so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatus {
    /// Turns whose end is in the file.
    pub written: u64,
    /// Turns whose end is not in the file, and never will be.
    pub dropped: u64,
    /// Turns that have ended and wait for the file.
    pub waiting: u64,
    /// The present trouble with the file.
    pub last_error: Option<String>,
}

#[derive(Default)]
struct Counters {
    written: AtomicU64,
    dropped: AtomicU64,
    last_error: std::sync::Mutex<Option<String>>,
}

/// The number of turns in an existing record, if it could be written to; otherwise the trouble with it and the remedy.
pub fn probe(path: &Path, names: &Names) -> Result<u64, Trouble> {
    sqlite::probe(path, names)
}

// === impl Store ===

impl Store {
    /// A record that keeps nothing.
    pub fn off() -> Self {
        Self { shared: None }
    }

    /// Starts the thread that writes. Never fails: a file that cannot be used is logged, counted and tried again.
    pub fn start(settings: &Settings) -> Self {
        let Some(path) = &settings.path else {
            let name = settings.names.path;
            tracing::info!("turns are not recorded: {name} is off, or there is no directory for it");
            return Self::off();
        };
        let shared = Arc::new(Shared::new());
        let writer = Writer::new(path, settings, &shared.run, shared.counters.clone());
        let thread = shared.clone();
        let spawned =
            std::thread::Builder::new().name("record".to_owned()).spawn(move || writer.run(&thread.queue));
        match spawned {
            Ok(_) => Self { shared: Some(shared) },
            Err(error) => {
                tracing::error!("turns are not recorded: the thread for it cannot be started: {error}");
                Self::off()
            }
        }
    }

    /// Hands a turn over, begun or ended. Never waits.
    pub fn put(&self, turn: Turn) {
        let Some(shared) = &self.shared else { return };
        let is_end = turn.is_over();
        let turn = Arc::new(turn.cut_at(MAX_TEXT));
        // A turn without its end would look as if it had never been ended: an end needs no more room than its
        // beginning.
        let supersedes = |begun: &Arc<Turn>| is_end && begun.span_id == turn.span_id;
        match shared.queue.push_or_replace(turn.clone(), 0, supersedes) {
            Pushed::Taken => {}
            Pushed::Full { first } => {
                shared.counters.drop_turns(u64::from(is_end));
                if first {
                    tracing::warn!(
                        "the record's queue is full: turns are not recorded until its file can be written"
                    );
                }
            }
            Pushed::Closed => shared.counters.drop_turns(u64::from(is_end)),
        }
    }

    /// All zeros when nothing is recorded.
    pub fn status(&self) -> StoreStatus {
        let Some(shared) = &self.shared else { return StoreStatus::default() };
        let waiting = shared.queue.count(|turn| turn.is_over()) as u64;
        StoreStatus { waiting, ..shared.counters.status() }
    }

    /// Writes the waiting turns; returns when that is done, or at the deadline.
    pub async fn shutdown(&self, deadline: Duration) {
        let Some(shared) = self.shared.clone() else { return };
        let ended = tokio::task::spawn_blocking(move || {
            shared.queue.close();
            shared.queue.wait_until_finished(deadline);
            shared.queue.count(|_| true)
        });
        let left = ended.await.unwrap_or_default();
        let status = self.status();
        if left > 0 || status.dropped > 0 {
            let lost = status.dropped + left as u64;
            let why = status.last_error.as_deref().unwrap_or("it was written too slowly");
            tracing::error!("the record misses {lost} turns of this run: {why}");
        }
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("status", &self.status()).finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    fn new() -> Self {
        let run = format!("{:016x}", fastrand::u64(..));
        Self { queue: Queue::new(Limits::items(QUEUE)), counters: Arc::default(), run }
    }
}

// === impl Counters ===

impl Counters {
    fn wrote_turns(&self, count: u64) {
        self.written.fetch_add(count, Ordering::Relaxed);
    }

    fn drop_turns(&self, count: u64) {
        self.dropped.fetch_add(count, Ordering::Relaxed);
    }

    fn set_error(&self, error: Option<String>) {
        *self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = error;
    }

    /// All fields but those that the queue knows.
    fn status(&self) -> StoreStatus {
        let last_error = self.last_error.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        StoreStatus {
            written: self.written.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            waiting: 0,
            last_error,
        }
    }
}
