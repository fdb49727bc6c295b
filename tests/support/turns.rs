//! Turns with fixed data, made through the spans API as a session and an LLM call make them.

use std::time::Duration;

use conversation::{Failure, Message, Role, Secret, Text, Usage};
use voiced::attributes as key;
use voiced::telemetry;
use voiced::telemetry::spans::{
    AttemptEnd, Conversation, RequestEnd, RequestStart, Tracer, TurnEnd, TurnOutcome, TurnSpan, TurnStart,
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
    let question = Text::from(QUESTION);
    tracer.turn(&conversation(session), TurnStart { index, question: &question, traceparent: None })
}

pub(crate) fn messages() -> [Message; 2] {
    [Message::new(Role::System, "Be brief."), Message::new(Role::User, QUESTION)]
}

pub(crate) fn request_start(messages: &[Message]) -> RequestStart<'_> {
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

pub(crate) fn answered(text: &Text, usage: Usage) -> RequestEnd<'_> {
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
    let answer = Text::from(ANSWER);
    let messages = messages();
    let request = turn.context().request(request_start(&messages));
    request.attempt(0).end(GOOD_ATTEMPT);
    let reasons = ["stop".to_owned()];
    request.end(RequestEnd { finish_reasons: &reasons, ..answered(&answer, USAGE) });
    turn.end(turn_end(TurnOutcome::Answered, &answer, USAGE));
}

pub(crate) fn turn_end(outcome: TurnOutcome, answer: &Text, usage: Usage) -> TurnEnd<'_> {
    TurnEnd { outcome, answer, usage, e2e_latency: Some(Duration::from_millis(375)) }
}
