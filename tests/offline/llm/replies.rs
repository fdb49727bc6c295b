//! Successful replies, in all the shapes in which providers send them.

use conversation::Usage;
use scripted_model::{Ended, Ending, Reply, Script, ScriptedModel, Step};
use serde_json::json;
use voiced::config;
use voiced::llm::OpenAi;
use voiced::metrics::Metrics;

use crate::llm::support::{KEY, SAID, ask, ask_of, config, model};

#[tokio::test]
async fn a_reply_comes_in_deltas_with_measured_usage() {
    let model = model([Step::reply("one two three").cached_usage(57, 10, 32)]).await;
    let asked = ask(&config(&model.base_url())).await;
    asked.check();
    assert_eq!((asked.class(), asked.text(), asked.deltas.len()), ("complete", "one two three", 3));
    let usage = Usage { input: 57, output: 10, cached_input: Some(32), estimated: false };
    assert_eq!((asked.answer.usage, asked.answer.attempts.len()), (usage, 1));
}

#[tokio::test]
async fn the_request_is_the_one_that_the_api_documents() {
    let model = model([Step::reply("ok"), Step::reply("ok")]).await;
    let plain = config(&model.base_url());
    ask(&plain).await;
    ask(&config::Llm { temperature: Some(0.5), max_tokens: Some(64), api_key: None, ..plain }).await;
    let requests = model.requests();
    let messages = json!([{"role": "system", "content": "Be brief."}, {"role": "user", "content": SAID}]);
    let expected = json!({"model": "gpt-test", "messages": messages, "stream": true,
        "stream_options": {"include_usage": true}});
    assert_eq!(requests[0].body, expected);
    assert_eq!(requests[0].headers["authorization"], format!("Bearer {KEY}"));
    assert_eq!(requests[0].headers["content-type"], "application/json");
    assert_eq!(
        (&requests[1].body["temperature"], &requests[1].body["max_tokens"]),
        (&json!(0.5), &json!(64))
    );
    assert!(!requests[1].headers.contains_key("authorization"));
}

#[tokio::test]
async fn without_reported_usage_it_is_estimated_and_marked() {
    let model = model([Step::reply("twelve bytes").no_usage()]).await;
    let asked = ask(&config(&model.base_url())).await;
    // "Be brief." and the question are 9 and 28 bytes: 3 and 7 tokens, and 4 for each message.
    let usage = Usage { input: 18, output: 3, cached_input: None, estimated: true };
    assert_eq!((asked.class(), asked.answer.usage), ("complete", usage));
}

#[tokio::test]
async fn characters_and_events_that_were_cut_in_two_come_out_whole() {
    for bytes in [1, 2, 3, 7] {
        let text = "Grüße, 你好, 👋🏽!";
        let model = model([Step::reply(text).split_bytes(bytes)]).await;
        let asked = ask(&config(&model.base_url())).await;
        asked.check();
        assert_eq!((asked.class(), asked.text()), ("complete", text), "writes of {bytes}");
    }
}

#[tokio::test]
async fn a_reply_of_a_megabyte_arrives_whole() {
    let model = model([Step::bytes(1_000_000)]).await;
    let asked = ask(&config(&model.base_url())).await;
    asked.check();
    assert_eq!((asked.class(), asked.text().len()), ("complete", 1_000_000));
}

#[tokio::test]
async fn a_reply_is_cut_at_the_limit_between_two_characters_and_the_call_ends() {
    let step = Step { reply: Reply::Text("äöü".repeat(100)), ending: Ending::Stall, ..Step::default() };
    let model = model([step]).await;
    let config = config::Llm { max_reply_bytes: 5, ..config(&model.base_url()) };
    let metrics = Metrics::default();
    let answerer = OpenAi::counted(&config, &metrics).unwrap();
    let asked = ask_of(&answerer).await;
    asked.check();
    assert_eq!((asked.class(), asked.text()), ("complete", "äö"));
    assert!(metrics.text().contains("voiced_llm_replies_cut_total 1\n"), "{}", metrics.text());
    model.wait(|requests| requests[0].ended == Ended::Cut).await.unwrap();
}

#[tokio::test]
async fn turns_share_one_connection() {
    let model = ScriptedModel::start(Script::always(Step::reply("one two"))).await.unwrap();
    let answerer = OpenAi::new(&config(&model.base_url())).unwrap();
    for turn in 1..=3 {
        assert_eq!(ask_of(&answerer).await.class(), "complete", "turn {turn}");
    }
    assert_eq!(model.connections(), 1);
}

#[tokio::test]
async fn a_finished_reply_is_complete_even_if_the_connection_then_breaks() {
    let model = model([Step::reply("one two").ending(Ending::CloseFinished)]).await;
    let asked = ask(&config(&model.base_url())).await;
    assert_eq!((asked.class(), asked.text(), model.requests().len()), ("complete", "one two", 1));
    assert!(asked.answer.usage.estimated);
}
