//! The thread that writes: takes the waiting turns, and copes with any trouble of the file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bounded::{Backoff, Jitter, Latch, Next, Queue};

use super::path;
use super::run::{self, Gate, RunLock};
use super::sqlite::{Bounds, Database, disk_advice};
use super::trouble::{self, Trouble, TroubleKind};
use super::turn::{Turn, micros};
use super::{Counters, Names, Settings};

/// The most that one transaction writes.
const BATCH: usize = 256;
/// How often turns that are too old are looked for, if not after so many turns.
const TIDY_EVERY: Duration = Duration::from_secs(3600);
const TIDY_TURNS: u64 = 1000;
/// The waits after failures. Other processes do not wait for the same file as a rule, so chance has no part in them.
const RETRIES: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10), Jitter::None);

pub(super) struct Writer {
    path: PathBuf,
    names: &'static Names,
    run: String,
    retention: Duration,
    max_bytes: u64,
    counters: Arc<Counters>,
    state: Latch<TroubleKind>,
    file: File,
    /// Held from the first opening to the end of the process.
    lock: Option<RunLock>,
    /// Failures in a row.
    failures: u32,
    /// 1 when a turn of the last batch was refused, so that it is found.
    batch: usize,
    tidy_at: Instant,
    turns_since_tidy: u64,
}

/// The state of the file to write to.
enum File {
    Closed,
    Open(Database),
    /// The file is not ours: it is left alone for good.
    GivenUp,
}

// === impl Writer ===

impl Writer {
    pub(super) fn new(path: &Path, settings: &Settings, run: &str, counters: Arc<Counters>) -> Self {
        Self {
            path: path.to_owned(),
            names: settings.names,
            run: run.to_owned(),
            retention: settings.retention,
            max_bytes: settings.max_bytes,
            counters,
            state: Latch::default(),
            file: File::Closed,
            lock: None,
            failures: 0,
            batch: BATCH,
            tidy_at: Instant::now(),
            turns_since_tidy: 0,
        }
    }

    /// Writes until the queue is closed and empty, or closed while the file is not available.
    pub(super) fn run(mut self, queue: &Queue<Arc<Turn>>) {
        while let Err(trouble) = self.work(queue) {
            self.note(Err(&trouble));
            if self.live_with(&trouble, queue) {
                break;
            }
        }
        self.give_up_what_waits(queue);
        self.file = File::Closed;
        // The next process takes a turn of ours for aborted once the lock is gone, so every turn is written by now.
        self.lock = None;
        queue.finish();
    }

    /// Works until the queue ends or a write fails.
    fn work(&mut self, queue: &Queue<Arc<Turn>>) -> Result<(), Trouble> {
        if let File::Closed = self.file {
            self.open()?;
        }
        loop {
            match queue.wait(Some(self.tidy_at)) {
                Next::Work => self.write(queue)?,
                Next::Idle => self.tidy()?,
                Next::End => return Ok(()),
            }
        }
    }

    fn write(&mut self, queue: &Queue<Arc<Turn>>) -> Result<(), Trouble> {
        let File::Open(database) = &mut self.file else {
            self.give_up_what_waits(queue);
            return Ok(());
        };
        if !database.is_in_place() {
            tracing::warn!("the record at {} was moved or deleted; a new one is begun", self.path.display());
            self.file = File::Closed;
            return self.open();
        }
        let turns = queue.peek(self.batch);
        database.write(&turns)?;
        queue.forget(turns.len());
        let ends = count_ends(&turns);
        self.counters.wrote_turns(ends);
        self.turns_since_tidy += ends;
        if self.turns_since_tidy >= TIDY_TURNS {
            self.tidy_at = Instant::now();
        }
        self.batch = BATCH;
        self.note(Ok(()));
        Ok(())
    }

    /// One step of deleting turns that are too old or too many. The steps are short, and waiting turns go first.
    fn tidy(&mut self) -> Result<(), Trouble> {
        self.turns_since_tidy = 0;
        let bounds =
            Bounds { since_us: micros(SystemTime::now() - self.retention), max_bytes: self.max_bytes };
        let more = match &mut self.file {
            File::Open(database) => database.prune(bounds)? || database.shrink()?,
            File::Closed | File::GivenUp => false,
        };
        self.tidy_at = Instant::now() + if more { Duration::ZERO } else { TIDY_EVERY };
        Ok(())
    }

    fn note(&mut self, outcome: Result<(), &Trouble>) {
        if outcome.is_ok() {
            self.failures = 0;
        }
        self.counters.set_error(outcome.err().map(|trouble| trouble.message.clone()));
        let state = outcome.map_err(|trouble| trouble.kind);
        if let Some(change) = self.state.observe(state, self.counters.status().dropped) {
            trouble::log(change, outcome.err());
        }
    }

    /// Tries a remedy, and waits a little; true when the queue was closed meanwhile and waiting is in vain.
    fn live_with(&mut self, trouble: &Trouble, queue: &Queue<Arc<Turn>>) -> bool {
        match trouble.kind {
            TroubleKind::Busy | TroubleKind::Full => {}
            TroubleKind::Unavailable => self.file = File::Closed,
            TroubleKind::Corrupt => self.set_aside(),
            TroubleKind::NotOurs => self.file = File::GivenUp,
            TroubleKind::Refused => self.skip(queue),
        }
        if matches!(trouble.kind, TroubleKind::NotOurs | TroubleKind::Refused) {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        queue.pause(RETRIES.wait(self.failures, &mut fastrand::Rng::new()))
    }

    /// Finds the refused turns by writing one at a time, and leaves them out.
    fn skip(&mut self, queue: &Queue<Arc<Turn>>) {
        if std::mem::replace(&mut self.batch, 1) == 1 {
            let refused = queue.peek(1);
            self.counters.drop_turns(count_ends(&refused));
            queue.forget(refused.len());
        }
    }

    fn give_up_what_waits(&mut self, queue: &Queue<Arc<Turn>>) {
        loop {
            let waiting = queue.peek(BATCH);
            if waiting.is_empty() {
                return;
            }
            self.counters.drop_turns(count_ends(&waiting));
            queue.forget(waiting.len());
        }
    }

    // === the file ===

    fn open(&mut self) -> Result<(), Trouble> {
        let gate = self.gate()?;
        let mut database = match Database::open(&self.path, self.names, &self.run) {
            Err(trouble) if trouble.kind == TroubleKind::Corrupt => {
                self.move_aside(&gate)?;
                self.prepare()?;
                Database::open(&self.path, self.names, &self.run)?
            }
            opened => opened?,
        };
        if self.lock.is_none() {
            let lock = RunLock::take(&self.path, &self.run, &gate);
            self.lock = Some(lock.map_err(|error| self.unavailable(&error))?);
        }
        self.close_what_others_left_open(&mut database, &gate)?;
        self.file = File::Open(database);
        self.tidy_at = Instant::now();
        Ok(())
    }

    fn close_what_others_left_open(&self, database: &mut Database, gate: &Gate) -> Result<(), Trouble> {
        let known = database.runs_with_open_turns()?;
        for run in run::all(&self.path).into_iter().chain(known) {
            if run != self.run && run::is_over(&self.path, &run, gate) {
                let turns = database.abort_turns_of(&run)?;
                if turns > 0 {
                    tracing::warn!(turns, "turns of a process that was killed are recorded as aborted");
                }
            }
        }
        Ok(())
    }

    /// Moves away a file that turned out to be corrupt while it was open. Another process may have moved it already.
    fn set_aside(&mut self) {
        if let File::Open(database) = std::mem::replace(&mut self.file, File::Closed) {
            let moved = self.gate().and_then(|gate| match database.is_in_place() {
                true => self.move_aside(&gate),
                false => Ok(()),
            });
            if let Err(trouble) = moved {
                tracing::error!("the corrupt record cannot be moved aside: {}", trouble.message);
            }
        }
    }

    fn move_aside(&self, _gate: &Gate) -> Result<(), Trouble> {
        let aside = path::move_aside(&self.path).map_err(|error| self.unavailable(&error))?;
        tracing::error!(
            "the record at {} was corrupt; it is kept as {}, and a new one is begun",
            self.path.display(),
            aside.display()
        );
        Ok(())
    }

    /// Makes the directory and the file, where they are missing.
    fn prepare(&self) -> Result<(), Trouble> {
        path::prepare(&self.path).map_err(|error| self.unavailable(&error))
    }

    fn gate(&self) -> Result<Gate, Trouble> {
        self.prepare()?;
        Gate::pass(&self.path).map_err(|error| self.unavailable(&error))
    }

    fn unavailable(&self, error: &std::io::Error) -> Trouble {
        let kind = match error.kind() {
            std::io::ErrorKind::WouldBlock => TroubleKind::Busy,
            std::io::ErrorKind::StorageFull => TroubleKind::Full,
            _ => TroubleKind::Unavailable,
        };
        let (path, advice) = (self.path.display(), disk_advice(self.names));
        Trouble { kind, message: format!("{path}: {error}; {advice}") }
    }
}

fn count_ends(turns: &[Arc<Turn>]) -> u64 {
    turns.iter().filter(|turn| turn.is_over()).count() as u64
}
