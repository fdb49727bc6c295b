//! The attribute contract: the keys that a span may carry, and the spans that one turn has.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testbed::Span;
use testbed::spans::{SpanKind, Status};

/// Attributes of every span; the last one of those that failed.
const EVERYWHERE: [&str; 4] = ["session.id", "gen_ai.conversation.id", "user.id", "error.type"];

/// Each span of a turn, and its further attributes. Usage, model and content stand on the request only, so that a sum
/// over all spans counts no turn twice.
const CONTRACT: [(&str, &[&str]); 7] = [
    (
        "livekit.llm_call",
        &[
            "livekit.question",
            "livekit.answer_preview",
            "livekit.input_tokens",
            "livekit.output_tokens",
            "livekit.discarded_input_tokens",
            "livekit.discarded_output_tokens",
            "livekit.turn_index",
            "livekit.usage_estimated",
            "lk.e2e_latency",
            "lk.interrupted",
            "lk.transcription_delay",
            "lk.end_of_turn_delay",
            "lk.tts_ttfb",
            "lk.playout.position",
            "livekit.cut_bytes",
            "livekit.input_audio_duration",
            "livekit.output_audio_duration",
            "livekit.stt_audio_duration",
            "livekit.stt_tokens",
            "livekit.tts_characters",
            "livekit.tts_tokens",
        ],
    ),
    (
        "llm_request",
        &[
            "gen_ai.operation.name",
            "gen_ai.provider.name",
            "gen_ai.system",
            "server.address",
            "server.port",
            "gen_ai.request.model",
            "gen_ai.request.stream",
            "gen_ai.request.temperature",
            "gen_ai.request.top_p",
            "gen_ai.request.max_tokens",
            "gen_ai.response.model",
            "gen_ai.response.id",
            "gen_ai.response.finish_reasons",
            "gen_ai.response.time_to_first_chunk",
            "gen_ai.usage.input_tokens",
            "gen_ai.usage.output_tokens",
            "gen_ai.usage.total_tokens",
            "gen_ai.usage.cache_read.input_tokens",
            "gen_ai.usage.cost",
            "gen_ai.input.messages",
            "gen_ai.output.messages",
            "llm.input",
            "llm.output.content",
            "livekit.usage_estimated",
        ],
    ),
    ("llm_request_run", &ATTEMPT),
    (
        "stt_request",
        &[
            "server.address",
            "server.port",
            "gen_ai.request.model",
            "livekit.audio_duration",
            "livekit.characters",
            "livekit.tokens",
        ],
    ),
    ("stt_request_run", &ATTEMPT),
    (
        "tts_request",
        &[
            "server.address",
            "server.port",
            "gen_ai.request.model",
            "gen_ai.response.time_to_first_chunk",
            "livekit.audio_duration",
            "livekit.characters",
            "livekit.tokens",
        ],
    ),
    ("tts_request_run", &ATTEMPT),
];

/// The attributes of one attempt at any request.
const ATTEMPT: [&str; 3] = ["lk.retry_count", "http.response.status_code", "lk.provider_request_ids"];

/// The parties of a turn.
pub(crate) struct Talk<'a> {
    pub(crate) session: &'a str,
    pub(crate) user: &'a str,
}

/// No span carries a key that the contract does not allow, however it ended.
pub(crate) fn assert_keys(spans: &[Span]) {
    for span in spans {
        let known = CONTRACT.iter().find(|(name, _)| *name == span.name);
        let (_, own) = known.unwrap_or_else(|| panic!("no span of the contract: {span:?}"));
        let stray: Vec<_> = span
            .attributes
            .keys()
            .filter(|key| !EVERYWHERE.contains(&key.as_str()) && !own.contains(&key.as_str()))
            .collect();
        assert!(stray.is_empty(), "{stray:?} in {span:?}");
        assert_eq!((span.scope.as_str(), span.events.len(), span.links.len()), ("voiced", 0, 0));
    }
}

/// The spans, in the order they began, have exactly these names, kinds, statuses and attributes, share one trace, are
/// nested in each other, and have valid times.
pub(crate) fn assert_turn(spans: &[Span], talk: &Talk<'_>, expected: &[(&str, Status, Value)]) {
    assert_keys(spans);
    let common = json!({
        "session.id": talk.session, "gen_ai.conversation.id": talk.session, "user.id": talk.user,
    });
    assert_eq!(spans.len(), expected.len());
    for (span, (name, status, attributes)) in spans.iter().zip(expected) {
        assert_eq!((span.name.as_str(), span.status), (*name, *status));
        let found = serde_json::to_value(&span.attributes).unwrap();
        assert_eq!(found, with(attributes.clone(), common.clone()), "attributes of {name}");
        let kind = if *name == "llm_request" { SpanKind::Client } else { SpanKind::Internal };
        assert_eq!(span.kind, kind, "{name}");
        assert_eq!(span.status == Status::Error, !span.status_message.is_empty(), "{name}");
        assert!(span.end_ns >= span.start_ns, "{name} ends before it starts");
        assert_eq!(span.trace_id, spans[0].trace_id);
    }
    let (root, request) = (&spans[0], &spans[1]);
    assert_eq!(root.parent_id, None);
    assert_eq!(request.parent_id.as_ref(), Some(&root.span_id));
    assert!(spans[2..].iter().all(|attempt| attempt.parent_id.as_ref() == Some(&request.span_id)));
}

/// `base` with `more` over it.
pub(crate) fn with(mut base: Value, more: Value) -> Value {
    base.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    base
}

/// The usage attributes of a request whose usage is unknown.
pub(crate) fn nothing_used() -> Value {
    json!({
        "gen_ai.usage.input_tokens": 0, "gen_ai.usage.output_tokens": 0, "gen_ai.usage.total_tokens": 0,
        "gen_ai.usage.cost": 0.0,
    })
}

#[test]
fn the_contract_is_what_the_source_declares() {
    let source = include_str!("../../src/attributes.rs").lines();
    // A line is like `USER_ID = "user.id" on EVERY;`.
    let declared =
        source.filter_map(|line| line.split_once(" = \"")?.1.strip_suffix(';')?.split_once("\" on "));
    let declared: BTreeSet<(&str, &str)> =
        declared.flat_map(|(key, spans)| spans.split(" | ").map(move |span| (key, span))).collect();
    let spans = ["TURN", "REQUEST", "ATTEMPT", "STT_REQUEST", "STT_ATTEMPT", "TTS_REQUEST", "TTS_ATTEMPT"];
    let spans = spans.into_iter().zip(CONTRACT);
    let own = spans.flat_map(|(span, (_, keys))| keys.iter().map(move |key| (*key, span)));
    let known: BTreeSet<(&str, &str)> = EVERYWHERE.map(|key| (key, "EVERY")).into_iter().chain(own).collect();
    assert_eq!(known, declared);
}
