//! The trace of each kind of turn, as a real OpenTelemetry Collector behind Basic auth received it.

use std::collections::BTreeMap;

use scripted_model::{Ending, Reply, Script, Step, Usage};
use serde_json::{Value, json};
use testbed::Span;
use testbed::spans::{SpanKind, Status};
use voiced::caller::Caller;

use crate::support::world::{self, PATIENCE, Trace, World};

const CALLER: &str = "caller";

/// Replaces values that differ in each run by their kind.
fn normal(key: &str, value: &Value) -> Value {
    match key {
        "session.id" | "gen_ai.conversation.id" => {
            kind_if(value, |v| v.as_str().is_some_and(|id| id.starts_with("RM_")), "room sid")
        }
        "lk.e2e_latency" | "gen_ai.response.time_to_first_chunk" => kind_if(
            value,
            |v| v.is_f64() && v.as_f64().is_some_and(|seconds| (0.0..60.0).contains(&seconds)),
            "seconds",
        ),
        "server.port" => kind_if(value, Value::is_i64, "port"),
        "gen_ai.response.id" => kind_if(value, Value::is_string, "id"),
        // Their keys may stand in any order.
        "llm.input" | "gen_ai.input.messages" | "gen_ai.output.messages" => {
            serde_json::from_str(value.as_str().unwrap_or_default()).unwrap_or_else(|_| value.clone())
        }
        "lk.provider_request_ids" => kind_if(value, Value::is_array, "ids"),
        _ => value.clone(),
    }
}

fn kind_if(value: &Value, fits: impl Fn(&Value) -> bool, kind: &str) -> Value {
    if fits(value) { json!(format!("<{kind}>")) } else { value.clone() }
}

/// Asserts that a span has exactly these attributes.
fn assert_attributes(span: &Span, expected: Value) {
    let got: BTreeMap<_, _> =
        span.attributes.iter().map(|(key, value)| (key.clone(), normal(key, value))).collect();
    let expected: BTreeMap<String, Value> = serde_json::from_value(expected).unwrap();
    assert_eq!(got, expected, "attributes of {}", span.name);
}

/// `base` with `changes` over it; a null removes an attribute.
fn with(base: &Value, changes: Value) -> Value {
    let mut merged = base.as_object().unwrap().clone();
    for (key, value) in changes.as_object().unwrap() {
        match value {
            Value::Null => merged.remove(key),
            value => merged.insert(key.clone(), value.clone()),
        };
    }
    Value::Object(merged)
}

fn common() -> Value {
    json!({ "session.id": "<room sid>", "gen_ai.conversation.id": "<room sid>", "user.id": CALLER })
}

fn root(question: &str, answer: &str, tokens: (u64, u64)) -> Value {
    with(
        &common(),
        json!({
            "livekit.question": question,
            "livekit.answer_preview": answer,
            "livekit.input_tokens": tokens.0,
            "livekit.output_tokens": tokens.1,
            "livekit.turn_index": 0,
            "lk.e2e_latency": "<seconds>",
        }),
    )
}

fn request(question: &str, answer: &str, tokens: (u64, u64)) -> Value {
    let input = [("system", "be brief"), ("user", question)];
    let llm_input: Vec<_> =
        input.iter().map(|(role, text)| json!({ "role": role, "content": text })).collect();
    let messages: Vec<_> = input
        .iter()
        .map(|(role, text)| json!({ "role": role, "parts": [{ "type": "text", "content": text }] }))
        .collect();
    let output = json!([{ "role": "assistant", "parts": [{ "type": "text", "content": answer }], "finish_reason": "stop" }]);
    with(
        &common(),
        json!({
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.system": "127.0.0.1",
            "gen_ai.request.model": "gpt-5.4-mini",
            "gen_ai.request.stream": true,
            "gen_ai.response.model": "gpt-5.4-mini-2026",
            "gen_ai.response.id": "<id>",
            "gen_ai.response.finish_reasons": ["stop"],
            "gen_ai.response.time_to_first_chunk": "<seconds>",
            "gen_ai.usage.input_tokens": tokens.0,
            "gen_ai.usage.output_tokens": tokens.1,
            "gen_ai.input.messages": messages,
            "gen_ai.output.messages": output,
            "llm.input": llm_input,
            "llm.output.content": answer,
            "server.address": "127.0.0.1",
            "server.port": "<port>",
        }),
    )
}

fn run(retry: u64, status: u64) -> Value {
    with(
        &common(),
        json!({ "lk.retry_count": retry, "http.response.status_code": status, "lk.provider_request_ids": "<ids>" }),
    )
}

fn good(text: &str) -> Step {
    Step {
        reply: Reply::Text(text.into()),
        usage: Usage::Exact { input: 21, output: 7, cached: None },
        model: Some("gpt-5.4-mini-2026".into()),
        ..Step::default()
    }
}

/// In every kind of turn the spans form one tree and name their resource and scope.
fn assert_shape(trace: &Trace, statuses: [Status; 2], runs: &[Status]) {
    let Trace { root, request, runs: attempts } = trace;
    let request = request.as_ref().unwrap();
    assert_eq!((root.parent_id.as_deref(), root.kind), (None, SpanKind::Internal));
    assert_eq!((request.parent_id.as_deref(), request.kind), (Some(root.span_id.as_str()), SpanKind::Client));
    for attempt in attempts {
        assert_eq!(
            (attempt.parent_id.as_deref(), attempt.kind),
            (Some(request.span_id.as_str()), SpanKind::Internal)
        );
    }
    assert_eq!([root.status, request.status], statuses);
    assert_eq!(attempts.iter().map(|attempt| attempt.status).collect::<Vec<_>>(), runs);
    for span in [root, request].into_iter().chain(attempts) {
        assert!(span.end_ns >= span.start_ns, "{span:?}");
        assert!(span.events.is_empty(), "content belongs into attributes: {span:?}");
        assert_eq!(span.scope, "voiced");
        assert_eq!(span.resource["service.name"], json!("voiced"));
        assert!(
            ["service.version", "service.instance.id"].iter().all(|key| span.resource.contains_key(*key))
        );
    }
}

struct Talk {
    world: World,
    caller: Caller,
    _worker: world::Worker,
}

impl Talk {
    async fn start(script: Script) -> Self {
        let world = World::start(script).await;
        let worker =
            world.worker(&["agent.instructions=be brief", "agent.apology=Sorry.", "llm.stall_timeout=2s"]);
        let caller = world.call("golden").await;
        Self { world, caller, _worker: worker }
    }

    async fn say(&mut self, text: &str) -> String {
        self.caller.say(text, PATIENCE, |_| ()).await.unwrap().text.expose().to_owned()
    }

    fn trace(&self) -> Trace {
        self.world.traces(1).remove(0)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_turn() {
    let mut talk = Talk::start(Script::always(good("Tracing follows a request."))).await;
    assert_eq!(talk.say("What is tracing?").await, "Tracing follows a request.");
    let trace = talk.trace();
    assert_shape(&trace, [Status::Ok, Status::Ok], &[Status::Ok]);
    assert_attributes(&trace.root, root("What is tracing?", "Tracing follows a request.", (21, 7)));
    assert_attributes(
        trace.request.as_ref().unwrap(),
        request("What is tracing?", "Tracing follows a request.", (21, 7)),
    );
    assert_attributes(&trace.runs[0], run(0, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retried_turn() {
    let busy = Step { status: 500, ..Step::default() };
    let mut talk = Talk::start(Script::new([busy]).otherwise(good("Here I am."))).await;
    assert_eq!(talk.say("Are you there?").await, "Here I am.");
    let trace = talk.trace();
    assert_shape(&trace, [Status::Ok, Status::Ok], &[Status::Error, Status::Ok]);
    assert_attributes(&trace.root, root("Are you there?", "Here I am.", (21, 7)));
    assert_attributes(trace.request.as_ref().unwrap(), request("Are you there?", "Here I am.", (21, 7)));
    assert_attributes(&trace.runs[0], with(&run(0, 500), json!({ "error.type": "500" })));
    assert_attributes(&trace.runs[1], run(1, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_turn() {
    let mut talk = Talk::start(Script::always(Step { status: 401, ..Step::default() })).await;
    assert_eq!(talk.say("Hello?").await, "Sorry.");
    let trace = talk.trace();
    assert_shape(&trace, [Status::Error, Status::Error], &[Status::Error]);
    assert!(trace.root.status_message.contains("401"), "{}", trace.root.status_message);
    let failed = json!({ "error.type": "401" });
    let silent = json!({ "error.type": "401", "lk.e2e_latency": null });
    assert_attributes(&trace.root, with(&root("Hello?", "", (0, 0)), silent));
    let nothing = json!({
        "error.type": "401",
        "gen_ai.usage.total_tokens": 0,
        "gen_ai.usage.cost": 0.0,
        "gen_ai.response.model": null,
        "gen_ai.response.id": null,
        "gen_ai.response.finish_reasons": null,
        "gen_ai.response.time_to_first_chunk": null,
        "gen_ai.output.messages": null,
        "llm.output.content": null,
    });
    assert_attributes(trace.request.as_ref().unwrap(), with(&request("Hello?", "", (0, 0)), nothing));
    assert_attributes(&trace.runs[0], with(&run(0, 401), failed));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_turn() {
    let story = Step { after: Some(3), ending: Ending::Stall, ..good("once upon a time") };
    let mut talk = Talk::start(Script::default().rule("story", story).otherwise(good("Stopped."))).await;
    assert_eq!(talk.caller.start_saying("A story", PATIENCE).await.unwrap().expose(), "once upon a");
    assert_eq!(talk.say("stop").await, "Stopped.");
    let trace = talk.world.traces(2).remove(0);
    assert_shape(&trace, [Status::Ok, Status::Ok], &[Status::Ok]);
    let estimated = json!({ "livekit.usage_estimated": true });
    let tokens = (
        trace.root.int("livekit.input_tokens").unwrap() as u64,
        trace.root.int("livekit.output_tokens").unwrap() as u64,
    );
    assert!(tokens.0 > 0 && tokens.1 > 0, "what was sent and said is estimated: {tokens:?}");
    let cut = with(&root("A story", "once upon a", tokens), estimated.clone());
    assert_attributes(&trace.root, with(&cut, json!({ "lk.interrupted": true })));
    let output = json!([{ "role": "assistant", "parts": [{ "type": "text", "content": "once upon a" }], "finish_reason": "interrupted" }]);
    let unfinished = with(
        &request("A story", "once upon a", tokens),
        json!({
            "gen_ai.response.finish_reasons": null,
            "gen_ai.output.messages": output,
        }),
    );
    assert_attributes(trace.request.as_ref().unwrap(), with(&unfinished, estimated));
    assert_attributes(&trace.runs[0], run(0, 200));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_turn_whose_provider_reports_no_usage() {
    let mut talk = Talk::start(Script::always(Step { usage: Usage::None, ..good("Fine, thank you.") })).await;
    assert_eq!(talk.say("How are you?").await, "Fine, thank you.");
    let trace = talk.trace();
    assert_shape(&trace, [Status::Ok, Status::Ok], &[Status::Ok]);
    let tokens = (
        trace.root.int("livekit.input_tokens").unwrap() as u64,
        trace.root.int("livekit.output_tokens").unwrap() as u64,
    );
    assert!(tokens.0 > 0 && tokens.1 > 0, "{tokens:?}");
    let estimated = json!({ "livekit.usage_estimated": true });
    assert_attributes(
        &trace.root,
        with(&root("How are you?", "Fine, thank you.", tokens), estimated.clone()),
    );
    assert_attributes(
        trace.request.as_ref().unwrap(),
        with(&request("How are you?", "Fine, thank you.", tokens), estimated),
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn content_stays_out_of_the_trace_when_capture_is_off() {
    let world = World::start(Script::always(good("a private answer"))).await;
    let _worker = world.worker(&["telemetry.capture_content=off"]);
    let mut caller = world.call("private").await;
    caller.say("a private question", PATIENCE, |_| ()).await.unwrap();
    let trace = world.traces(1).remove(0);
    assert_eq!(trace.root.int("livekit.output_tokens"), Some(7), "figures are still recorded");
    let everything = std::fs::read_to_string(world.collector.file()).unwrap();
    assert!(!everything.contains("private"), "{everything}");
}
