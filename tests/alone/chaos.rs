//! Turns in twenty rooms while the receiver of the traces fails in every way and the worker is killed
//! again and again: every answered turn reaches the collector and the record.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use rusqlite::{Connection, OpenFlags};
use scripted_model::{Script, Step};
use testbed::spans::Status;
use tokio_util::sync::CancellationToken;

use crate::support::contract;
use crate::support::otlp_gate::{Fault, Gate};
use crate::support::world::{PATIENCE, Worker, World, wait_until};

const ROOMS: usize = 20;
/// A reply that the caller had heard this long before a kill was over for the worker too, also on a busy machine.
const MARGIN: Duration = Duration::from_secs(2);

/// How long each fault lasts; between them everything works for a moment.
const FAULTS: [(Fault, Duration); 6] = [
    (Fault::Status(503), Duration::from_millis(800)),
    (Fault::Hang, Duration::from_millis(1500)),
    (Fault::Status(401), Duration::from_millis(800)),
    (Fault::Partial, Duration::from_millis(800)),
    (Fault::Status(429), Duration::from_millis(800)),
    (Fault::TakeAndFail, Duration::from_millis(800)),
];
const PEACE: Duration = Duration::from_millis(700);

/// The number of turns that are answered, and of kills of the worker meanwhile.
#[derive(Clone, Copy)]
struct Length {
    turns: usize,
    kills: usize,
}

/// A turn whose answer the caller heard to its end.
struct Heard {
    question: String,
    /// The worker had certainly finished the turn when it was killed.
    settled: bool,
}

/// The spans of a turn that reached the receivers of traces.
#[derive(Debug, Default)]
struct Found {
    ok: bool,
    aborted: bool,
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_was_answered_is_lost() {
    lose_nothing(Length { turns: 500, kills: 2 }).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "--all: the test above with four times the turns"]
async fn nothing_of_two_thousand_answers_is_lost() {
    lose_nothing(Length { turns: 2_000, kills: 5 }).await;
}

async fn lose_nothing(length: Length) {
    let Length { turns: wanted, kills } = length;
    let world = Arc::new(World::start(Script::always(Step::echo().delay_ms(20))).await);
    let gate = Arc::new(Gate::start(world.collector.endpoint()).await);
    let over = Arc::new(AtomicBool::new(false));
    let chaos = std::thread::spawn({
        let (world, gate, over) = (world.clone(), gate.clone(), over.clone());
        move || make_trouble(&world, &gate, &over)
    });

    let mut heard = Vec::new();
    for round in 0..kills {
        let mut worker = start(&world, &gate);
        let killed = || worker.process.kill();
        heard.extend(talk_until(&world, round, wanted / (kills + 1), Some(killed)).await);
    }
    let last = start(&world, &gate);
    let left = wanted.saturating_sub(heard.len());
    heard.extend(talk_until(&world, kills, left, None::<fn()>).await);
    over.store(true, Ordering::Relaxed);
    let faults = tokio::task::spawn_blocking(|| chaos.join().unwrap()).await.unwrap();
    settle(&last);
    assert_eq!(last.metric("voiced_export_spans_dropped_total"), Some(0.0));
    assert_eq!(last.drain(), Some(0));

    assert!(heard.len() >= wanted, "{} turns", heard.len());
    let collected = world.collector.spans().unwrap();
    let kept_apart = rejected(&world.state());
    let found = turns(&collected, &kept_apart);
    let lost: Vec<_> = heard.iter().filter(|turn| !found.contains_key(&turn.question)).collect();
    assert!(lost.is_empty(), "{} of {} turns are lost", lost.len(), heard.len());
    for turn in heard.iter().filter(|turn| turn.settled) {
        assert!(
            found[&turn.question].ok,
            "{:?} was answered, and is {:?}",
            turn.question, found[&turn.question]
        );
    }
    let aborted = found.values().filter(|found| found.aborted && !found.ok).count();
    assert!(aborted > 0, "{kills} kills in the middle of twenty conversations cut no turn");
    contract::assert_keys(&collected);
    assert_parents(&collected, &kept_apart);
    let sent_twice = assert_duplicates_are_batches_sent_again(&collected, &gate);
    assert_recorded(&world.record(), &heard);
    println!(
        "{} turns answered, 0 lost; {aborted} cut by {kills} kills and closed as aborted; {} spans collected, \
         {sent_twice} of them twice, {} kept apart; {faults} faults",
        heard.len(),
        collected.len(),
        kept_apart.len(),
    );
}

fn start(world: &World, gate: &Gate) -> Worker {
    let endpoint = format!("telemetry.otlp_endpoint={}", gate.url());
    world.worker(&[&endpoint, "telemetry.otlp_timeout=1s", "worker.max_sessions=60"])
}

/// Makes the receiver fail in every way, again and again, until `over` is set; returns the number of faults.
fn make_trouble(world: &World, gate: &Gate, over: &AtomicBool) -> usize {
    let mut faults = 0;
    while !over.load(Ordering::Relaxed) {
        for (fault, time) in FAULTS {
            gate.set(fault);
            std::thread::sleep(time);
            gate.set(Fault::None);
            std::thread::sleep(PEACE);
        }
        world.collector.stop().unwrap();
        std::thread::sleep(PEACE);
        world.collector.restart().unwrap();
        faults += FAULTS.len() + 1;
    }
    faults
}

/// Lets all callers talk until together they have heard `turns` answers, then calls `kill`, if there is one. Answers
/// heard after that count too.
async fn talk_until(world: &World, round: usize, turns: usize, kill: Option<impl FnOnce()>) -> Vec<Heard> {
    let survives = kill.is_none();
    let (heard, stop) = (AtomicUsize::new(0), CancellationToken::new());
    let callers = futures::future::join_all((0..ROOMS).map(|room| talk(world, round, room, &heard, &stop)));
    let watch = async {
        let deadline = Instant::now() + 4 * PATIENCE;
        while heard.load(Ordering::Relaxed) < turns {
            assert!(Instant::now() < deadline, "only {heard:?} of {turns} answers came in round {round}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        kill.into_iter().for_each(|kill| kill());
        let ended = Instant::now();
        stop.cancel();
        ended
    };
    let (spoken, ended) = tokio::join!(callers, watch);
    let settled = |at: Instant| survives || at + MARGIN < ended;
    let heard = spoken.into_iter().flatten();
    heard.map(|(question, at)| Heard { question, settled: settled(at) }).collect()
}

async fn talk(
    world: &World,
    round: usize,
    room: usize,
    count: &AtomicUsize,
    stop: &CancellationToken,
) -> Vec<(String, Instant)> {
    let mut caller = world.call_as(&format!("chaos-{round}-{room}"), &format!("caller-{room}")).await;
    let mut heard = Vec::new();
    while !stop.is_cancelled() {
        let question = format!("round {round} room {room} turn {}", heard.len());
        tokio::select! {
            biased;
            reply = caller.say(&question, PATIENCE, |_| ()) => match reply {
                Ok(reply) => assert_eq!(reply.text.expose(), format!("You said: {question}")),
                Err(_) => break,
            },
            () = stop.cancelled() => break,
        }
        heard.push((question, Instant::now()));
        count.fetch_add(1, Ordering::Relaxed);
    }
    caller.leave().await;
    heard
}

/// Waits until the worker has delivered everything.
fn settle(worker: &Worker) {
    let waiting = || worker.metric("voiced_export_spans_waiting");
    wait_until("everything is delivered", || waiting() == Some(0.0), || format!("{:?} wait", waiting()));
}

/// The spans that the receiver rejected and the worker kept apart.
fn rejected(state: &Path) -> Vec<Span> {
    let slots = std::fs::read_dir(state.join("spool")).unwrap();
    let directories = slots.map(|slot| slot.unwrap().path().join("rejected"));
    let files = directories.flat_map(|directory| std::fs::read_dir(directory).unwrap());
    let batches = files.map(|file| file.unwrap().path()).filter(|path| path.extension().unwrap() == "otlp");
    let batches = batches.map(|path| std::fs::read(path).unwrap());
    let requests = batches.map(|batch| ExportTraceServiceRequest::decode(batch.as_slice()).unwrap());
    let scopes =
        requests.flat_map(|request| request.resource_spans).flat_map(|resource| resource.scope_spans);
    scopes.flat_map(|scope| scope.spans).collect()
}

/// The spans found of each turn, by its question.
fn turns(collected: &[testbed::Span], kept_apart: &[Span]) -> BTreeMap<String, Found> {
    let mut found: BTreeMap<String, Found> = BTreeMap::new();
    for root in collected.iter().filter(|span| span.name == "livekit.llm_call") {
        let turn = found.entry(root.text("livekit.question").unwrap().to_owned()).or_default();
        turn.ok |= root.status == Status::Ok;
        turn.aborted |= root.text("error.type") == Some("aborted");
    }
    for root in kept_apart.iter().filter(|span| span.name == "livekit.llm_call") {
        let turn = found.entry(text(root, "livekit.question").unwrap()).or_default();
        let aborted = text(root, "error.type").as_deref() == Some("aborted");
        turn.ok |= !aborted;
        turn.aborted |= aborted;
    }
    found
}

fn text(span: &Span, key: &str) -> Option<String> {
    let attribute = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

/// Every span's parent arrived too.
fn assert_parents(collected: &[testbed::Span], kept_apart: &[Span]) {
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let mut ids: BTreeSet<String> = collected.iter().map(|span| span.span_id.clone()).collect();
    ids.extend(kept_apart.iter().map(|span| hex(&span.span_id)));
    for span in collected {
        let parent = span.parent_id.as_ref();
        assert!(parent.is_none_or(|parent| ids.contains(parent)), "no parent of {span:?}");
    }
}

/// A span may be there twice only because the same batch was sent again. Returns the number of such spans.
fn assert_duplicates_are_batches_sent_again(collected: &[testbed::Span], gate: &Gate) -> usize {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    collected.iter().for_each(|span| *times.entry(&span.span_id).or_default() += 1);
    let mut batches: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for passed in gate.passed() {
        for span in &passed.spans {
            let id = span.iter().map(|byte| format!("{byte:02x}")).collect();
            batches.entry(id).or_default().insert(passed.content);
        }
    }
    let twice: Vec<&str> = times.iter().filter(|(_, times)| **times > 1).map(|(span, _)| *span).collect();
    for span in &twice {
        assert_eq!(batches[*span].len(), 1, "span {span} came in two different batches");
    }
    twice.len()
}

/// Every turn that was heard is in the record, and as answered if the worker had time to record its end.
fn assert_recorded(path: &Path, heard: &[Heard]) {
    let record = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let mut select = record.prepare("SELECT question, status FROM turns").unwrap();
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let recorded: BTreeMap<String, String> = rows.map(Result::unwrap).collect();
    for turn in heard {
        let status =
            recorded.get(&turn.question).unwrap_or_else(|| panic!("{:?} is not recorded", turn.question));
        assert!(!turn.settled || status == "answered", "{:?} is {status}", turn.question);
    }
    assert!(recorded.values().all(|status| status != "open"), "a turn is still open");
}
