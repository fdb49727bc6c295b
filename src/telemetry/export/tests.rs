use std::io;
use std::sync::mpsc;

use super::*;
use crate::telemetry::delivery::Trouble;

const PATIENCE: Duration = Duration::from_secs(30);

/// A receiver played by the test: it hears of each batch and says what becomes of it.
struct Scripted {
    batches: mpsc::Sender<Vec<u32>>,
    answers: mpsc::Receiver<Delivery>,
}

impl Carrier<u32> for Scripted {
    fn carry(&mut self, batch: Vec<u32>) -> Delivery {
        self.batches.send(batch).unwrap();
        self.answers.recv().unwrap_or_else(|_| failed())
    }
}

fn failed() -> Delivery {
    Delivery::Failed(Trouble { class: "503".to_owned(), message: "it was overloaded".to_owned() })
}

fn start(limits: Limits) -> (Exporter<u32>, mpsc::Receiver<Vec<u32>>, mpsc::Sender<Delivery>) {
    let (batches, received) = mpsc::channel();
    let (answer, answers) = mpsc::channel();
    let exporter =
        Exporter::start(limits, move || Ok::<_, io::Error>(Scripted { batches, answers })).unwrap();
    (exporter, received, answer)
}

fn small(spans: usize, batch_spans: usize) -> Limits {
    Limits { spans, batch_spans, ..Limits::default() }
}

#[test]
fn spans_of_one_moment_leave_in_one_batch() {
    let (exporter, batches, answer) = start(Limits::default());
    answer.send(Delivery::Accepted).unwrap();
    (0..3).for_each(|span| exporter.push(span, 1));
    assert_eq!(batches.recv_timeout(PATIENCE).unwrap(), [0, 1, 2]);
    assert_eq!(exporter.flush(PATIENCE), Flushed { lost: 0 });
    assert_eq!(exporter.status(), ExportStatus { exported: 3, ..ExportStatus::default() });
}

#[test]
fn a_batch_is_bounded_in_spans_and_in_bytes() {
    let limits = Limits { batch_spans: 2, batch_bytes: 100, ..Limits::default() };
    let (exporter, batches, answer) = start(limits);
    (0..9).for_each(|_| answer.send(Delivery::Accepted).unwrap());
    for (span, bytes) in [(0, 1), (1, 1), (2, 60), (3, 60), (4, 500), (5, 1)] {
        exporter.push(span, bytes);
    }
    exporter.flush(PATIENCE);
    let batches: Vec<Vec<u32>> = batches.try_iter().collect();
    assert_eq!(batches, [vec![0, 1], vec![2], vec![3], vec![4], vec![5]]);
}

#[test]
fn what_does_not_fit_is_dropped_and_counted() {
    // The first batch is under way and unanswered, so the queue fills.
    let (exporter, batches, answer) = start(small(2, 1));
    exporter.push(0, 1);
    assert_eq!(batches.recv_timeout(PATIENCE).unwrap(), [0]);
    (1..=5).for_each(|span| exporter.push(span, 1));
    assert_eq!(exporter.status().dropped, 3);
    (0..3).for_each(|_| answer.send(Delivery::Accepted).unwrap());
    assert_eq!(exporter.flush(PATIENCE), Flushed { lost: 0 });
    assert_eq!(batches.try_iter().flatten().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(exporter.status().exported, 3);
}

#[test]
fn the_queue_is_bounded_in_bytes_too() {
    let limits = Limits { bytes: 100, batch_spans: 1, ..Limits::default() };
    let (exporter, batches, answer) = start(limits);
    exporter.push(0, 90);
    assert_eq!(batches.recv_timeout(PATIENCE).unwrap(), [0]);
    [60, 60, 40].into_iter().for_each(|bytes| exporter.push(1, bytes));
    assert_eq!(exporter.status().dropped, 1);
    drop(answer);
}

#[test]
fn failures_and_rejections_are_counted_as_lost() {
    let (exporter, _batches, answer) = start(small(100, 2));
    let trouble = Trouble { class: "partial success".to_owned(), message: "too old".to_owned() };
    answer.send(failed()).unwrap();
    answer.send(Delivery::Partial { rejected: 1, trouble }).unwrap();
    (0..4).for_each(|span| exporter.push(span, 1));
    // What was lost before the flush is not the flush's loss, so only the sum is certain.
    exporter.flush(PATIENCE);
    let expected =
        ExportStatus { exported: 1, dropped: 3, failed_batches: 1, last_error: Some("too old".to_owned()) };
    assert_eq!(exporter.status(), expected);
}

#[test]
fn a_flush_gives_up_at_its_deadline_and_tells_what_is_left() {
    let (exporter, batches, answer) = start(small(100, 1));
    (0..3).for_each(|span| exporter.push(span, 1));
    batches.recv_timeout(PATIENCE).unwrap();
    assert_eq!(exporter.flush(Duration::from_millis(50)), Flushed { lost: 3 });
    exporter.push(9, 1);
    assert_eq!(exporter.status().dropped, 1, "a closed queue takes nothing");
    drop(answer);
}

#[test]
fn a_carrier_that_cannot_be_made_is_the_callers_error() {
    let refused = Exporter::<u32>::start(Limits::default(), || Err::<Scripted, _>(io::Error::other("no")));
    assert_eq!(refused.unwrap_err().to_string(), "no");
    let broken =
        Exporter::<u32>::start(Limits::default(), || -> io::Result<Scripted> { panic!("{}", "boom") });
    assert!(broken.unwrap_err().to_string().contains("boom"));
}
