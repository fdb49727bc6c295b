//! SIGHUP: the settings that new sessions take, those that stay as they were, and those that need a restart.

use scripted_model::{Reply, Script, Step};
use voiced::caller::Caller;

use crate::support::settings::Place;
use crate::support::world::{PATIENCE, Worker, World, wait_until};

const BEFORE: &str =
    "[agent]\ninstructions = \"be brief\"\n[llm]\nmodel = \"small\"\n[worker]\nmax_sessions = 5\n";
const AFTER: &str = "[agent]\ninstructions = \"be long\"\n[llm]\nmodel = \"large\"\n[worker]\nmax_sessions = 7\n[store]\nretention = \"1d\"\n";

async fn echo() -> World {
    World::start(Script::always(Step { reply: Reply::Echo, ..Step::default() })).await
}

fn configure(world: &World, text: &str) {
    std::fs::write(world.dir().join("agent.toml"), text).unwrap();
}

/// The model, the instructions and the key of the last model request.
async fn ask(world: &World, caller: &mut Caller, worker: &Worker) -> [String; 3] {
    caller.say("hello", PATIENCE, |_| ()).await.unwrap_or_else(|error| panic!("{error}\n{}", worker.log()));
    let asked = world.model.requests().pop().unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    [
        text(&asked.body["model"]),
        text(&asked.body["messages"][0]["content"]),
        asked.headers["authorization"].clone(),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn new_sessions_take_the_new_configuration_and_running_ones_keep_theirs() {
    let world = echo().await;
    configure(&world, BEFORE);
    std::fs::write(world.dir().join("key"), "sk-first-key").unwrap();
    let mut command = world.voiced();
    command.env_remove("OPENAI_API_KEY").env("VOICED_LLM__API_KEY_FILE", "key");
    let mut worker = world.worker_of(command, &[]);
    let before = ["small", "be brief", "Bearer sk-first-key"].map(str::to_owned);
    let mut early = world.call("early").await;
    assert_eq!(ask(&world, &mut early, &worker).await, before);

    configure(&world, AFTER);
    std::fs::write(world.dir().join("key"), "sk-second-key").unwrap();
    worker.process.hang_up().unwrap();
    worker.wait_for_log("only a restart changes it");
    let mut late = world.call("late").await;
    let after = ["large", "be long", "Bearer sk-second-key"].map(str::to_owned);
    assert_eq!(ask(&world, &mut late, &worker).await, after);
    assert_eq!(ask(&world, &mut early, &worker).await, before);
    wait_until("there are 7 slots", || worker.metric("voiced_worker_slots") == Some(7.0), || worker.log());

    let log = worker.log();
    assert!(log.contains("worker.max_sessions, agent.instructions, llm.api_key, llm.model"), "{log}");
    assert!(log.contains("store.retention"), "{log}");
    assert!(!log.contains("sk-first-key") && !log.contains("sk-second-key"), "{log}");
    early.leave().await;
    late.leave().await;
    assert_eq!(worker.drain(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_file_changes_nothing_and_is_named_with_its_line() {
    let world = echo().await;
    configure(&world, BEFORE);
    let mut worker = world.worker(&[]);
    configure(&world, "[agent]\ninstructions = \"be long\"\n[llm]\nmodle = \"large\"\n");
    worker.process.hang_up().unwrap();
    worker.wait_for_log("nothing has changed");
    let log = worker.log();
    let line = log.lines().find(|line| line.contains("nothing has changed")).unwrap();
    assert!(line.contains("agent.toml:4:1") && line.contains("did you mean `llm.model`?"), "{line}");
    let mut caller = world.call("unchanged").await;
    assert_eq!(ask(&world, &mut caller, &worker).await[..2], ["small", "be brief"]);
    caller.leave().await;
    assert_eq!(worker.drain(), Some(0));
}

#[test]
fn what_changed_is_told_by_value_and_split_by_whether_it_needs_a_restart() {
    let before = Place::with_agent_toml(BEFORE).loaded();
    let after = Place::with_agent_toml(AFTER).var("LIVEKIT_URL", "ws://elsewhere:7880").loaded();
    let changes = before.changes(&after);
    assert_eq!(changes.live, ["worker.max_sessions", "agent.instructions", "llm.model"]);
    assert_eq!(changes.fixed, ["livekit.url", "store.retention"]);
    // The same values from elsewhere are no change.
    let same = Place::new()
        .set("agent.instructions=be brief")
        .var("VOICED_LLM__MODEL", "small")
        .set("worker.max_sessions=5");
    assert_eq!(before.changes(&same.loaded()), voiced::config::Changes::default());
}

/// The keys that `changes` calls live are exactly those that `renewed` takes.
#[test]
fn exactly_the_live_keys_are_renewed() {
    let before = Place::with_agent_toml(BEFORE).config();
    let after =
        Place::with_agent_toml(AFTER).set("worker.drain_timeout=2m").set("worker.agent_name=other").config();
    let renewed = before.renewed(&after);
    assert_eq!(renewed.agent.instructions, "be long");
    assert_eq!(renewed.llm.model, "large");
    assert_eq!((renewed.worker.max_sessions, renewed.worker.drain_timeout.as_secs()), (7, 120));
    assert_eq!(renewed.worker.agent_name, before.worker.agent_name);
    assert_eq!(renewed.store.retention, before.store.retention);
}
