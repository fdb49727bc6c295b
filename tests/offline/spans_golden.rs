//! The spans of a good, a retried, a failed, an interrupted and an estimated turn are exactly those of the attribute
//! contract, as a real OpenTelemetry Collector behind Basic auth received them.

use std::time::Duration;

use conversation::{Failure, Secret, TurnOutcome, Usage};
use serde_json::{Value, json};
use testbed::spans::Status;
use testbed::{OtelCollector, Span};
use voiced::config::CaptureContent;
use voiced::telemetry::spans::{AttemptEnd, RequestEnd, Tracer};
use voiced::telemetry::{Telemetry, endpoint};

use crate::support::contract::{self, Talk, nothing_used, with};
use crate::support::turns::{self, ANSWER, GOOD_ATTEMPT, QUESTION, USAGE};

const PATIENCE: Duration = Duration::from_secs(60);

/// Records with `record`, exports to a collector, and returns the spans it received, each trace's spans in the order
/// they started.
fn collected(capture: CaptureContent, record: impl Fn(&Tracer)) -> Vec<Span> {
    let collector = OtelCollector::start().unwrap();
    let url = endpoint::traces_url(&collector.endpoint(), false).unwrap();
    let mut settings = turns::settings(Some(url), &[]);
    settings.otlp_headers = vec![("Authorization".to_owned(), Secret::new(collector.authorization()))];
    settings.privacy.capture = capture;
    let telemetry = Telemetry::start(&settings, "ada", "instance-1").unwrap();
    record(&telemetry.tracer());
    assert_eq!(telemetry.shutdown_blocking(PATIENCE).lost, 0, "{:?}", telemetry.status());
    let exported = telemetry.status().exported as usize;
    let mut spans = collector.wait_for_spans(PATIENCE, |spans| spans.len() == exported).unwrap();
    spans.sort_by_key(|span| span.start_ns);
    spans
}

fn assert_turn(spans: &[Span], expected: &[(&str, Status, Value)]) {
    contract::assert_turn(spans, &Talk { session: "RM_1", user: "caller-of-RM_1" }, expected);
}

fn preview() -> String {
    ANSWER.chars().take(80).collect()
}

fn root_of(usage: Usage) -> Value {
    json!({
        "livekit.question": QUESTION, "livekit.answer_preview": preview(), "livekit.turn_index": 0,
        "livekit.input_tokens": usage.input, "livekit.output_tokens": usage.output, "lk.e2e_latency": 0.375,
    })
}

/// The attributes of an `llm_request` before it has an answer.
fn asked() -> Value {
    let input = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTION}]);
    let messages = json!([
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": QUESTION}]},
    ]);
    json!({
        "gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.system": "api.openai.com",
        "server.address": "api.openai.com", "server.port": 443, "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.stream": true, "gen_ai.request.temperature": 0.7, "gen_ai.request.max_tokens": 256,
        "llm.input": wire_order(&input, &["role", "content"]),
        "gen_ai.input.messages": wire_order(&messages, &["role", "parts"]),
    })
}

/// Serialises messages with their keys in this order; a `Value` sorts them.
fn wire_order(messages: &Value, keys: &[&str]) -> String {
    let message = |message: &Value| {
        let fields = keys.iter().map(|key| format!("\"{key}\":{}", parts_in_order(&message[key])));
        format!("{{{}}}", fields.collect::<Vec<_>>().join(","))
    };
    let messages: Vec<String> = messages.as_array().unwrap().iter().map(message).collect();
    format!("[{}]", messages.join(","))
}

fn parts_in_order(value: &Value) -> String {
    match value.get(0) {
        Some(part) => format!("[{{\"type\":{},\"content\":{}}}]", part["type"], part["content"]),
        None => value.to_string(),
    }
}

/// The attributes of an `llm_request` for a whole or partial answer.
fn answered(text: &str, finish_reason: &str) -> Value {
    let output = json!([{
        "role": "assistant", "parts": [{"type": "text", "content": text}], "finish_reason": finish_reason
    }]);
    json!({
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18", "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.time_to_first_chunk": 0.25, "llm.output.content": text,
        "gen_ai.output.messages": wire_order(&output, &["role", "parts", "finish_reason"]),
    })
}

fn used(usage: Usage) -> Value {
    json!({"gen_ai.usage.input_tokens": usage.input, "gen_ai.usage.output_tokens": usage.output})
}

fn finished() -> Value {
    let whole = with(answered(ANSWER, "stop"), json!({"gen_ai.response.finish_reasons": ["stop"]}));
    with(asked(), whole)
}

fn good_attempt(index: u32) -> Value {
    json!({"lk.retry_count": index, "http.response.status_code": 200, "lk.provider_request_ids": ["req_1"]})
}

fn busy_attempt(index: u32) -> Value {
    json!({"lk.retry_count": index, "http.response.status_code": 429, "error.type": "429"})
}

#[test]
fn a_good_turn() {
    let spans = collected(CaptureContent::Full, |tracer| turns::good(tracer, "RM_1", 0));
    let usage = with(used(USAGE), json!({"gen_ai.usage.cache_read.input_tokens": 16}));
    assert_turn(
        &spans,
        &[
            ("livekit.llm_call", Status::Ok, root_of(USAGE)),
            ("llm_request", Status::Ok, with(finished(), usage)),
            ("llm_request_run", Status::Ok, good_attempt(0)),
        ],
    );
    let resource = serde_json::to_value(&spans[0].resource).unwrap();
    let expected = json!({
        "service.name": "voiced-test", "service.version": env!("CARGO_PKG_VERSION"),
        "service.instance.id": "instance-1", "deployment.environment.name": "test",
    });
    assert_eq!(resource, expected);
}

#[test]
fn a_retried_turn() {
    let spans = collected(CaptureContent::Full, |tracer| {
        let turn = turns::start(tracer, "RM_1", 0);
        let (answer, messages, reasons) =
            (turns::recorded(tracer, ANSWER), turns::messages(tracer), ["stop".to_owned()]);
        let request = turn.context().request(turns::request_start(&messages));
        let busy = turns::busy();
        let refused =
            || AttemptEnd { failure: Some(&busy), http_status: Some(429), provider_request_id: None };
        request.attempt(0).end(refused());
        request.attempt(1).end(refused());
        request.attempt(2).end(GOOD_ATTEMPT);
        request.end(RequestEnd { finish_reasons: &reasons, ..turns::answered(&answer, USAGE) });
        turn.end(turns::turn_end(TurnOutcome::Answered, &answer, USAGE));
    });
    let usage = with(used(USAGE), json!({"gen_ai.usage.cache_read.input_tokens": 16}));
    assert_turn(
        &spans,
        &[
            ("livekit.llm_call", Status::Ok, root_of(USAGE)),
            ("llm_request", Status::Ok, with(finished(), usage)),
            ("llm_request_run", Status::Error, busy_attempt(0)),
            ("llm_request_run", Status::Error, busy_attempt(1)),
            ("llm_request_run", Status::Ok, good_attempt(2)),
        ],
    );
    assert_eq!(spans[2].status_message, turns::busy().message);
}

#[test]
fn a_failed_turn() {
    let spans = collected(CaptureContent::Full, |tracer| {
        let turn = turns::start(tracer, "RM_1", 0);
        let (nothing, messages, busy) = (turns::recorded(tracer, ""), turns::messages(tracer), turns::busy());
        let request = turn.context().request(turns::request_start(&messages));
        request.attempt(0).end(AttemptEnd {
            failure: Some(&busy),
            http_status: Some(429),
            provider_request_id: None,
        });
        request.end(RequestEnd {
            failure: Some(&busy),
            text: &nothing,
            usage: Usage::default(),
            time_to_first_chunk: None,
            response_model: None,
            response_id: None,
            finish_reasons: &[],
        });
        let end = turns::turn_end(TurnOutcome::Failed(busy.clone()), &nothing, Usage::default());
        turn.end(voiced::telemetry::spans::TurnEnd { e2e_latency: None, ..end });
    });
    let error = json!({"error.type": "429"});
    let root = json!({
        "livekit.question": QUESTION, "livekit.answer_preview": "", "livekit.turn_index": 0,
        "livekit.input_tokens": 0, "livekit.output_tokens": 0, "error.type": "429",
    });
    assert_turn(
        &spans,
        &[
            ("livekit.llm_call", Status::Error, root),
            ("llm_request", Status::Error, with(with(asked(), nothing_used()), error)),
            ("llm_request_run", Status::Error, busy_attempt(0)),
        ],
    );
    assert!(spans.iter().all(|span| span.status_message == turns::busy().message));
}

#[test]
fn an_interrupted_turn() {
    let said = "Following one";
    let usage = Usage { input: 21, output: 4, cached_input: None, estimated: true };
    let spans = collected(CaptureContent::Full, |tracer| {
        let turn = turns::start(tracer, "RM_1", 0);
        let (answer, messages) = (turns::recorded(tracer, said), turns::messages(tracer));
        let request = turn.context().request(turns::request_start(&messages));
        request.attempt(0).end(GOOD_ATTEMPT);
        request.end(turns::answered(&answer, usage));
        turn.end(turns::turn_end(TurnOutcome::Interrupted, &answer, usage));
    });
    let estimated = json!({"livekit.usage_estimated": true});
    let interrupted =
        json!({"livekit.usage_estimated": true, "lk.interrupted": true, "livekit.answer_preview": said});
    let request = with(with(with(asked(), answered(said, "interrupted")), used(usage)), estimated);
    assert_turn(
        &spans,
        &[
            ("livekit.llm_call", Status::Ok, with(root_of(usage), interrupted)),
            ("llm_request", Status::Ok, request),
            ("llm_request_run", Status::Ok, good_attempt(0)),
        ],
    );
}

#[test]
fn an_estimated_turn() {
    let usage = Usage { input: 21, output: 17, cached_input: None, estimated: true };
    let spans = collected(CaptureContent::Full, |tracer| {
        let turn = turns::start(tracer, "RM_1", 0);
        let (answer, messages, reasons) =
            (turns::recorded(tracer, ANSWER), turns::messages(tracer), ["stop".to_owned()]);
        let request = turn.context().request(turns::request_start(&messages));
        request.attempt(0).end(GOOD_ATTEMPT);
        request.end(RequestEnd { finish_reasons: &reasons, ..turns::answered(&answer, usage) });
        turn.end(turns::turn_end(TurnOutcome::Answered, &answer, usage));
    });
    let estimated = json!({"livekit.usage_estimated": true});
    assert_turn(
        &spans,
        &[
            ("livekit.llm_call", Status::Ok, with(root_of(usage), estimated.clone())),
            ("llm_request", Status::Ok, with(with(finished(), used(usage)), estimated)),
            ("llm_request_run", Status::Ok, good_attempt(0)),
        ],
    );
}

#[test]
fn a_reply_that_broke_off_keeps_what_was_said() {
    let spans = collected(CaptureContent::Full, |tracer| {
        let turn = turns::start(tracer, "RM_1", 0);
        let (answer, messages) = (turns::recorded(tracer, "Following one"), turns::messages(tracer));
        let request = turn.context().request(turns::request_start(&messages));
        let stall = Failure { class: "stall_timeout".to_owned(), message: "no token for 10 s".to_owned() };
        request.end(RequestEnd { failure: Some(&stall), ..turns::answered(&answer, USAGE) });
        turn.end(turns::turn_end(TurnOutcome::Failed(stall), &answer, USAGE));
    });
    let error = json!({"error.type": "stall_timeout"});
    // A partial answer has cost tokens; only a request without any text counts none.
    let usage = with(used(USAGE), json!({"gen_ai.usage.cache_read.input_tokens": 16}));
    let broken = with(with(asked(), answered("Following one", "error")), usage);
    let root = with(root_of(USAGE), json!({"livekit.answer_preview": "Following one"}));
    assert_turn(
        &spans,
        &[
            ("livekit.llm_call", Status::Error, with(root, error.clone())),
            ("llm_request", Status::Error, with(broken, error)),
        ],
    );
}

#[test]
fn without_content_the_rest_is_the_same() {
    let spans = collected(CaptureContent::Off, |tracer| turns::good(tracer, "RM_1", 0));
    let without = |mut attributes: Value| {
        let content = [
            "livekit.question",
            "livekit.answer_preview",
            "llm.input",
            "llm.output.content",
            "gen_ai.input.messages",
            "gen_ai.output.messages",
        ];
        attributes.as_object_mut().unwrap().retain(|key, _| !content.contains(&key.as_str()));
        attributes
    };
    let usage = with(used(USAGE), json!({"gen_ai.usage.cache_read.input_tokens": 16}));
    assert_turn(
        &spans,
        &[
            ("livekit.llm_call", Status::Ok, without(root_of(USAGE))),
            ("llm_request", Status::Ok, without(with(finished(), usage))),
            ("llm_request_run", Status::Ok, good_attempt(0)),
        ],
    );
}
