//! `/audio/transcriptions`: the request, the oddities of answers, retries and cancellation.

use std::time::{Duration, Instant};

use conversation::Secret;
use scripted_model::{Ended, Ending, Script, ScriptedModel, Step};
use speech_services::hearing::{Settings, Transcriber, Transcript};
use speech_services::{Outcome, Report, Service, Trouble};

use crate::{loud, nowhere, server, since};

type Heard = (Result<Transcript, Trouble>, Report);

fn transcriber(service: Service) -> Transcriber {
    Transcriber::new(&Settings::new(service)).unwrap()
}

async fn heard(service: Service) -> Heard {
    let mut request = transcriber(service).transcribe(&loud(500), 16_000, None);
    let answer = (&mut request).await;
    (answer, request.report())
}

async fn answered(steps: impl IntoIterator<Item = Step>) -> (Heard, ScriptedModel) {
    let (server, service) = server(Script::default().transcriptions(steps)).await;
    (heard(service).await, server)
}

fn said(heard: &Heard) -> &str {
    heard.0.as_ref().unwrap().text.expose()
}

fn trouble(heard: &Heard) -> &Trouble {
    heard.0.as_ref().unwrap_err()
}

#[tokio::test]
async fn the_request_is_a_form_with_a_wav_file() {
    let (server, mut service) = server(Script::default().api_key("sk-1")).await;
    service.api_key = Some(Secret::new("sk-1"));
    let settings = Settings { language: Some("en".into()), verbose: true, ..Settings::new(service) };
    let transcriber = Transcriber::new(&settings).unwrap();
    transcriber.transcribe(&loud(500), 16_000, None).await.unwrap();
    transcriber.transcribe(&loud(250), 48_000, Some("de")).await.unwrap();
    let [first, second] = server.transcriptions().try_into().unwrap();
    let expected = serde_json::json!({"model": "scripted", "language": "en", "response_format": "verbose_json",
        "file": "utterance.wav", "rate": 16_000, "samples": 8_000, "peak": 3_000});
    assert_eq!(first.body, expected);
    assert_eq!((&second.body["language"], &second.body["rate"]), (&"de".into(), &48_000.into()));
    assert_eq!(server.connections(), 1, "the connection is used again");
}

#[tokio::test]
async fn without_a_language_none_is_sent() {
    let (_, server) = answered([Step::reply("hi")]).await;
    let request = &server.transcriptions()[0];
    assert!(request.body["language"].is_null() && !request.headers.contains_key("authorization"));
    assert_eq!(request.body["response_format"], "json");
}

#[tokio::test]
async fn a_transcript_comes_with_its_report() {
    let (heard, _server) = answered([Step::reply(" Good morning. ").delay_ms(50)]).await;
    assert_eq!(said(&heard), "Good morning.");
    let (transcript, report) = (heard.0.as_ref().unwrap(), &heard.1);
    assert_eq!(transcript.request_id.as_deref(), Some("req_scripted_0"));
    assert_eq!(transcript.audio, Some(Duration::from_secs(1)));
    assert_eq!((report.characters, report.audio), (13, Duration::from_millis(500)));
    assert_eq!(report.outcome, Outcome::Complete);
    let [attempt] = report.attempts.as_slice() else { panic!("{report:?}") };
    assert_eq!((attempt.http_status, attempt.request_id.as_deref()), (Some(200), Some("req_scripted_0")));
    let first = report.time_to_first_byte.unwrap();
    assert!(first >= Duration::from_millis(50) && first <= report.ended - report.started, "{first:?}");
}

#[tokio::test]
async fn answers_without_usage_in_plain_text_or_in_pieces_are_read() {
    for step in [
        Step::reply("Good morning.").no_usage(),
        Step::reply("Good morning.").usage(3, 4),
        Step::body(200, "Good morning.\n").header("content-type", "text/plain; charset=utf-8"),
        Step::reply("Good morning.").split_bytes(3).pause_ms(1),
    ] {
        let shown = format!("{step:?}");
        assert_eq!(said(&answered([step]).await.0), "Good morning.", "{shown}");
    }
}

#[tokio::test]
async fn an_empty_text_and_a_doubtful_one_are_nothing() {
    let doubtful = r#"{"text":"Thank you.","segments":[{"no_speech_prob":0.95,"avg_logprob":-1.4}]}"#;
    for step in [Step::reply(" "), Step::body(200, doubtful), Step::body(200, r#"{"text":""}"#)] {
        let heard = answered([step]).await.0;
        assert!(heard.0.as_ref().unwrap().is_nothing(), "{heard:?}");
    }
    let heard = answered([Step::reply("Thank you.")]).await.0;
    assert!(!heard.0.unwrap().is_nothing(), "a person may say it");
}

#[tokio::test]
async fn a_server_error_is_tried_again_and_reported() {
    for step in
        [Step::status(500), Step::status(429).retry_after("0.05"), Step::default().ending(Ending::Drop)]
    {
        let shown = format!("{:?} {:?}", step.status, step.ending);
        let (heard, server) = answered([step, Step::reply("hi")]).await;
        assert_eq!(said(&heard), "hi", "{shown}");
        assert_eq!((server.transcriptions().len(), heard.1.attempts.len()), (2, 2), "{shown}");
        assert!(heard.1.attempts[0].failure.is_some() && heard.1.attempts[1].failure.is_none());
    }
}

#[tokio::test]
async fn retry_after_is_kept_and_one_too_long_gives_up() {
    let started = Instant::now();
    let (heard, _server) = answered([Step::status(429).retry_after("0.3"), Step::reply("hi")]).await;
    assert!(heard.0.is_ok() && since(started) >= Duration::from_millis(300));
    let (heard, server) = answered([Step::status(429).retry_after("60")]).await;
    assert_eq!((trouble(&heard).status, server.transcriptions().len()), (Some(429), 1));
    assert!(trouble(&heard).retryable);
}

#[tokio::test]
async fn a_refusal_is_not_tried_again_and_names_the_remedy() {
    for (status, advice) in [(401, "api_key"), (403, "api_key"), (404, "check model"), (400, "check model")] {
        let (heard, server) = answered([Step::status(status).error("x", "no such thing")]).await;
        let trouble = trouble(&heard);
        assert_eq!((trouble.status, trouble.retryable), (Some(status), false));
        assert_eq!(trouble.failure.class, status.to_string());
        assert!(trouble.failure.message.contains("(no such thing)"), "{trouble:?}");
        assert!(trouble.failure.message.contains(advice), "{trouble:?}");
        assert_eq!(server.transcriptions().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_that_hang_end_within_six_seconds() {
    let (_server, service) = server(Script::default().transcriptions([Step::hang(), Step::hang()])).await;
    let begun = tokio::time::Instant::now();
    let heard = heard(service).await;
    assert_eq!(trouble(&heard).failure.class, "answer_timeout");
    assert_eq!(heard.1.attempts.len(), 2);
    let took = begun.elapsed();
    assert!((Duration::from_millis(5500)..Duration::from_millis(6500)).contains(&took), "{took:?}");
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let (_server, mut service) = server(Script::default().transcriptions([Step::hang(), Step::hang()])).await;
    service.timeout = Duration::from_millis(200);
    let started = Instant::now();
    let heard = heard(service).await;
    assert_eq!(trouble(&heard).failure.class, "answer_timeout");
    assert!(trouble(&heard).failure.message.contains("within 200ms"), "{:?}", heard.0);
    assert!(since(started) < Duration::from_secs(3), "{:?}", since(started));
    assert!(!heard.1.attempts.is_empty());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told() {
    let heard = heard(nowhere()).await;
    let trouble = trouble(&heard);
    assert_eq!((trouble.status, trouble.failure.class.as_str()), (None, "connect"));
    assert!(
        trouble.failure.message.contains("check that the server is up and base_url is right"),
        "{trouble:?}"
    );
    assert_eq!(heard.1.attempts.len(), 2);
}

#[tokio::test]
async fn what_is_no_transcript_is_told() {
    let page = Step::body(200, "<!DOCTYPE html><title>Sign in</title>").header("content-type", "text/html");
    let huge = Step::body(200, "x".repeat(2 << 20)).header("content-type", "text/plain");
    let error = Step::body(200, r#"{"error":{"message":"no model is loaded"}}"#);
    for (step, class) in [(page, "not_a_transcript"), (huge, "too_long"), (error, "provider_error")] {
        let (heard, _server) = answered([step.clone(), step]).await;
        assert_eq!(trouble(&heard).failure.class, class);
    }
}

#[tokio::test]
async fn a_dropped_request_leaves_its_connection_to_the_next() {
    let steps = [Step::reply("old").delay_ms(150), Step::reply("new")];
    let (server, service) = server(Script::default().transcriptions(steps)).await;
    let transcriber = transcriber(service);
    let mut request = transcriber.transcribe(&loud(500), 16_000, None);
    let dropped = tokio::time::timeout(Duration::from_millis(50), &mut request).await;
    assert!(dropped.is_err());
    let report = request.report();
    assert_eq!((report.outcome, report.attempts.len()), (Outcome::Interrupted, 1));
    assert!(report.attempts[0].failure.is_none() && report.attempts[0].http_status.is_none());
    drop(request);
    server.wait_transcriptions(|all| all[0].ended == Ended::Answered).await.unwrap();
    // The client reads the answer a moment after the server has sent it.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let next = transcriber.transcribe(&loud(500), 16_000, None).await.unwrap();
    assert_eq!((next.text.expose(), server.connections()), ("new", 1));
}

#[tokio::test]
async fn of_many_dropped_requests_most_are_closed() {
    let steps = (0..8).map(|_| Step::hang());
    let (server, service) = server(Script::default().transcriptions(steps)).await;
    let transcriber = transcriber(service);
    let requests = (0..8).map(|_| {
        let request = transcriber.transcribe(&loud(100), 16_000, None);
        tokio::spawn(tokio::time::timeout(Duration::from_millis(200), request))
    });
    let requests: Vec<_> = requests.collect();
    server.wait_transcriptions(|all| all.len() == 8).await.unwrap();
    for request in requests {
        assert!(request.await.unwrap().is_err());
    }
    let cut = |all: &[scripted_model::Recorded]| all.iter().filter(|one| one.ended == Ended::Cut).count();
    let all = server.wait_transcriptions(|all| cut(all) >= 4).await.unwrap();
    assert_eq!(cut(&all), 4);
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused() {
    let mut service = nowhere();
    service.api_key = Some(Secret::new("sk-hidden\n"));
    let error = Transcriber::new(&Settings::new(service.clone())).unwrap_err().to_string();
    assert!(error.contains("api_key") && !error.contains("hidden"), "{error}");
    service.api_key = None;
    service.base_url = "ftp://host/v1".parse().unwrap();
    let error = Transcriber::new(&Settings::new(service)).unwrap_err().to_string();
    assert_eq!(error, "base_url = \"ftp://host/v1\" is no http or https URL with a host");
}
