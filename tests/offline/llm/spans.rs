//! The spans of a call: one `llm_request`, and an `llm_request_run` for each attempt.

use std::sync::Arc;

use conversation::{Message, Role};
use scripted_model::{Ending, Step};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use voiced::config::CaptureContent;
use voiced::llm::{Answerer, OpenAi, Question};
use voiced::telemetry::Telemetry;
use voiced::telemetry::attributes::Value;
use voiced::telemetry::recorder::FinishedSpan;
use voiced::telemetry::spans::{Conversation, TurnStart};

use crate::llm::support::{SAID, config, model};
use crate::support::turns;

/// The spans of one question, runs first, in the order in which they ended. Cancelled after so many deltas.
async fn spans(base_url: &str, cancel_after: Option<usize>) -> Vec<FinishedSpan> {
    let (telemetry, recorder) = Telemetry::in_memory(CaptureContent::Full);
    let conversation = Conversation { id: "RM_test".into(), user: "ada".into() };
    let tracer = telemetry.tracer();
    let recorded = turns::recorded(&tracer, SAID);
    let start = TurnStart { index: 0, question: &recorded, traceparent: None, began: None };
    let turn = tracer.turn(&conversation, start);
    let cancel = CancellationToken::new();
    let messages = Arc::new([Message::new(Role::User, SAID)]);
    let question = Question { messages, context: turn.context(), cancel: cancel.clone() };
    let (sender, mut deltas) = mpsc::channel(8);
    let asking = tokio::spawn(OpenAi::new(&config(base_url)).unwrap().answer(question, sender));
    let mut heard = 0;
    while deltas.recv().await.is_some() {
        heard += 1;
        if cancel_after == Some(heard) {
            cancel.cancel();
        }
    }
    asking.await.unwrap();
    recorder.spans()
}

fn texts(span: &FinishedSpan, key: &str) -> Vec<String> {
    match span.attribute(key) {
        Some(Value::Texts(texts)) => texts.clone(),
        _ => Vec::new(),
    }
}

#[tokio::test]
async fn a_retried_request_has_a_run_for_each_attempt_with_its_own_end() {
    let good = Step::reply("one two").cached_usage(57, 2, 32).model("gpt-test-2026").finish_reason("stop");
    let model = model([Step::status(429), Step::hang().ending(Ending::Drop), good]).await;
    let spans = spans(&model.base_url(), None).await;
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["llm_request_run", "llm_request_run", "llm_request_run", "llm_request"]);
    let [limited, dropped, good, request] = &spans[..] else { unreachable!() };

    assert!(spans[..3].iter().all(|run| run.parent_id.as_ref() == Some(&request.span_id)));
    let counts = [limited, dropped, good].map(|run| run.int("lk.retry_count"));
    assert_eq!(counts, [Some(0), Some(1), Some(2)]);
    let statuses = [limited, dropped, good].map(|run| run.int("http.response.status_code"));
    assert_eq!(statuses, [Some(429), None, Some(200)]);
    let errors = [limited, dropped, good].map(|run| run.text("error.type"));
    assert_eq!(errors, [Some("429"), Some("connection_lost"), None]);
    assert_eq!(texts(limited, "lk.provider_request_ids"), ["req_scripted_0"]);
    assert_eq!(texts(good, "lk.provider_request_ids"), ["req_scripted_2"]);

    assert_eq!(request.error, None);
    assert_eq!(request.text("gen_ai.request.model"), Some("gpt-test"));
    assert_eq!(request.text("gen_ai.response.model"), Some("gpt-test-2026"));
    assert_eq!(request.text("gen_ai.response.id"), Some("chatcmpl-scripted-2"));
    assert_eq!(texts(request, "gen_ai.response.finish_reasons"), ["stop"]);
    assert_eq!(request.text("server.address"), Some("127.0.0.1"));
    assert_eq!(request.int("gen_ai.usage.cache_read.input_tokens"), Some(32));
    assert_eq!(request.text("llm.output.content"), Some("one two"));
}

#[tokio::test]
async fn an_interrupted_request_and_its_run_are_no_errors() {
    let model = model([Step::reply("one two three").ending(Ending::Stall).after(2)]).await;
    let spans = spans(&model.base_url(), Some(2)).await;
    let [run, request] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((&run.error, &request.error), (&None, &None));
    assert_eq!(run.int("http.response.status_code"), Some(200));
    assert_eq!(request.text("llm.output.content"), Some("one two"));
    assert!(texts(request, "gen_ai.response.finish_reasons").is_empty());
    assert_eq!(request.attribute("livekit.usage_estimated"), Some(&Value::Bool(true)));
}

#[tokio::test]
async fn a_failed_request_says_why_and_counts_no_tokens() {
    let model = model([Step::status(401)]).await;
    let spans = spans(&model.base_url(), None).await;
    let [run, request] = &spans[..] else { panic!("{spans:?}") };
    for span in [run, request] {
        assert_eq!(span.text("error.type"), Some("401"));
        assert!(
            span.error.as_deref().is_some_and(|error| error.contains("[llm] api_key")),
            "{:?}",
            span.error
        );
    }
    assert_eq!(request.int("gen_ai.usage.input_tokens"), Some(0));
    assert_eq!(request.int("gen_ai.usage.output_tokens"), Some(0));
}

#[tokio::test]
async fn a_request_that_broke_off_mid_reply_is_an_error_with_estimated_tokens() {
    let model = model([Step::reply("one two three").ending(Ending::Close).after(2)]).await;
    let spans = spans(&model.base_url(), None).await;
    let [run, request] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!(
        (run.text("error.type"), request.text("error.type")),
        (Some("connection_lost"), Some("connection_lost"))
    );
    assert_eq!(request.int("gen_ai.usage.output_tokens"), Some(2));
    assert_eq!(request.attribute("livekit.usage_estimated"), Some(&Value::Bool(true)));
    assert_eq!(request.text("llm.output.content"), Some("one two"));
}
