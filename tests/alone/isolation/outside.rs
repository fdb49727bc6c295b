//! Faults that people, their networks, other agents and a full disk cause in a session of a real `voiced`.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use livekit::prelude as lk;
use livekit_protocol as proto;
use proto::data_packet::Value;
use scripted_model::{Script, Step};
use testbed::Process;
use voiced::config::Permission;
use voiced::room::token;

use crate::isolation::steady::{self, Seen};
use crate::support::fault::{self, Measured};
use crate::support::small_disk::SmallDisk;
use crate::support::world::{PATIENCE, Worker, World, say, wait_until};

/// The reply to this question is longer than the buffers of a network hold.
const EVERYTHING: &str = "tell me everything";
/// Matches one letter at a time, and searches the rest of the text for each.
const QUADRATIC: &str = ".*[^A-Z]|[A-Z]";
/// Has more states than the cache of the regex engine holds.
const MANY_STATES: &str = "[AB][A-Z]{900}[0-9]";

async fn world() -> Arc<World> {
    let everything = Step::bytes(4 << 20);
    Arc::new(World::start(Script::always(Step::echo()).rule(EVERYTHING, everything)).await)
}

/// Every turn is in the collector, those of the faulty room and those of the other rooms.
fn measured(row: &str, world: &World, recovery: Duration, seen: &Seen, of_the_faulty: usize) {
    let expected = seen.turns + of_the_faulty;
    let spans_lost = expected.saturating_sub(world.traces(expected).len());
    fault::measured(row, Measured { recovery, turns_lost: 0, spans_lost });
}

/// A scrape of a busy worker on a busy machine may fail.
fn counter(worker: &Worker, name: &str) -> f64 {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match worker.metric(name) {
            Some(counted) => return counted,
            None => assert!(Instant::now() < deadline, "no {name}:\n{}", worker.log()),
        }
    }
}

/// A malformed transcription of a track: the SDK's tasks for that room panic over it.
#[tokio::test(flavor = "multi_thread")]
async fn a_packet_that_breaks_the_sdk_is_noticed_reported_and_the_agent_goes_back_to_that_room() {
    let world = world().await;
    let worker = world.worker(&["agent.resume_notice="]);
    let mut caller = world.call("poisoned").await;
    say(&mut caller, "before").await;
    let trouble = async {
        let sent = Instant::now();
        poison(&world, "poisoned", caller.agent()).await;
        let returned = caller.wait_for_return(PATIENCE).await;
        returned.unwrap_or_else(|error| panic!("{error}\n{}", worker.log()));
        say(&mut caller, "after").await;
        assert_eq!(caller.agents(), 1, "twice in one room");
        sent.elapsed()
    };
    let (recovery, seen) = steady::beside(&world, trouble).await;
    seen.print("the SDK panics in one room");
    assert_eq!(counter(&worker, "voiced_room_connection_losses_total{result=\"lost\"}"), 1.0);
    assert_eq!(counter(&worker, "voiced_worker_resumptions_total{result=\"resumed\"}"), 1.0);
    assert_failed(&world, &job_of(&worker, "poisoned"));
    measured("sdk-panics", &world, recovery, &seen, 2);
    drop(caller);
    assert_eq!(worker.drain(), Some(0));
}

/// Sent to the agent alone, because the caller's own SDK would break as well.
async fn poison(world: &World, room: &str, agent: &str) {
    let transcript = proto::Transcription {
        transcribed_participant_identity: "caller".into(),
        track_id: "no track".into(),
        segments: Vec::new(),
    };
    let packet = proto::DataPacket {
        destination_identities: vec![agent.to_owned()],
        value: Some(Value::Transcription(transcript)),
        ..Default::default()
    };
    let other = other_agent(world, room).await;
    other.local_participant().publish_raw_data(packet, true).await.unwrap();
    // The packet leaves asynchronously.
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        let _ = other.close().await;
    });
}

/// Another agent, through the SDK itself.
async fn other_agent(world: &World, room: &str) -> lk::Room {
    let credentials = world.credentials();
    let permissions = [Permission::PublishData, Permission::Subscribe];
    let (identity, display_name, agent_name) = ("other-agent", "", "");
    let agent = token::AgentToken { room, identity, display_name, agent_name, permissions: &permissions };
    let token = token::agent(&credentials, &agent).unwrap();
    let options = lk::RoomOptions::default();
    lk::Room::connect(credentials.url.as_str(), token.expose(), options).await.unwrap().0
}

/// The first job in this room.
fn job_of(worker: &Worker, room: &str) -> String {
    let log = worker.log();
    let line =
        log.lines().find(|line| line.contains("job assigned") && line.contains(&format!("room={room}")));
    let job = line.and_then(|line| line.split_once("job_id=")).unwrap().1;
    job.split(' ').next().unwrap().to_owned()
}

/// The server was told that the job failed. No API says so; its log does.
fn assert_failed(world: &World, job: &str) {
    let failed = || {
        let log = std::fs::read_to_string(world.livekit.log()).unwrap();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        let mut ends = lines.filter(|line| line["msg"] == "job ended" && line["jobID"] == job);
        ends.any(|end| end["status"] == "JS_FAILED")
    };
    wait_until("the server knows of the failed job", failed, || world.livekit.log_tail().unwrap());
}

/// The operator's expressions take hours for the 64 KiB that one person writes.
#[tokio::test(flavor = "multi_thread")]
async fn expressions_that_take_hours_cost_the_words_of_that_turn_and_no_time_of_others() {
    let world = world().await;
    let patterns = format!(r#"telemetry.redact=["{QUADRATIC}", "{MANY_STATES}", "\\d{{3}}"]"#);
    let worker = world.worker(&["telemetry.capture_content=redacted", &patterns]);
    let mut caller = world.call("bomb").await;
    let trouble = async {
        let mut slowest = Duration::ZERO;
        for letter in ["A", "B"] {
            let reply = caller.say(&letter.repeat(65_000), PATIENCE, |_| ()).await.unwrap();
            assert!(reply.text.expose().ends_with(letter), "the room gets every word");
            slowest = slowest.max(reply.total);
        }
        say(&mut caller, "short again").await;
        slowest
    };
    let (slowest, seen) = steady::beside(&world, trouble).await;
    seen.print("expressions that take hours");
    let given_up = counter(&worker, "voiced_redactions_given_up_total");
    assert!(given_up > 0.0, "the expressions were not expensive enough to prove anything");
    println!("the slowest of its turns took {slowest:.1?}; {given_up} texts were not searched to their end");
    let expected = seen.turns + 3;
    let traces = world.traces(expected);
    let questions: Vec<_> = traces.iter().filter_map(|trace| trace.root.text("livekit.question")).collect();
    assert_eq!(questions.len(), expected);
    assert!(questions.contains(&"[unsearched]"), "what was not searched is not recorded");
    assert!(!questions.iter().any(|question| question.contains("AAA") || question.contains("BBB")));
    measured("expensive-expressions", &world, slowest, &seen, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_texts_at_once_in_one_room_delay_no_other_room() {
    const TEXTS: usize = 1000;
    let world = world().await;
    let worker = world.worker(&[]);
    let mut caller = world.call("crowd").await;
    let trouble = async {
        let sent = Instant::now();
        for number in 0..TEXTS {
            caller.send(&format!("text {number}")).await.unwrap();
        }
        let last = format!("You said: text {}", TEXTS - 1);
        while caller.greeting(PATIENCE).await.expect("the last text is answered").expose() != last {}
        sent.elapsed()
    };
    let (recovery, seen) = steady::beside(&world, trouble).await;
    seen.print("a thousand texts at once");
    let refused = counter(&worker, "voiced_texts_refused_total{reason=\"too_many\"}");
    measured("thousand-texts", &world, recovery, &seen, TEXTS - refused as usize);
}

/// The caller's process is stopped in the middle of a long reply, so that its connection takes nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_who_never_reads_holds_up_no_other_room() {
    let world = world().await;
    let worker = world.worker(&[]);
    let trouble = async {
        let frozen = FrozenCaller::start(&world, "deaf").await;
        // Long enough to fill every buffer between the agent and the caller.
        tokio::time::sleep(Duration::from_secs(3)).await;
        let spoke = Instant::now();
        let mut second = world.call_as("deaf", "second").await;
        second.send("and me?").await.unwrap();
        let mut heard = String::new();
        while heard != "You said: and me?" {
            let next = second.greeting(PATIENCE).await;
            heard = next.unwrap_or_else(|| panic!("no answer:\n{}", worker.log())).expose().to_owned();
        }
        let recovery = spoke.elapsed();
        second.leave().await;
        drop(frozen);
        recovery
    };
    let (recovery, seen) = steady::beside(&world, trouble).await;
    seen.print("a caller who never reads");
    measured("deaf-caller", &world, recovery, &seen, 2);
    assert!(worker.readiness().0 == 200);
}

/// `voiced call`, stopped by a signal while a reply comes. Killed when it is dropped.
struct FrozenCaller(#[allow(dead_code, reason = "holds the process")] Process);

impl FrozenCaller {
    async fn start(world: &World, room: &str) -> Self {
        let log = world.dir().join("frozen.log");
        let mut command = world.voiced();
        command.args(["call", "--room", room, "--say", EVERYTHING]);
        let process = Process::spawn("voiced", &mut command, &log).unwrap();
        let asked =
            || world.model.requests().iter().any(|request| request.body.to_string().contains(EVERYTHING));
        wait_until("the caller has asked", asked, || std::fs::read_to_string(&log).unwrap_or_default());
        let stopped = Command::new("kill").args(["-STOP", &process.id().to_string()]).status().unwrap();
        assert!(stopped.success());
        Self(process)
    }
}

/// The queues to the record and to the spool fill up, for every session.
#[tokio::test(flavor = "multi_thread")]
async fn queues_that_are_full_because_the_disk_is_delay_no_turn() {
    let world = world().await;
    let Some(disk) = SmallDisk::at(&world.state()) else { return };
    let record = format!("store.path={}", world.state().join("record.sqlite").display());
    let worker = world.worker_of(disk.seeing(&world.voiced()), &[&record]);
    let trouble = async {
        disk.fill(&worker);
        let full = Instant::now();
        while worker.metric("voiced_record_turns_dropped_total").is_none_or(|dropped| dropped == 0.0) {
            assert!(full.elapsed() < 2 * PATIENCE, "the queue never filled up:\n{}", worker.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        disk.make_room(&worker);
        let room = Instant::now();
        while worker.metric("voiced_record_failing") != Some(0.0) {
            assert!(room.elapsed() < PATIENCE, "{}", worker.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        room.elapsed()
    };
    let (recovery, seen) = steady::beside(&world, trouble).await;
    seen.print("full queues on a full disk");
    measured("full-queues", &world, recovery, &seen, 0);
    assert_eq!(counter(&worker, "voiced_export_spans_dropped_total"), 0.0);
}
