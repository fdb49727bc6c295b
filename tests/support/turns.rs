//! Turns with fixed data, made through the spans API as a session and an LLM call make them.

use std::time::Duration;

use conversation::{Failure, Message, Role, Secret, TurnOutcome, Usage};
use futures::FutureExt;
use redaction::{Recorded, RecordedMessages};
use voiced::attributes as key;
use voiced::telemetry;
use voiced::telemetry::spans::{
    AttemptEnd, Conversation, RequestEnd, RequestStart, Tracer, TurnEnd, TurnSpan, TurnStart,
};

pub(crate) const QUESTION: &str = "What is distributed tracing?";
pub(crate) const ANSWER: &str =
    "Following one request through many services — and telling where its time went, hop by hop.";
pub(crate) const USAGE: Usage = Usage { input: 21, output: 17, cached_input: Some(16), estimated: false };

/// Settings that export to `url` with `headers`.
pub(crate) fn settings(url: Option<url::Url>, headers: &[(&str, &str)]) -> telemetry::Settings {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), Secret::new(*value)));
    telemetry::Settings {
        enabled: true,
        traces: true,
        service_name: "voiced-test".to_owned(),
        resource_attributes: vec![("deployment.environment.name".to_owned(), "test".to_owned())],
        otlp_endpoint: url,
        otlp_headers: headers.collect(),
        ..telemetry::Settings::default()
    }
}

pub(crate) fn conversation(id: &str) -> Conversation {
    Conversation { id: id.to_owned(), user: format!("caller-of-{id}") }
}

pub(crate) fn start(tracer: &Tracer, session: &str, index: u64) -> TurnSpan {
    let question = &recorded(tracer, QUESTION);
    tracer.turn(&conversation(session), TurnStart { index, question, traceparent: None, began: None })
}

/// A text as the tracer's rules let it be recorded. It is short, so that takes no time.
pub(crate) fn recorded(tracer: &Tracer, text: &str) -> Recorded {
    tracer.privacy().record(&text.into()).now_or_never().expect("a short text is recorded at once")
}

pub(crate) fn messages(tracer: &Tracer) -> RecordedMessages {
    let messages = [Message::new(Role::System, "Be brief."), Message::new(Role::User, QUESTION)];
    let recording = tracer.privacy().record_messages(&messages);
    recording.now_or_never().expect("short texts are recorded at once")
}

pub(crate) fn request_start(messages: &RecordedMessages) -> RequestStart<'_> {
    RequestStart {
        messages,
        model: "gpt-4o-mini",
        server_address: "api.openai.com",
        server_port: 443,
        parameters: vec![
            (key::GEN_AI_REQUEST_TEMPERATURE, 0.7.into()),
            (key::GEN_AI_REQUEST_MAX_TOKENS, 256_u32.into()),
        ],
    }
}

pub(crate) fn answered(text: &Recorded, usage: Usage) -> RequestEnd<'_> {
    RequestEnd {
        failure: None,
        text,
        usage,
        time_to_first_chunk: Some(Duration::from_millis(250)),
        response_model: Some("gpt-4o-mini-2024-07-18"),
        response_id: Some("chatcmpl-1"),
        finish_reasons: &[],
    }
}

pub(crate) const GOOD_ATTEMPT: AttemptEnd<'static> =
    AttemptEnd { failure: None, http_status: Some(200), provider_request_id: Some("req_1") };

pub(crate) fn busy() -> Failure {
    let message = "api.openai.com answered 429 Too Many Requests; wait or raise the limit";
    Failure { class: "429".to_owned(), message: message.to_owned() }
}

/// A turn that succeeded at the first attempt.
pub(crate) fn good(tracer: &Tracer, session: &str, index: u64) {
    let turn = start(tracer, session, index);
    let answer = recorded(tracer, ANSWER);
    let messages = messages(tracer);
    let request = turn.context().request(request_start(&messages));
    request.attempt(0).end(GOOD_ATTEMPT);
    let reasons = ["stop".to_owned()];
    request.end(RequestEnd { finish_reasons: &reasons, ..answered(&answer, USAGE) });
    turn.end(turn_end(TurnOutcome::Answered, &answer, USAGE));
}

pub(crate) fn turn_end(outcome: TurnOutcome, answer: &Recorded, usage: Usage) -> TurnEnd<'_> {
    TurnEnd {
        outcome,
        answer,
        usage,
        discarded: Usage::default(),
        e2e_latency: Some(Duration::from_millis(375)),
        spoken: Default::default(),
    }
}
