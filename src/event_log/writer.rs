//! The thread that writes event logs. A session never waits for it: lines that find no room are counted, in the file and
//! in a metric.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use bounded::{Change, Latch};
use redaction::Privacy;
use serde::Serialize;
use statedir::private;
use tokio::sync::oneshot;

use super::line::{Entry, Header, Line};
use super::recorder::Recorder;
use crate::metrics::Metrics;

/// Lines of all sessions that wait to be written.
const WAITING: usize = 8192;
/// The longest file: some hours of talk.
const LONGEST: u64 = 16 << 20;
/// The files of a directory; of more the oldest are deleted.
const FILES: usize = 1000;
const ENDING: &str = "jsonl";

/// The event logs of a worker, in one directory; cheap to clone. The default writes none.
#[derive(Clone, Default)]
pub struct EventLogs(Option<Arc<Logs>>);

struct Logs {
    privacy: Privacy,
    directory: PathBuf,
    queue: SyncSender<Task>,
    metrics: Metrics,
}

/// The log of one session.
pub(super) struct Log {
    logs: Arc<Logs>,
    file: Arc<LogFile>,
    lost: AtomicU64,
    bytes: AtomicU64,
}

struct LogFile {
    path: PathBuf,
    /// None before it is made, and once it could not be written.
    file: Mutex<Option<File>>,
}

enum Task {
    /// With the first line.
    Open(Arc<LogFile>, Vec<u8>),
    Write(Arc<LogFile>, Vec<u8>),
    Finish(oneshot::Sender<()>),
}

// === impl EventLogs ===

impl EventLogs {
    /// Writes into `directory`, for whose files `retention` counts. None: writes nothing.
    pub fn new(
        directory: Option<PathBuf>,
        retention: Duration,
        privacy: &Privacy,
        metrics: &Metrics,
    ) -> io::Result<Self> {
        let Some(directory) = directory else { return Ok(Self(None)) };
        let (queue, tasks) = sync_channel(WAITING);
        thread::Builder::new().name("event-logs".into()).spawn(move || work(&tasks, retention))?;
        Ok(Self(Some(Arc::new(Logs {
            privacy: privacy.clone(),
            directory,
            queue,
            metrics: metrics.clone(),
        }))))
    }

    /// The log of a session that begins now.
    pub(crate) fn open(&self, began: Instant, header: impl FnOnce() -> Header) -> Recorder {
        let Some(logs) = &self.0 else { return Recorder::default() };
        let header = header();
        let log = Log::new(logs.clone(), &header);
        log.push(Task::Open(log.file.clone(), line(&header)));
        Recorder::new(began, logs.privacy.clone(), log)
    }

    /// Waits until all that was recorded is written, for so long at most.
    pub async fn finish(&self, patience: Duration) {
        let Some(logs) = &self.0 else { return };
        let (done, finished) = oneshot::channel();
        if logs.queue.try_send(Task::Finish(done)).is_err()
            || tokio::time::timeout(patience, finished).await.is_err()
        {
            tracing::warn!("the last events of sessions may be missing in {}", logs.directory.display());
        }
    }
}

/// Names of files have the session's id, of which LiveKit's are letters, digits, `_` and `-`.
fn file_name(header: &Header) -> String {
    let id =
        |letter: char| if letter.is_ascii_alphanumeric() || "-_".contains(letter) { letter } else { '_' };
    let session: String = header.session.chars().take(64).map(id).collect();
    format!("{session}.{}.{ENDING}", header.began_us)
}

fn line(content: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(content).unwrap_or_default();
    line.push(b'\n');
    line
}

// === impl Log ===

impl Log {
    fn new(logs: Arc<Logs>, header: &Header) -> Self {
        let path = logs.directory.join(file_name(header));
        let file = Arc::new(LogFile { path, file: Mutex::new(None) });
        Self { logs, file, lost: AtomicU64::new(0), bytes: AtomicU64::new(0) }
    }

    pub(super) fn write(&self, entry: &Line) {
        let lost = self.lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            let missing = line(&Line { at_us: entry.at_us, entry: Entry::Lost(lost) });
            if !self.push_line(missing) {
                self.lost.fetch_add(lost, Ordering::Relaxed);
            }
        }
        let bytes = line(entry);
        let before = self.bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        let after = before + bytes.len() as u64;
        if after <= LONGEST {
            self.push_line(bytes);
        } else if before <= LONGEST {
            self.push_line(line(&Line { at_us: entry.at_us, entry: Entry::Full }));
        }
    }

    fn push_line(&self, line: Vec<u8>) -> bool {
        self.push(Task::Write(self.file.clone(), line))
    }

    fn push(&self, task: Task) -> bool {
        let is_taken = self.logs.queue.try_send(task).is_ok();
        if !is_taken {
            self.lost.fetch_add(1, Ordering::Relaxed);
            self.logs.metrics.instruments.session_events_lost.add(());
        }
        is_taken
    }
}

// === impl LogFile ===

impl LogFile {
    fn open(&self, header: &[u8], retention: Duration) -> io::Result<()> {
        if let Some(directory) = self.path.parent() {
            private::make_directory(directory)?;
            remove_old(directory, retention)?;
        }
        *self.file() = Some(private::create(&self.path)?);
        self.append(header)
    }

    /// After half a line nothing more is written. One that could not be opened was reported.
    fn append(&self, line: &[u8]) -> io::Result<()> {
        let mut file = self.file();
        let written = file.as_mut().map_or(Ok(()), |file| file.write_all(line));
        written.inspect_err(|_| *file = None)
    }

    fn file(&self) -> MutexGuard<'_, Option<File>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Performs tasks until no session and no worker is left.
fn work(tasks: &Receiver<Task>, retention: Duration) {
    let mut state = Latch::default();
    for task in tasks {
        match task {
            // Who waits may have given up.
            Task::Finish(done) => drop(done.send(())),
            Task::Open(log, header) => report(&mut state, &log.path, log.open(&header, retention)),
            Task::Write(log, line) => report(&mut state, &log.path, log.append(&line)),
        }
    }
}

fn report(state: &mut Latch<io::ErrorKind>, path: &Path, outcome: io::Result<()>) {
    let message = outcome.as_ref().err().map(ToString::to_string).unwrap_or_default();
    match state.observe(outcome.map_err(|error| error.kind()), 0) {
        Some(Change::Fails) => {
            tracing::warn!("the events of a session are not recorded in {}: {message}", path.display());
        }
        Some(Change::Recovered { .. }) => tracing::info!("the events of sessions are recorded again"),
        Some(Change::Works) | None => {}
    }
}

/// Deletes the logs that are too old or too many, and leaves room for one.
fn remove_old(directory: &Path, retention: Duration) -> io::Result<()> {
    let oldest = SystemTime::now().checked_sub(retention);
    let mut logs: Vec<(SystemTime, PathBuf)> = fs::read_dir(directory)?
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|ending| ending == ENDING))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    logs.sort_unstable();
    let surplus = (logs.len() + 1).saturating_sub(FILES);
    let is_old =
        |at: usize, written: SystemTime| at < surplus || oldest.is_some_and(|oldest| written < oldest);
    for (at, (written, log)) in logs.into_iter().enumerate() {
        if is_old(at, written) {
            fs::remove_file(log)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(directory: &Path) -> Vec<PathBuf> {
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    #[test]
    fn logs_that_are_too_old_or_too_many_are_deleted_and_others_stay() {
        let directory = tempfile::tempdir().unwrap();
        for at in 0..FILES + 2 {
            fs::write(directory.path().join(format!("{at}.{ENDING}")), "").unwrap();
        }
        fs::write(directory.path().join("notes.txt"), "").unwrap();
        remove_old(directory.path(), Duration::from_secs(3600)).unwrap();
        assert_eq!(written(directory.path()).len(), FILES, "one less, and what is no log");
        thread::sleep(Duration::from_millis(20));
        remove_old(directory.path(), Duration::from_millis(1)).unwrap();
        assert_eq!(written(directory.path()), [directory.path().join("notes.txt")]);
    }

    #[tokio::test]
    async fn a_log_has_its_header_and_its_lines_and_ends_at_its_bound() {
        let directory = tempfile::tempdir().unwrap();
        let privacy = Privacy::from(redaction::CaptureContent::Off);
        let (into, retention) = (directory.path().join("events"), Duration::from_secs(60));
        let logs = EventLogs::new(Some(into.clone()), retention, &privacy, &Metrics::default()).unwrap();
        let header = Header::of_test("RM_../x");
        let log = Log::new(logs.0.clone().unwrap(), &header);
        log.push(Task::Open(log.file.clone(), line(&header)));
        let entry = Line { at_us: 0, entry: Entry::Microphone };
        log.bytes.store(LONGEST - line(&entry).len() as u64, Ordering::Relaxed);
        (0..3).for_each(|_| log.write(&entry));
        logs.finish(Duration::from_secs(5)).await;
        let [path] = written(&into).try_into().unwrap();
        assert!(path.file_name().unwrap().to_str().unwrap().starts_with("RM____x."), "{}", path.display());
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<Line> = text.lines().skip(1).map(|it| serde_json::from_str(it).unwrap()).collect();
        assert_eq!(lines, [entry, Line { at_us: 0, entry: Entry::Full }]);
        assert_eq!(serde_json::from_str::<Header>(text.lines().next().unwrap()).unwrap(), header);
    }
}
