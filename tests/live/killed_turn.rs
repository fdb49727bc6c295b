//! A worker that is killed in the middle of a turn: its spans arrive as the attribute contract wants them, ended as
//! `aborted`, and the record says the same.

use std::path::Path;

use scripted_model::{Ending, Script, Step};
use serde_json::{Value, json};
use testbed::Span;
use testbed::spans::Status;
use url::Url;

use crate::support::contract::{self, Talk, nothing_used, with};
use crate::support::world::{PATIENCE, World, wait_until};

const QUESTION: &str = "tell me a story";
const KILLED: &str = "the work ended without a result: the worker was killed or crashed";
const SETTINGS: [&str; 4] =
    ["llm.model=gpt-4o-mini", "llm.temperature=0.7", "llm.max_tokens=256", "agent.leave_grace=100ms"];

/// The first request fails temporarily; the reply to the second stops in its middle.
fn script() -> Script {
    let story = Step::reply("once upon a time there was").ending(Ending::Stall).after(3);
    Script::new([Step::status(503), story]).otherwise(Step::echo())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_that_was_killed_is_sent_as_aborted_by_the_next_start() {
    let world = World::start(script()).await;
    let mut killed = world.worker(&SETTINGS);
    let mut caller = world.call("killed").await;
    let heard = caller.start_saying(QUESTION, PATIENCE).await.unwrap();
    assert!("once upon a time".starts_with(heard.expose().trim()) && !heard.is_empty());
    let session = open_session(&world);
    wait_until_written_down(&world.state(), 2);
    // The spans that ended before the kill are delivered, and no other worker may deliver them again.
    let sent = || killed.metric("voiced_export_spans_sent_total");
    wait_until("the first attempt is sent", || sent() == Some(1.0), || killed.log());
    killed.process.kill();
    // Otherwise the next worker would go back to the waiting caller.
    caller.leave().await;

    let next = world.worker(&SETTINGS);
    let spans = spans_of_one_turn(&world);
    contract::assert_turn(&spans, &Talk { session: &session, user: "caller" }, &expected(&world));
    let messages: Vec<&str> = spans.iter().map(|span| span.status_message.as_str()).collect();
    assert!(messages[2].contains("503"), "{messages:?}");
    assert_eq!([messages[0], messages[1], messages[3]], [KILLED; 3]);
    assert_ended_together(&spans);
    assert_recorded(&world, &session, &spans[0]);
    assert_the_next_turn_is_anothers(&world, &spans).await;
    assert_eq!(next.drain(), Some(0));
}

/// The only session of the record, once its turn is in there as open.
fn open_session(world: &World) -> String {
    let listed = || world.json(&["sessions", "--json"]);
    wait_until("the turn is recorded", || listed()["totals"]["open"] == 1, || listed().to_string());
    listed()["sessions"][0]["id"].as_str().unwrap().to_owned()
}

/// Waits until the journal holds the beginnings of so many attempts, and thus of all spans around them.
fn wait_until_written_down(state: &Path, attempts: usize) {
    let journals = || {
        let slots = std::fs::read_dir(state.join("spool")).unwrap();
        slots
            .flat_map(|slot| std::fs::read(slot.unwrap().path().join("journal")).unwrap())
            .collect::<Vec<u8>>()
    };
    let retry_counts = || journals().windows(14).filter(|bytes| bytes == b"lk.retry_count").count();
    // The first attempt stands there twice: it has ended.
    wait_until("the spool knows", || retry_counts() > attempts, || format!("{} are known", retry_counts()));
}

/// In the order they began.
fn spans_of_one_turn(world: &World) -> Vec<Span> {
    let trace = world.traces(1).remove(0);
    let mut spans = vec![trace.root];
    spans.extend(trace.request);
    spans.extend(trace.runs);
    spans
}

/// The expected attributes of each span. The prompt is not written down before its span ends.
fn expected(world: &World) -> [(&'static str, Status, Value); 4] {
    let aborted = json!({"error.type": "aborted"});
    let root = json!({
        "livekit.question": QUESTION, "livekit.turn_index": 0,
        "livekit.input_tokens": 0, "livekit.output_tokens": 0,
    });
    let port = Url::parse(&world.model.base_url()).unwrap().port();
    let request = json!({
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.system": "127.0.0.1",
        "server.address": "127.0.0.1", "server.port": port, "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.stream": true, "gen_ai.request.temperature": 0.7, "gen_ai.request.max_tokens": 256,
    });
    let refused = json!({
        "lk.retry_count": 0, "http.response.status_code": 503, "error.type": "503",
        "lk.provider_request_ids": ["req_scripted_0"],
    });
    [
        ("livekit.llm_call", Status::Error, with(root, aborted.clone())),
        ("llm_request", Status::Error, with(with(request, nothing_used()), aborted.clone())),
        ("llm_request_run", Status::Error, refused),
        ("llm_request_run", Status::Error, with(json!({"lk.retry_count": 1}), aborted)),
    ]
}

/// The open spans ended when the process was last known to live, and not before any span within them.
fn assert_ended_together(spans: &[Span]) {
    let last = spans.iter().map(|span| span.end_ns).max().unwrap();
    assert_eq!([spans[0].end_ns, spans[1].end_ns, spans[3].end_ns], [last; 3]);
    assert!(
        spans.iter().all(|span| span.resource == spans[0].resource),
        "whose they are says the one that died"
    );
}

/// The record has the turn as aborted too, with the same trace.
fn assert_recorded(world: &World, session: &str, root: &Span) {
    let shown = || world.json(&["sessions", "show", session, "--json"]);
    wait_until("the record is closed", || shown()["turns"][0]["status"] == "aborted", || shown().to_string());
    let turns = &shown()["turns"];
    assert_eq!(turns.as_array().unwrap().len(), 1);
    let turn = &turns[0];
    assert_eq!((&turn["question"], &turn["error"]["type"]), (&json!(QUESTION), &json!("aborted")));
    assert_eq!(
        (turn["trace_id"].as_str(), turn["span_id"].as_str()),
        (Some(&*root.trace_id), Some(&*root.span_id))
    );
    let text = String::from_utf8(world.run(&["sessions", "show", session]).stdout).unwrap();
    assert!(text.contains("aborted") && text.contains(QUESTION), "{text}");
}

/// The spans of the next turn name another worker instance than those of the killed one.
async fn assert_the_next_turn_is_anothers(world: &World, killed: &[Span]) {
    let mut caller = world.call("alive").await;
    caller.say("hello", PATIENCE, |_| ()).await.unwrap();
    caller.leave().await;
    let next = world.traces(2).remove(1);
    assert_eq!(next.root.status, Status::Ok);
    assert_ne!(next.root.resource["service.instance.id"], killed[0].resource["service.instance.id"]);
    contract::assert_keys(&world.collector.spans().unwrap());
}
