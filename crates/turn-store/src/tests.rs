//! The record as a whole: from a session's hands to a reader's eyes, and its behaviour when the file fails.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::run::{Gate, RunLock};
use super::samples::{failed_turn, open_turn, recorded, retried_turn, spoken_turn};
use super::sqlite::Database;
use super::turn::{Turn, micros};
use super::*;

/// Only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const NAMES: &Names = &Names {
    program: "voiced",
    start: "voiced start",
    sessions: "voiced sessions",
    path: "[store] path",
    path_in_full: "[store] path (VOICED_STORE__PATH)",
};

struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("state/record.sqlite")
    }

    fn start(&self) -> Store {
        Store::start(&settings(&self.path()))
    }

    fn reader(&self) -> Reader {
        Reader::new(&self.path(), NAMES)
    }

    /// All turns of session RM_1; none while there is no file.
    fn turns(&self) -> Vec<Turn> {
        let all = Turns {
            direction: Direction::After(None),
            limit: 10_000,
            max_text: 2 * MAX_TEXT,
            max_bytes: usize::MAX,
        };
        self.reader().turns("RM_1", &all).map(|found| found.turns).unwrap_or_default()
    }

    fn statuses(&self) -> Vec<Status> {
        self.turns().iter().map(Turn::status).collect()
    }

    fn wait_for(&self, wanted: &[Status]) {
        wait_until(|| self.statuses() == wanted, || format!("{:?}", self.statuses()));
    }

    /// The files beside the record whose names hold this.
    fn files(&self, holding: &str) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(self.path().parent().unwrap()).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.to_str().unwrap().contains(holding)).collect()
    }
}

fn settings(path: &Path) -> Settings {
    let year = Duration::from_secs(365 * 24 * 3600);
    Settings { path: Some(path.to_owned()), retention: year, max_bytes: 1 << 30, names: NAMES }
}

fn wait_until(done: impl Fn() -> bool, explain: impl Fn() -> String) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain: {}", explain());
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn begun(span_id: &str) -> Turn {
    Turn { started_us: micros(SystemTime::now()), ..open_turn("RM_1", span_id, 0) }
}

fn ended(span_id: &str) -> Turn {
    let begun = begun(span_id);
    let end = retried_turn().end.map(|end| End { ended_us: Some(begun.started_us + 1), ..end });
    Turn { end, ..begun }
}

#[tokio::test]
async fn a_turn_is_in_the_file_when_it_begins_and_when_it_has_ended() {
    let place = Place::new();
    let record = place.start();
    record.put(begun("a"));
    place.wait_for(&[Status::Open]);
    record.put(ended("a"));
    place.wait_for(&[Status::Answered]);
    record.put(ended("a"));
    record.put(begun("a"));
    record.put(Turn { end: failed_turn().end, ..begun("b") });
    place.wait_for(&[Status::Answered, Status::Failed]);
    wait_until(|| record.status().written == 3, || format!("{record:?}"));
    assert_eq!(record.status(), StoreStatus { written: 3, ..StoreStatus::default() });
    record.shutdown(PATIENCE).await;
    assert!(place.files(".run-").is_empty(), "a clean end leaves no lock behind");
}

#[tokio::test]
async fn everything_of_a_turn_comes_back_as_it_was() {
    let place = Place::new();
    let record = place.start();
    let now = micros(SystemTime::now());
    let written = Turn { started_us: now, ..retried_turn() };
    let spoken = Turn { started_us: now + 1, ..spoken_turn() };
    [&written, &spoken].into_iter().for_each(|turn| record.put(turn.clone()));
    record.shutdown(PATIENCE).await;
    assert_eq!(format!("{:?}", place.turns()), format!("{:?}", [written, spoken]));
}

#[tokio::test]
async fn what_a_killed_process_left_open_is_aborted_and_what_a_living_one_does_is_not() {
    let place = Place::new();
    place.start().shutdown(PATIENCE).await;
    for (run, span) in [("dead", "a"), ("alive", "b")] {
        let mut database = Database::open(&place.path(), NAMES, run).unwrap();
        database.write(&[Arc::new(begun(span)), Arc::new(ended(&format!("{span}-done")))]).unwrap();
    }
    let gate = Gate::pass(&place.path()).unwrap();
    let alive = RunLock::take(&place.path(), "alive", &gate).unwrap();
    drop(gate);
    let record = place.start();
    place.wait_for(&[Status::Aborted, Status::Answered, Status::Open, Status::Answered]);
    drop(alive);
    record.shutdown(PATIENCE).await;
    place.start().shutdown(PATIENCE).await;
    place.wait_for(&[Status::Aborted, Status::Answered, Status::Aborted, Status::Answered]);
}

#[tokio::test]
async fn a_corrupt_file_is_kept_aside_and_a_new_one_begun() {
    let place = Place::new();
    std::fs::create_dir_all(place.path().parent().unwrap()).unwrap();
    std::fs::write(place.path(), "this is no database, and it is long enough to be one ".repeat(99)).unwrap();
    let record = place.start();
    record.put(ended("a"));
    place.wait_for(&[Status::Answered]);
    assert_eq!(place.files(".corrupt-").len(), 1);
    record.shutdown(PATIENCE).await;
    assert_eq!(record.status().dropped, 0);
}

#[tokio::test]
async fn a_file_that_turns_corrupt_while_it_is_open_is_exchanged() {
    let place = Place::new();
    let record = place.start();
    record.put(ended("a"));
    place.wait_for(&[Status::Answered]);
    let mut other = Database::open(&place.path(), NAMES, "other").unwrap();
    other.write(&[Arc::new(ended("b"))]).unwrap();
    other.checkpoint();
    let file = std::fs::OpenOptions::new().write(true).open(place.path()).unwrap();
    let nonsense = vec![0xa5; file.metadata().unwrap().len() as usize];
    std::os::unix::fs::FileExt::write_all_at(&file, &nonsense, 0).unwrap();
    // The other process's write makes ours read anew.
    let _ = other.write(&[Arc::new(ended("c"))]);
    wait_until(
        || {
            // The change is only noticed when a page is read, so the first of these may still go into the old file.
            record.put(ended("d"));
            std::thread::sleep(Duration::from_millis(20));
            place.files(".corrupt-").iter().any(|path| path.to_str().unwrap().ends_with(char::is_numeric))
        },
        || format!("{record:?} {:?}", place.files("record")),
    );
    record.put(ended("e"));
    wait_until(|| place.turns().iter().any(|turn| turn.span_id == "e"), || format!("{record:?}"));
    record.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn a_deleted_file_is_made_anew() {
    let place = Place::new();
    let record = place.start();
    record.put(ended("a"));
    place.wait_for(&[Status::Answered]);
    for file in place.files("record.sqlite") {
        std::fs::remove_file(file).unwrap();
    }
    record.put(ended("b"));
    wait_until(|| place.turns().iter().any(|turn| turn.span_id == "b"), || format!("{record:?}"));
    record.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn turns_wait_for_a_directory_that_cannot_be_made_yet() {
    let place = Place::new();
    let in_the_way = place.dir.path().join("state");
    std::fs::write(&in_the_way, "a file where a directory should be").unwrap();
    let record = place.start();
    record.put(ended("a"));
    wait_until(|| record.status().last_error.is_some(), || format!("{record:?}"));
    std::fs::remove_file(in_the_way).unwrap();
    place.wait_for(&[Status::Answered]);
    wait_until(|| record.status().last_error.is_none(), || format!("{record:?}"));
    record.shutdown(PATIENCE).await;
}

#[tokio::test]
async fn what_cannot_be_written_until_the_end_is_counted() {
    let place = Place::new();
    std::fs::write(place.dir.path().join("state"), "a file where a directory should be").unwrap();
    let record = place.start();
    for turn in 0..QUEUE {
        record.put(ended(&format!("{turn}")));
    }
    // No more fit into the queue, and `put` does not wait until they do.
    record.put(begun("overflow"));
    record.put(ended("overflow"));
    assert_eq!((record.status().dropped, record.status().waiting), (1, QUEUE as u64));
    record.shutdown(PATIENCE).await;
    let status = record.status();
    assert_eq!((status.written, status.dropped), (0, QUEUE as u64 + 1));
    assert!(status.last_error.unwrap().contains("[store] path"));
}

#[tokio::test]
async fn a_locked_file_is_waited_for() {
    let place = Place::new();
    let record = place.start();
    record.put(begun("a"));
    place.wait_for(&[Status::Open]);
    let mut other = Database::open(&place.path(), NAMES, "other").unwrap();
    let lock = other.hold_the_lock();
    record.put(ended("a"));
    wait_until(|| record.status().last_error.is_some(), || format!("{record:?}"));
    assert!(record.status().last_error.unwrap().contains("lock"));
    assert_eq!(place.statuses(), [Status::Open], "readers are not kept out");
    drop(lock);
    place.wait_for(&[Status::Answered]);
    record.shutdown(PATIENCE).await;
    assert_eq!(record.status().dropped, 0);
}

#[tokio::test]
async fn the_file_of_a_later_version_or_another_program_is_left_alone() {
    for (version, application) in [(99, None), (0, Some(7))] {
        let place = Place::new();
        place.start().shutdown(PATIENCE).await;
        Database::open(&place.path(), NAMES, "x").unwrap().pretend(version, application);
        let before = std::fs::read(place.path()).unwrap();
        let record = place.start();
        record.put(ended("a"));
        wait_until(|| record.status().dropped == 1, || format!("{record:?}"));
        assert!(record.status().last_error.unwrap().contains("choose another [store] path"));
        assert!(matches!(place.reader().session("RM_1"), Err(ReadError::Unusable(_))));
        record.shutdown(PATIENCE).await;
        assert_eq!(std::fs::read(place.path()).unwrap(), before);
    }
}

#[tokio::test]
async fn a_long_text_is_cut_in_the_store() {
    let place = Place::new();
    let record = place.start();
    record.put(Turn { question: recorded(&"ä".repeat(MAX_TEXT)), ..ended("s1") });
    place.wait_for(&[Status::Answered]);
    let turns = place.turns();
    let question = turns[0].question.as_str().unwrap();
    assert!(question.len() <= MAX_TEXT + 3 && question.ends_with("ä…"), "{} bytes", question.len());
    record.shutdown(PATIENCE).await;
}
