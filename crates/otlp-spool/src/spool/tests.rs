use std::sync::mpsc;

use super::*;
use crate::delivery::{Class, Delivery, ExportError};
use crate::wire::tests::{envelope, ids, span};

const PATIENCE: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Trace and span.
type Ids = (u8, u8);
type Answer = dyn FnMut(&[Ids]) -> Delivery + Send;

/// A receiver played by the test: it is given each batch and decides its outcome.
struct Scripted {
    batches: mpsc::Sender<Vec<Ids>>,
    answer: Box<Answer>,
}

/// The running spool of a test, and the batches that its receiver was sent.
struct Spooled {
    spool: Spool,
    batches: mpsc::Receiver<Vec<Ids>>,
}

impl Transport for Scripted {
    fn carry(&mut self, batch: &[u8]) -> Delivery {
        let spans = ids(batch);
        let delivery = (self.answer)(&spans);
        let _ = self.batches.send(spans);
        delivery
    }
}

impl Spooled {
    fn start(directory: Option<&Path>, answer: impl FnMut(&[Ids]) -> Delivery + Send + 'static) -> Self {
        let (sender, batches) = mpsc::channel();
        let directory = directory.map(Path::to_owned);
        let settings = Settings { directory, max_age: DAY, ..Settings::new("shop", "ada") };
        let scripted = Scripted { batches: sender, answer: Box::new(answer) };
        Self { spool: Spool::start(&settings, envelope(), move || Ok(scripted)).unwrap(), batches }
    }

    fn record(&self, trace: u8, id: u8) {
        self.open(trace, id);
        self.spool.span_queue.push(Record::Ended(span(trace, id)));
    }

    fn open(&self, trace: u8, id: u8) {
        self.spool.span_queue.push(Record::Opened(span(trace, id)));
    }

    fn sent(&self) -> Vec<Ids> {
        let mut sent: Vec<_> = self.batches.try_iter().flatten().collect();
        sent.sort_unstable();
        sent
    }

    fn next_batch(&self) -> Vec<Ids> {
        self.batches.recv_timeout(PATIENCE).unwrap()
    }
}

fn trouble() -> ExportError {
    ExportError { class: Class::Status(503), message: "it was overloaded".to_owned() }
}

fn later() -> Delivery {
    Delivery::Later { trouble: trouble(), after: None, strike: false }
}

/// The files below a directory whose names end in `ending`.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found
}

#[test]
fn spans_of_one_moment_leave_in_one_batch_and_nothing_is_left_of_them() {
    let location = tempfile::tempdir().unwrap();
    let spooled = Spooled::start(Some(location.path()), |_| Delivery::Accepted);
    (1..=3).for_each(|id| spooled.record(1, id));
    assert_eq!(spooled.next_batch(), [(1, 1), (1, 2), (1, 3)]);
    assert_eq!(spooled.spool.flush(PATIENCE), Flushed::default());
    assert_eq!(spooled.spool.status(), ExportStatus { exported: 3, ..ExportStatus::default() });
    assert_eq!(files(location.path(), ".otlp"), [] as [PathBuf; 0]);
}

#[test]
fn a_receiver_that_comes_back_gets_everything_oldest_first() {
    let mut failures = 2;
    let spooled = Spooled::start(None, move |_| {
        failures -= 1;
        if failures >= 0 { later() } else { Delivery::Accepted }
    });
    spooled.record(1, 1);
    assert_eq!(spooled.next_batch(), [(1, 1)]);
    spooled.record(2, 2);
    assert_eq!((spooled.next_batch(), spooled.next_batch()), (vec![(1, 1)], vec![(1, 1)]));
    assert_eq!(spooled.next_batch(), [(2, 2)]);
    assert_eq!(spooled.spool.flush(PATIENCE), Flushed::default());
    let status = spooled.spool.status();
    assert_eq!((status.exported, status.failed_batches, status.last_error), (2, 2, None));
}

#[test]
fn what_the_receiver_does_not_take_before_the_exit_is_sent_after_the_next_start() {
    let location = tempfile::tempdir().unwrap();
    let first = Spooled::start(Some(location.path()), |_| later());
    first.record(1, 1);
    assert_eq!(first.spool.flush(PATIENCE), Flushed { lost: 0, kept: 1 });
    assert_eq!(first.spool.status().queued_spans, 1);
    let second = Spooled::start(Some(location.path()), |_| Delivery::Accepted);
    assert_eq!(second.next_batch(), [(1, 1)]);
    assert_eq!(second.spool.flush(PATIENCE), Flushed::default());
}

#[test]
fn a_receiver_that_hangs_costs_nothing_but_the_deadline() {
    let location = tempfile::tempdir().unwrap();
    let (release, held) = mpsc::channel::<()>();
    let spooled = Spooled::start(Some(location.path()), move |_| {
        let _ = held.recv();
        later()
    });
    (1..=9).for_each(|id| spooled.record(id, id));
    assert_eq!(spooled.spool.flush(Duration::from_millis(500)), Flushed { lost: 0, kept: 9 });
    drop(release);
}

#[test]
fn without_a_disk_what_cannot_be_delivered_in_time_is_lost_and_counted() {
    let spooled = Spooled::start(None, |_| later());
    (1..=3).for_each(|id| spooled.record(1, id));
    assert_eq!(spooled.spool.flush(PATIENCE), Flushed { lost: 3, kept: 0 });
}

#[test]
fn of_a_refused_batch_only_the_bad_trace_is_kept_apart_with_the_reason() {
    let location = tempfile::tempdir().unwrap();
    let spooled = Spooled::start(Some(location.path()), |spans| {
        if spans.iter().any(|(trace, _)| *trace == 2) {
            Delivery::Refused(trouble())
        } else {
            Delivery::Accepted
        }
    });
    [(1, 1), (2, 2), (2, 3), (3, 4), (4, 5)].into_iter().for_each(|(trace, id)| spooled.record(trace, id));
    assert_eq!(spooled.spool.flush(PATIENCE), Flushed { lost: 2, kept: 0 });
    let status = spooled.spool.status();
    assert_eq!((status.exported, status.rejected, status.queued_spans), (3, 2, 0));
    let [rejected] = files(location.path(), ".otlp").try_into().unwrap();
    assert_eq!(ids(&std::fs::read(&rejected).unwrap()), [(2, 2), (2, 3)]);
    let reason = std::fs::read_to_string(rejected.with_extension("txt")).unwrap();
    assert_eq!(reason, "it was overloaded\n");
}

#[test]
fn a_batch_of_which_some_spans_were_rejected_is_not_sent_again() {
    let location = tempfile::tempdir().unwrap();
    let spooled =
        Spooled::start(Some(location.path()), |_| Delivery::Partial { rejected: 1, trouble: trouble() });
    [(1, 1), (2, 2), (3, 3)].into_iter().for_each(|(trace, id)| spooled.record(trace, id));
    assert_eq!(spooled.spool.flush(PATIENCE), Flushed { lost: 1, kept: 0 });
    let status = spooled.spool.status();
    assert_eq!((status.exported, status.rejected), (2, 1));
    assert_eq!(spooled.sent(), [(1, 1), (2, 2), (3, 3)]);
    assert_eq!(files(location.path(), ".txt").len(), 1);
}

#[test]
fn a_directory_that_cannot_be_used_costs_safety_but_no_spans() {
    let location = tempfile::tempdir().unwrap();
    let file = location.path().join("file");
    std::fs::write(&file, "no directory").unwrap();
    let spooled = Spooled::start(Some(&file), |_| Delivery::Accepted);
    assert_eq!(spooled.spool.directory(), None);
    spooled.record(1, 1);
    assert_eq!(spooled.next_batch(), [(1, 1)]);
}

#[test]
fn a_disk_that_fails_later_costs_safety_but_no_spans() {
    let location = tempfile::tempdir().unwrap();
    let spooled = Spooled::start(Some(location.path()), |_| Delivery::Accepted);
    std::fs::remove_dir_all(spooled.spool.directory().unwrap()).unwrap();
    (1..=3).for_each(|id| spooled.record(1, id));
    assert_eq!(spooled.next_batch().len(), 3);
    assert_eq!(spooled.spool.flush(PATIENCE), Flushed::default());
}

#[test]
fn a_disk_that_works_again_gets_what_was_in_memory_and_a_whole_journal() {
    let location = tempfile::tempdir().unwrap();
    let spooled = Spooled::start(Some(location.path()), |_| later());
    let slot = spooled.spool.directory().unwrap().to_owned();
    let (batches, away) = (slot.join("batches"), slot.join("away"));
    std::fs::rename(&batches, &away).unwrap();
    (1..=2).for_each(|id| {
        spooled.record(id, id);
        wait_until(|| spooled.spool.status().queued_spans == u64::from(id));
    });
    spooled.open(3, 3);
    std::fs::rename(&away, &batches).unwrap();
    spooled.record(4, 4);
    wait_until(|| files(&batches, ".otlp").len() >= 2);
    let journal = location.path().join("journal");
    std::fs::copy(slot.join("journal"), &journal).unwrap();
    let (_, records) = journal::Journal::open(&journal).unwrap();
    assert!(records.contains(&Record::Opened(span(3, 3))), "{records:?}");
    assert!(!records.contains(&Record::Ended(span(1, 1))), "it would be sent twice: {records:?}");
    assert_eq!(spooled.spool.flush(PATIENCE), Flushed { lost: 0, kept: 3 });
    assert_eq!(files(&batches, ".otlp").len(), 3);
    assert_eq!(files(&batches, ".new"), [] as [PathBuf; 0]);
}

#[test]
fn a_batch_whose_file_is_gone_holds_up_nothing() {
    let location = tempfile::tempdir().unwrap();
    let (release, held) = mpsc::channel::<()>();
    let mut first = true;
    let spooled = Spooled::start(Some(location.path()), move |_| {
        if std::mem::take(&mut first) {
            let _ = held.recv();
        }
        Delivery::Accepted
    });
    spooled.record(1, 1);
    wait_until(|| spooled.spool.status().queued_spans == 1);
    spooled.record(2, 2);
    wait_until(|| spooled.spool.status().queued_spans == 2);
    let batches = files(location.path(), ".otlp");
    batches.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    spooled.record(3, 3);
    wait_until(|| spooled.spool.status().queued_spans == 3);
    drop(release);
    assert_eq!(spooled.spool.flush(PATIENCE).kept, 0);
    let status = spooled.spool.status();
    assert_eq!((status.exported, status.dropped), (2, 1));
    assert_eq!(spooled.sent(), [(1, 1), (3, 3)]);
}

#[test]
fn a_transport_that_cannot_be_made_is_the_callers_error() {
    let settings = Settings { max_bytes: 0, max_age: DAY, ..Settings::new("", "") };
    let broken = Spool::start::<Scripted>(&settings, envelope(), || {
        Err(StartError::Header { setting: "headers", name: "odd".to_owned() })
    });
    assert_eq!(broken.unwrap_err().to_string(), "headers: odd is no header that can be sent");
    let panicked = Spool::start::<Scripted>(&settings, envelope(), || panic!("a defect"));
    assert!(panicked.is_err());
}

fn wait_until(done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "it never came");
        thread::sleep(Duration::from_millis(5));
    }
}
