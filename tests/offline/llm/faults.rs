//! Each fault of a provider has a class, and a message that says what to do.

use std::time::Duration;

use conversation::Usage;
use scripted_model::{Ended, Ending, Script, ScriptedModel, Step};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use voiced::config;

use crate::llm::support::{KEY, SAID, ask, config, model};

const SHORT: Duration = Duration::from_millis(150);

#[tokio::test]
async fn a_wrong_key_is_told_without_showing_it() {
    let model = ScriptedModel::start(Script::default().api_key("another")).await.unwrap();
    let asked = ask(&config(&model.base_url())).await;
    asked.check();
    assert_eq!((asked.class(), asked.answer.attempts.len()), ("401", 1));
    assert!(asked.message().contains("[llm] api_key"), "{}", asked.message());
    assert!(asked.message().contains(&model.base_url()), "{}", asked.message());
}

#[tokio::test]
async fn an_unknown_model_is_told_by_name() {
    let model = ScriptedModel::start(Script::default().models(["gpt-other"])).await.unwrap();
    let asked = ask(&config(&model.base_url())).await;
    asked.check();
    assert_eq!(asked.class(), "404");
    assert!(
        asked.message().contains("gpt-test") && asked.message().contains("model_not_found"),
        "{}",
        asked.message()
    );
}

#[tokio::test]
async fn a_used_up_quota_is_final() {
    let step = Step::status(429).error("insufficient_quota", "You exceeded your current quota.");
    let model = model([step, Step::reply("too late")]).await;
    let asked = ask(&config(&model.base_url())).await;
    assert_eq!((asked.class(), asked.answer.attempts.len()), ("429", 1));
    assert!(asked.message().contains("billing"), "{}", asked.message());
}

#[tokio::test]
async fn an_error_that_quotes_the_key_or_the_conversation_is_not_repeated() {
    for echo in [format!("invalid key {KEY}"), format!("input: [{{'content': '{SAID}'}}]")] {
        let model = model([Step::status(400).error("bad", echo)]).await;
        let asked = ask(&config(&model.base_url())).await;
        asked.check();
        assert_eq!(asked.class(), "400");
    }
}

#[tokio::test]
async fn silence_before_the_first_token_has_its_own_limit() {
    let model = ScriptedModel::start(Script::always(Step::hang())).await.unwrap();
    let asked = ask(&config::Llm { first_token_timeout: SHORT, ..config(&model.base_url()) }).await;
    asked.check();
    assert_eq!((asked.class(), asked.answer.attempts.len()), ("first_token_timeout", 3));
    assert_eq!(asked.answer.usage, Usage::default());
    model.wait(|requests| requests.iter().all(|request| request.ended == Ended::Cut)).await.unwrap();
}

#[tokio::test]
async fn headers_without_a_token_are_silence_too() {
    let model =
        ScriptedModel::start(Script::always(Step::reply("x").ending(Ending::Stall).after(0))).await.unwrap();
    let asked =
        ask(&config::Llm { first_token_timeout: SHORT, max_attempts: 1, ..config(&model.base_url()) }).await;
    assert_eq!(asked.class(), "first_token_timeout");
}

#[tokio::test]
async fn silence_mid_reply_has_its_own_limit() {
    let model = model([Step::reply("one two three").ending(Ending::Stall).after(2)]).await;
    let asked = ask(&config::Llm { stall_timeout: SHORT, ..config(&model.base_url()) }).await;
    asked.check();
    assert_eq!((asked.class(), asked.text(), asked.answer.attempts.len()), ("stall_timeout", "one two", 1));
    assert!(asked.answer.usage.estimated && asked.answer.usage.input > 0);
    model.wait(|requests| requests[0].ended == Ended::Cut).await.unwrap();
}

#[tokio::test]
async fn a_reply_that_drips_for_ever_ends_with_the_total_limit() {
    let model = model([Step::bytes(1 << 20).pause_ms(20)]).await;
    let asked = ask(&config::Llm { total_timeout: SHORT * 2, ..config(&model.base_url()) }).await;
    asked.check();
    assert_eq!((asked.class(), asked.answer.attempts.len()), ("total_timeout", 1));
}

#[tokio::test]
async fn breaks_mid_reply_are_told_apart_and_keep_what_was_said() {
    for (ending, class) in [
        (Ending::Close, "connection_lost"),
        (Ending::Reset, "connection_lost"),
        (Ending::Malformed, "malformed_stream"),
        (Ending::Error, "provider_error"),
        (Ending::Truncate, "stream_ended_early"),
    ] {
        let model = model([Step::reply("one two three").ending(ending).after(2)]).await;
        let asked = ask(&config(&model.base_url())).await;
        asked.check();
        assert_eq!((asked.class(), asked.text()), (class, "one two"), "{ending:?}");
    }
}

#[tokio::test]
async fn replies_that_stay_empty_fail_as_such() {
    let model = ScriptedModel::start(Script::always(Step::reply(""))).await.unwrap();
    let asked = ask(&config(&model.base_url())).await;
    assert_eq!((asked.class(), asked.answer.attempts.len()), ("empty_reply", 3));
}

#[tokio::test]
async fn a_reply_that_the_filter_held_back_is_final() {
    let model = model([Step::reply("").finish_reason("content_filter"), Step::reply("too late")]).await;
    assert_eq!(ask(&config(&model.base_url())).await.class(), "content_filter");
}

#[tokio::test]
async fn a_web_page_in_place_of_a_stream_is_told_and_final() {
    let model = model([Step::reply("<html>").header("content-type", "text/html; charset=utf-8")]).await;
    let asked = ask(&config(&model.base_url())).await;
    assert_eq!((asked.class(), asked.answer.attempts.len()), ("not_a_stream", 1));
    assert!(asked.message().contains("base_url"), "{}", asked.message());
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_says_where_to() {
    let model = model([Step::status(308).header("location", "https://elsewhere.test/v1")]).await;
    let asked = ask(&config(&model.base_url())).await;
    assert_eq!(asked.class(), "308");
    assert!(asked.message().contains("https://elsewhere.test/v1"), "{}", asked.message());
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_with_its_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    drop(listener);
    let asked = ask(&config(&base_url)).await;
    asked.check();
    assert_eq!((asked.class(), asked.answer.attempts.len()), ("connect", 3));
    assert!(
        asked.message().contains(&base_url) && asked.message().contains("refused"),
        "{}",
        asked.message()
    );
}

#[tokio::test]
async fn a_server_that_accepts_no_connection_meets_the_limit() {
    let (base_url, _queue) = full_backlog().await;
    let asked = ask(&config::Llm { connect_timeout: SHORT, max_attempts: 1, ..config(&base_url) }).await;
    asked.check();
    assert_eq!(asked.class(), "connect_timeout");
}

/// A listener whose queue is full, so that the kernel answers no further connection.
pub(crate) async fn full_backlog() -> (String, (TcpListener, Vec<TcpStream>)) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = tokio::time::timeout(SHORT * 2, TcpStream::connect(address)).await {
        queue.push(stream.unwrap());
    }
    (format!("http://{address}/v1"), (listener, queue))
}
