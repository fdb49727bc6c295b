//! The recogniser refuses, hangs or answers oddly.

use std::time::Instant;

use scripted_model::Step;

use crate::faults::spoken::{Call, UNDERSTOOD, no_answer_comes};

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_recogniser_refuses() {
    in_vain("stt-401", &[], vec![Step::status(401)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recogniser_that_never_answers() {
    in_vain("stt-hangs", &[], vec![Step::hang(), Step::hang()]).await;
}

/// What was said is lost, and the person is told so.
async fn in_vain(row: &str, settings: &[&str], steps: Vec<Step>) {
    let Some(mut call) = Call::set(settings).await else { return };
    call.world.model.push_transcriptions(steps);
    let asked = Instant::now();
    call.ask_in_vain().await;
    call.worker.wait_for_log("could not be transcribed");
    call.finish(row, asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recogniser_that_asks_for_a_second() {
    answered_all_the_same("stt-429", vec![Step::status(429).retry_after("1")], 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recogniser_that_fails_once() {
    answered_all_the_same("stt-500", vec![Step::status(500)], 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_as_plain_text() {
    let plain = Step::body(200, UNDERSTOOD).header("content-type", "text/plain; charset=utf-8");
    answered_all_the_same("stt-plain-text", vec![plain], 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transcript_without_usage() {
    answered_all_the_same("stt-no-usage", vec![Step::reply(UNDERSTOOD).no_usage()], 1).await;
}

/// The person notices a longer wait at most.
async fn answered_all_the_same(row: &str, steps: Vec<Step>, requests: usize) {
    let Some(mut call) = Call::set(&[]).await else { return };
    let before = call.world.model.transcriptions().len();
    call.world.model.push_transcriptions(steps);
    let asked = Instant::now();
    call.ask().await;
    assert_eq!(call.world.model.transcriptions().len() - before, requests, "{}", call.worker.log());
    call.finish(row, asked).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn speech_without_words() {
    let Some(call) = Call::set(&[]).await else { return };
    let before = call.world.model.requests().len();
    call.world.model.push_transcriptions([Step::reply("")]);
    let asked = Instant::now();
    call.ada.say(&call.question).await;
    no_answer_comes().await;
    assert_eq!(call.world.model.requests().len(), before, "it was a turn");
    call.finish("stt-empty", asked).await;
}
