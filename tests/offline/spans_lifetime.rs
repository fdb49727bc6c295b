//! Parents and ends of spans: the caller's trace, turns that are dropped without an end, many conversations at once.

use std::collections::BTreeMap;
use std::time::Duration;

use conversation::TurnOutcome;
use redaction::Recorded;
use voiced::config::CaptureContent;
use voiced::telemetry::Telemetry;
use voiced::telemetry::attributes::Value;
use voiced::telemetry::recorder::FinishedSpan;
use voiced::telemetry::spans::{RequestEnd, Tracer, TurnStart};

use crate::support::turns::{self, GOOD_ATTEMPT, QUESTION, USAGE};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// The spans that `record` finishes.
fn recorded(record: impl FnOnce(&Tracer)) -> Vec<FinishedSpan> {
    let (telemetry, recorder) = Telemetry::in_memory(CaptureContent::Full);
    record(&telemetry.tracer());
    recorder.spans()
}

fn turn_under(traceparent: &str) -> Vec<FinishedSpan> {
    recorded(|tracer| {
        let question = turns::recorded(tracer, QUESTION);
        let start = TurnStart { index: 0, question: &question, traceparent: Some(traceparent), began: None };
        let turn = tracer.turn(&turns::conversation("RM_1"), start);
        turn.end(turns::turn_end(TurnOutcome::Answered, &question, USAGE));
    })
}

#[test]
fn a_callers_trace_is_joined() {
    let spans = turn_under(&format!("00-{TRACE}-{PARENT}-01"));
    assert_eq!((spans[0].trace_id.as_str(), spans[0].parent_id.as_deref()), (TRACE, Some(PARENT)));
}

#[test]
fn a_caller_who_does_not_sample_is_obeyed() {
    assert_eq!(turn_under(&format!("00-{TRACE}-{PARENT}-00")), []);
}

#[test]
fn an_invalid_traceparent_is_ignored() {
    for text in
        ["", "nonsense", &format!("00-{TRACE}-{PARENT}"), &format!("00-{}-{PARENT}-01", "0".repeat(32))]
    {
        let spans = turn_under(text);
        assert_eq!(spans[0].parent_id, None, "{text}");
        assert_ne!(spans[0].trace_id, TRACE);
    }
}

#[test]
fn spans_without_an_end_are_errors() {
    let spans = recorded(|tracer| {
        let turn = turns::start(tracer, "RM_1", 0);
        let messages = turns::messages(tracer);
        let request = turn.context().request(turns::request_start(&messages));
        let attempt = request.attempt(0);
        drop((attempt, request, turn));
    });
    assert_eq!(spans.len(), 3);
    for span in &spans {
        assert!(span.error.is_some(), "{} is Ok", span.name);
        assert_eq!(span.text("error.type"), Some("aborted"), "{}", span.name);
    }
    assert_eq!(spans[1].int("gen_ai.usage.total_tokens"), Some(0));
    assert_eq!(spans[2].int("livekit.output_tokens"), Some(0));
}

#[tokio::test]
async fn a_cancelled_task_and_a_panic_lose_no_turn() {
    let (telemetry, recorder) = Telemetry::in_memory(CaptureContent::Full);
    let tracer = telemetry.tracer();
    let cancelled = tokio::spawn({
        let turn = turns::start(&tracer, "RM_1", 0);
        async move {
            let _turn = turn;
            std::future::pending::<()>().await;
        }
    });
    cancelled.abort();
    assert!(cancelled.await.unwrap_err().is_cancelled());
    let panicked = tokio::spawn(async move {
        let _turn = turns::start(&tracer, "RM_1", 1);
        panic!("a defect of the test's making");
    });
    assert!(panicked.await.unwrap_err().is_panic());
    let ended: Vec<_> =
        recorder.spans().iter().map(|span| span.text("error.type").map(str::to_owned)).collect();
    assert_eq!(ended, [Some("aborted".to_owned()), Some("aborted".to_owned())]);
}

#[test]
fn children_lie_within_their_parents() {
    let spans = recorded(|tracer| turns::good(tracer, "RM_1", 0));
    let [attempt, request, root] = spans.as_slice() else { panic!("{spans:?}") };
    assert!(root.start <= request.start && request.start <= attempt.start);
    assert!(attempt.end <= request.end && request.end <= root.end);
}

/// Turns of fifty sessions, interleaved on several threads, each with a second attempt that outlives a yield.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn fifty_conversations_at_once_are_never_mixed() {
    const SESSIONS: usize = 50;
    const TURNS: u64 = 10;
    let (telemetry, recorder) = Telemetry::in_memory(CaptureContent::Full);
    let sessions: Vec<_> = (0..SESSIONS)
        .map(|session| tokio::spawn(converse(telemetry.tracer(), format!("RM_{session}"), TURNS)))
        .collect();
    for session in sessions {
        session.await.unwrap();
    }

    let mut traces: BTreeMap<String, Vec<FinishedSpan>> = BTreeMap::new();
    for span in recorder.spans() {
        traces.entry(span.trace_id.clone()).or_default().push(span);
    }
    assert_eq!(traces.len(), SESSIONS * TURNS as usize);
    for spans in traces.values() {
        assert_one_turn(spans);
    }
}

async fn converse(tracer: Tracer, session: String, turns: u64) {
    for index in 0..turns {
        let turn = turns::start(&tracer, &session, index);
        let context = turn.context();
        let (answer, messages) = (turns::recorded(&tracer, &session), turns::messages(&tracer));
        let answering = tokio::spawn({
            let answer = answer.clone();
            async move {
                let request = context.request(turns::request_start(&messages));
                for index in 0..2 {
                    let attempt = request.attempt(index);
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    attempt.end(GOOD_ATTEMPT);
                }
                request.end(RequestEnd { finish_reasons: &[], ..turns::answered(&answer, USAGE) });
            }
        });
        answering.await.unwrap();
        turn.end(turns::turn_end(TurnOutcome::Answered, &answer, USAGE));
    }
}

/// One root, one request under it, two attempts under that, all of one session, whose id is also the text.
fn assert_one_turn(spans: &[FinishedSpan]) {
    let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
    assert_eq!(names, ["llm_request_run", "llm_request_run", "llm_request", "livekit.llm_call"]);
    let (request, root) = (&spans[2], &spans[3]);
    let session = root.attribute("session.id");
    assert!(spans.iter().all(|span| span.attribute("session.id") == session));
    assert!(spans.iter().all(|span| span.attribute("gen_ai.conversation.id") == session));
    assert_eq!(root.attribute("livekit.answer_preview"), session);
    assert_eq!(request.attribute("llm.output.content"), session);
    assert_eq!((&root.parent_id, request.parent_id.as_ref()), (&None, Some(&root.span_id)));
    for (index, attempt) in spans[..2].iter().enumerate() {
        assert_eq!(attempt.parent_id.as_ref(), Some(&request.span_id));
        assert_eq!(attempt.attribute("lk.retry_count"), Some(&Value::Int(index as i64)));
    }
}

#[test]
fn a_number_that_the_previews_end_would_cut_in_two_is_redacted_whole() {
    let (telemetry, recorder) = Telemetry::in_memory(CaptureContent::Redacted);
    let words = "x".repeat(70);
    let tracer = telemetry.tracer();
    let answer = turns::recorded(&tracer, &format!("{words} 4111 1111 1111 1111"));
    let turn = turns::start(&tracer, "RM_1", 0);
    turn.end(turns::turn_end(TurnOutcome::Answered, &answer, USAGE));
    let preview = format!("{words} [card]");
    assert_eq!(recorder.spans()[0].text("livekit.answer_preview"), Some(preview.as_str()));
}

#[test]
fn the_error_of_a_span_holds_no_personal_data_unless_everything_may_be_recorded() {
    let failure = conversation::Failure { class: "500".to_owned(), message: "no ada@example.com".to_owned() };
    for (capture, expected) in [
        (CaptureContent::Full, "no ada@example.com"),
        (CaptureContent::Redacted, "no [email]"),
        (CaptureContent::Off, "no [email]"),
    ] {
        let (telemetry, recorder) = Telemetry::in_memory(capture);
        let turn = turns::start(&telemetry.tracer(), "RM_1", 0);
        turn.end(turns::turn_end(TurnOutcome::Failed(failure.clone()), &Recorded::default(), USAGE));
        assert_eq!(recorder.spans()[0].error.as_deref(), Some(expected), "{capture:?}");
    }
}
