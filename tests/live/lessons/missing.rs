//! Lessons that no other file had a test for.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use scripted_model::{Reply, Script, Step};
use voiced::config::parse_duration;
use voiced::room::text::{FINAL_ATTRIBUTE, SEGMENT_ATTRIBUTE, TRANSCRIPTION_TOPIC};
use voiced::room::{Room, RoomEvent};

use crate::lessons::root;
use crate::support::world::{PATIENCE, Worker, World, say, wait_until};

async fn world() -> World {
    World::start(Script::always(Step::echo())).await
}

// === Memory ===

/// Rooms at the same time, and number of rounds. The first rounds fill what is kept for later: threads, connections to
/// the model.
const ROOMS: usize = 10;
const ROUNDS: usize = 5;

#[tokio::test(flavor = "multi_thread")]
async fn rooms_that_the_server_ends_leave_no_socket_and_no_thread_behind() {
    let world = world().await;
    let worker = world.worker(&[]);
    let held = || ["process_open_fds", "process_threads"].map(|name| worker.metric(name).unwrap());
    end_rooms(&world, &worker, 0).await;
    // Spans and log lines on their way out need a moment.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let before = held();
    for round in 1..=ROUNDS {
        end_rooms(&world, &worker, round).await;
    }
    // Far less than one leak for each room.
    let allowed = (ROOMS * ROUNDS / 5) as f64;
    let back = || held().iter().zip(before).all(|(now, before)| *now <= before + allowed);
    wait_until("files and threads are as few as before", back, || {
        format!("{before:?} before, {:?} now", held())
    });
}

/// Talks in some rooms, and has the server delete them.
async fn end_rooms(world: &World, worker: &Worker, round: usize) {
    let rooms = (0..ROOMS).map(async |room| {
        let name = format!("ended-{round}-{room}");
        let mut caller = world.call(&name).await;
        say(&mut caller, "hello").await;
        world.delete_room(&name);
    });
    futures::future::join_all(rooms).await;
    wait_until("the sessions have ended", || worker.info()["active_jobs"] == 0, || worker.log());
}

// === Worker lifecycle ===

/// systemd is asked for more time while the worker drains; other supervisors have to be configured for it.
#[test]
fn what_stops_the_worker_waits_for_longer_than_its_drain() {
    let read = |path: &str| std::fs::read_to_string(root().join(path)).unwrap();
    let after = |text: &str, key: &str| -> String {
        let at = text.find(key).unwrap_or_else(|| panic!("no {key}")) + key.len();
        text[at..].split_whitespace().next().unwrap().trim_matches('"').to_owned()
    };
    let seconds = |text: String| Duration::from_secs(text.parse().unwrap());
    let kubernetes = read("deploy/kubernetes.yaml");
    let drain = parse_duration(&after(&kubernetes, "drain_timeout = ")).unwrap();
    assert!(seconds(after(&kubernetes, "terminationGracePeriodSeconds: ")) > drain);
    let default = parse_duration(&after(&read("agent.toml"), "drain_timeout = ")).unwrap();
    assert!(seconds(after(&read("deploy/README.md"), "--stop-timeout ")) > default);
}

// === Dispatch ===

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_no_agent_comes_to_says_where_to_look() {
    let world = world().await;
    let mut command = world.voiced();
    command.args(["call", "--room", "nobody", "--say", "hello?", "--timeout", "1s"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("is a worker registered, and does its agent_name fit the dispatch?"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_from_the_dispatch_to_the_session_can_be_read_in_the_log() {
    let world = world().await;
    let worker = world.worker(&[]);
    let mut caller = world.call("timeline").await;
    say(&mut caller, "hello").await;
    let log = worker.log();
    let lines: Vec<&str> = log.lines().filter(|line| line.contains("timeline")).collect();
    let line = |what: &str| {
        lines.iter().find(|line| line.contains(what)).unwrap_or_else(|| panic!("no {what:?}:\n{log}"))
    };
    let (assigned, started) = (line("job assigned"), line("session started"));
    assert!(started.contains("joined_ms="), "{started}");
    // Each line begins with its time.
    assert!(assigned.split(' ').next() <= started.split(' ').next(), "{assigned}\n{started}");
    assert_eq!(worker.metric("voiced_worker_dispatch_answer_seconds_count{answer=\"taken\"}"), Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_comes_into_a_room_that_exists_already_when_it_is_dispatched() {
    let world = world().await;
    let _worker = world.worker(&[]);
    let mut person = world.person("exists", "ada").await;
    world.dispatch("exists");
    let comes = async {
        while !matches!(person.next().await, RoomEvent::Agent { state, .. } if state == "listening") {}
    };
    tokio::time::timeout(PATIENCE, comes).await.expect("the agent comes");
}

// === The model ===

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_fails_ten_times_in_a_row_ends_no_session() {
    const FAILURES: usize = 10;
    let world = World::start(Script::new(vec![Step::status(401); FAILURES]).otherwise(Step::echo())).await;
    let worker = world.worker(&["agent.apology=Sorry."]);
    let mut caller = world.call("unlucky").await;
    for turn in 0..FAILURES {
        let reply = caller.say(&format!("turn {turn}"), PATIENCE, |_| ()).await.unwrap();
        assert_eq!(reply.text.expose(), "Sorry.", "turn {turn}");
    }
    say(&mut caller, "once more").await;
    assert_eq!(worker.metric("voiced_turns_total{outcome=\"failed\"}"), Some(FAILURES as f64));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_turn_asks_the_model_once() {
    const TURNS: usize = 5;
    let world = world().await;
    let _worker = world.worker(&[]);
    let mut caller = world.call("once").await;
    for turn in 0..TURNS {
        say(&mut caller, &format!("turn {turn}")).await;
    }
    assert_eq!(world.traces(TURNS).len(), TURNS);
    assert_eq!(world.model.requests().len(), TURNS);
}

// === Tracing ===

#[test]
fn no_code_of_ours_sets_a_global_provider() {
    for file in sources(&root().join("src")) {
        let text = std::fs::read_to_string(&file).unwrap();
        for setter in
            ["set_tracer_provider", "set_meter_provider", "set_text_map_propagator", "set_logger_provider"]
        {
            assert!(!text.contains(setter), "{} calls {setter}", file.display());
        }
    }
}

fn sources(directory: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_dispatchers_trace_is_the_parent_of_the_turns() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";
    let world = world().await;
    let _worker = world.worker(&[]);
    let mut person = world.person("traced", "ada").await;
    let metadata = format!(r#"{{"traceparent":"00-{TRACE}-{SPAN}-01"}}"#);
    world.dispatch_with("traced", &metadata);
    let _ = answer(&mut person, "hello").await;
    let root = world.traces(1).remove(0).root;
    assert_eq!((root.trace_id.as_str(), root.parent_id.as_deref()), (TRACE, Some(SPAN)));
}

// === Text ===

/// A segment that the agent said: its id, its words, and whether it was final in the end.
type Segment = (String, String, bool);

#[tokio::test(flavor = "multi_thread")]
async fn each_reply_is_one_segment_with_an_id_of_its_own_and_one_end() {
    let reply = Step { reply: Reply::Text("one two three".into()), pause_ms: 10, ..Step::default() };
    let world = World::start(Script::always(reply)).await;
    let _worker = world.worker(&[]);
    let mut person = world.person("segments", "ada").await;
    world.dispatch("segments");
    let mut ids = BTreeSet::new();
    for turn in 0..3 {
        let (id, words, is_final) = answer(&mut person, &format!("turn {turn}")).await;
        assert_eq!((words.as_str(), is_final), ("one two three", true));
        assert!(ids.insert(id), "an id was used twice: {ids:?}");
    }
    let more = tokio::time::timeout(Duration::from_secs(1), segment(&mut person)).await;
    assert!(more.is_err(), "a segment too many: {more:?}");
}

/// Writes `text` as soon as an agent listens; returns the segment that comes back.
async fn answer(person: &mut Room, text: &str) -> Segment {
    let answered = async {
        while !person.agents().iter().any(|(_, state)| state == "listening") {
            person.next().await;
        }
        person.chat(text).await.unwrap();
        segment(person).await
    };
    tokio::time::timeout(PATIENCE, answered).await.expect("an answer comes")
}

async fn segment(person: &mut Room) -> Segment {
    let mut text = loop {
        match person.next().await {
            RoomEvent::Text(text) if text.topic() == TRANSCRIPTION_TOPIC => break text,
            _ => {}
        }
    };
    let mut words = String::new();
    while let Some(chunk) = text.chunk().await {
        words.push_str(chunk.unwrap().expose());
    }
    let id = text.attribute(SEGMENT_ATTRIBUTE).expect("a segment has an id");
    (id, words, text.attribute(FINAL_ATTRIBUTE).as_deref() == Some("true"))
}

// === WebRTC ===

#[test]
fn nothing_is_downloaded_or_linked_for_webrtc() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    for package in ["webrtc-sys", "webrtc-sys-build"] {
        assert!(!lock.contains(&format!("name = \"{package}\"")), "{package} is back");
    }
    let ours = "[[package]]\nname = \"libwebrtc\"\nversion = ";
    let at = lock.find(ours).expect("libwebrtc is there");
    let package = lock[at..].split("\n\n").next().unwrap();
    assert!(!package.contains("source = "), "it is not ours: {package}");
}
