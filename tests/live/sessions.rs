//! `voiced sessions` finds the turns of a real worker again, whatever happens to the worker or the file.

use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use scripted_model::{Ending, Reply, Script, Step};
use serde_json::Value;

use crate::support::world::{PATIENCE, World, wait_until};

fn silent(_: &str) {}

fn echo() -> Step {
    Step { reply: Reply::Echo, ..Step::default() }
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Waits until the record's totals are as wanted: the caller hears an answer before the turn is over.
fn wait_for_totals(world: &World, wanted: impl Fn(&Value) -> bool) -> Value {
    let totals = || {
        let output = world.run(&["sessions", "--json"]);
        serde_json::from_slice::<Value>(&output.stdout)
            .map(|found| found["totals"].clone())
            .unwrap_or_default()
    };
    wait_until("the record is as wanted", || wanted(&totals()), || totals().to_string());
    world.json(&["sessions", "--json"])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_listed_and_shown_while_the_worker_runs() {
    let broken = Step { status: 401, ..Step::default() };
    let story = Step {
        ending: Ending::Stall,
        after: Some(2),
        ..Step { reply: Reply::Text("once upon a".into()), ..Step::default() }
    };
    let script = Script::default().rule("break", broken).rule("story", story).otherwise(echo());
    let world = World::start(script).await;
    let _worker = world.worker(&[]);
    let mut caller = world.call("kitchen").await;
    caller.say("hello \u{1b}[31mthere", PATIENCE, silent).await.unwrap();
    caller.say("break it", PATIENCE, silent).await.unwrap();
    caller.start_saying("a story", PATIENCE).await.unwrap();
    caller.say("stop", PATIENCE, silent).await.unwrap();

    let found = wait_for_totals(&world, |totals| totals["answered"] == 2 && totals["open"] == 0);
    let totals = &found["totals"];
    assert_eq!(
        (&totals["turns"], &totals["failed"], &totals["interrupted"]),
        (&4.into(), &1.into(), &1.into())
    );
    let session = &found["sessions"][0];
    assert_eq!((&session["room"], &session["turns"]), (&"kitchen".into(), &4.into()));
    let id = session["id"].as_str().unwrap();
    assert!(id.starts_with("RM_"));

    let table = printed(&world.run(&["sessions", "--room", "kit*", "--status", "failed"]));
    assert!(table.contains("kitchen") && table.contains(id) && table.contains("1 session"), "{table}");
    let none = printed(&world.run(&["sessions", "--room", "kit"]));
    assert!(none.contains("no sessions"), "{none}");

    let shown = world.json(&["sessions", "show", id, "--json"]);
    let turns = shown["turns"].as_array().unwrap();
    let statuses: Vec<_> = turns.iter().map(|turn| turn["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["answered", "failed", "interrupted", "answered"]);
    assert_eq!(turns[0]["answer"], "You said: hello \u{1b}[31mthere");
    assert_eq!(
        (&turns[0]["speaker"], &turns[0]["attempts"][0]["http_status"]),
        (&"caller".into(), &200.into())
    );
    assert_eq!(
        (&turns[1]["error"]["type"], &turns[1]["attempts"][0]["error"]["type"]),
        (&"401".into(), &"401".into())
    );
    assert!(turns[0]["e2e_latency_s"].as_f64() >= turns[0]["time_to_first_token_s"].as_f64());
    let mut traces: Vec<_> = world.traces(4).iter().map(|trace| trace.root.trace_id.clone()).collect();
    let mut recorded: Vec<_> =
        turns.iter().map(|turn| turn["trace_id"].as_str().unwrap().to_owned()).collect();
    traces.sort();
    recorded.sort();
    assert_eq!(traces, recorded, "the record and the backend speak of the same traces");

    let text = printed(&world.run(&["sessions", "show", &id[..id.len() - 1]]));
    assert!(text.contains("> break it") && text.contains("! 401: ") && text.contains('█'), "{text}");
    assert!(!text.contains('\u{1b}'), "what somebody said never moves a cursor: {text:?}");
    let unknown = world.run(&["sessions", "show", "RM_nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&unknown.stderr).contains("RM_nobody"));
}

#[tokio::test(flavor = "multi_thread")]
async fn turns_that_had_ended_survive_a_sigkill_and_the_one_under_way_is_aborted_at_the_next_start() {
    let hang = Step {
        ending: Ending::Stall,
        after: Some(1),
        ..Step { reply: Reply::Text("well let me".into()), ..Step::default() }
    };
    let world = World::start(Script::default().rule("hang", hang).otherwise(echo())).await;
    let mut worker = world.worker(&[]);
    let mut caller = world.call("killed").await;
    caller.say("one", PATIENCE, silent).await.unwrap();
    caller.start_saying("hang", PATIENCE).await.unwrap();
    wait_for_totals(&world, |totals| totals["answered"] == 1 && totals["open"] == 1);
    worker.process.kill();
    drop(caller);
    let _worker = world.worker(&[]);
    let found = wait_for_totals(&world, |totals| totals["aborted"] == 1);
    assert_eq!((&found["totals"]["turns"], &found["totals"]["answered"]), (&2.into(), &1.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_cannot_be_written_costs_no_turn() {
    let world = World::start(Script::always(echo())).await;
    let place = tempfile::tempdir().unwrap();
    let in_the_way = place.path().join("file");
    std::fs::write(&in_the_way, "no directory").unwrap();
    let path = in_the_way.join("record.sqlite");
    let mut worker = world.worker(&[&format!("store.path={}", path.display()), "agent.leave_grace=100ms"]);
    let mut caller = world.call("unwritable").await;
    for _ in 0..3 {
        assert_eq!(caller.say("hello", PATIENCE, silent).await.unwrap().text.expose(), "You said: hello");
    }
    worker.wait_for_log("the record of sessions: ");
    caller.leave().await;
    worker.process.terminate().unwrap();
    worker.process.wait(PATIENCE).unwrap().expect("it drains");
    let log = worker.log();
    assert!(log.contains("misses 3 turns"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_other_user_may_read_the_record_and_off_writes_none() {
    let world = World::start(Script::always(echo())).await;
    let worker = world.worker(&[]);
    wait_until("there is a record", || world.record().exists(), || worker.log());
    assert_eq!(std::fs::metadata(world.record()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(worker.drain(), Some(0));
    std::fs::remove_file(world.record()).unwrap();
    let worker = world.worker(&["store.path=off"]);
    let figures = ["turns_written_total", "turns_dropped_total", "turns_waiting", "failing"];
    let figures = figures.map(|name| worker.metric(&format!("voiced_record_{name}")));
    assert_eq!(figures, [Some(0.0); 4], "known series are there, and nothing happens to them");
    assert_eq!(worker.drain(), Some(0));
    assert!(!world.record().exists());
    let refused = world.run(&["--set", "store.path=off", "sessions"]);
    assert_eq!(refused.status.code(), Some(1));
    let missing = world.run(&["sessions"]);
    assert!(String::from_utf8_lossy(&missing.stderr).contains("there is no record at"), "{missing:?}");
}
