//! The bytes that a client receives, and the record that the server keeps of it.

use std::io;

use scripted_model::{Ended, Ending, Script, ScriptedModel, Step};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

async fn ask(model: &ScriptedModel, path: &str, body: &Value) -> io::Result<TcpStream> {
    let base = model.base_url();
    let address = base.trim_start_matches("http://").trim_end_matches("/v1");
    let mut stream = TcpStream::connect(address).await?;
    let body = body.to_string();
    let head = format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    Ok(stream)
}

async fn answer(model: &ScriptedModel, body: &Value) -> io::Result<String> {
    let mut text = Vec::new();
    ask(model, "/v1/chat/completions", body).await?.read_to_end(&mut text).await?;
    String::from_utf8(text).map_err(io::Error::other)
}

fn question(model: &str) -> Value {
    json!({"model": model, "messages": [{"role": "user", "content": "hello there"}], "stream": true,
        "stream_options": {"include_usage": true}})
}

#[tokio::test]
async fn a_reply_streams_word_by_word_and_ends_with_usage_and_done() {
    let model = ScriptedModel::start(Script::always(Step::reply("one two").usage(7, 2))).await.unwrap();
    let text = answer(&model, &question("m")).await.unwrap();
    let chunks: Vec<Value> = text
        .lines()
        .filter_map(|line| line.strip_prefix("data: "))
        .filter_map(|data| serde_json::from_str(data).ok())
        .collect();
    let said: String =
        chunks.iter().filter_map(|chunk| chunk["choices"][0]["delta"]["content"].as_str()).collect();
    assert_eq!(said, "one two");
    assert_eq!(chunks.last().unwrap()["usage"]["prompt_tokens"], 7);
    assert!(text.contains("data: [DONE]") && text.contains("x-request-id: req_scripted_0"));
    assert_eq!(model.requests()[0].ended, Ended::Answered);
}

#[tokio::test]
async fn usage_is_sent_only_when_asked_for() {
    let model = ScriptedModel::start(Script::always(Step::reply("hi"))).await.unwrap();
    let mut question = question("m");
    question["stream_options"] = Value::Null;
    assert!(!answer(&model, &question).await.unwrap().contains("usage"));
}

#[tokio::test]
async fn without_stream_the_answer_is_one_object() {
    let model = ScriptedModel::start(Script::always(Step::echo())).await.unwrap();
    let mut question = question("m");
    question["stream"] = json!(false);
    let text = answer(&model, &question).await.unwrap();
    let whole: Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
    assert_eq!(whole["choices"][0]["message"]["content"], "You said: hello there");
    assert_eq!(whole["usage"]["total_tokens"], 6);
}

#[tokio::test]
async fn a_client_that_leaves_is_recorded_as_a_cut() {
    for step in [Step::hang(), Step::reply("one two").ending(Ending::Stall).after(1)] {
        let model = ScriptedModel::start(Script::always(step)).await.unwrap();
        let stream = ask(&model, "/v1/chat/completions", &question("m")).await.unwrap();
        model.wait(|requests| requests.len() == 1).await.unwrap();
        assert_eq!(model.in_flight(), 1);
        drop(stream);
        model.wait(|requests| requests[0].ended == Ended::Cut).await.unwrap();
        assert_eq!(model.in_flight(), 0);
    }
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_close_is_a_short_body() {
    for after in [None, Some(1)] {
        let ending = if after.is_none() { Ending::Drop } else { Ending::Reset };
        let mut step = Step::reply("one two").ending(ending);
        step.after = after;
        let model = ScriptedModel::start(Script::always(step)).await.unwrap();
        let failed = answer(&model, &question("m")).await.unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::ConnectionReset);
    }
    let model =
        ScriptedModel::start(Script::always(Step::reply("one two").ending(Ending::Close).after(1))).await;
    let text = answer(&model.unwrap(), &question("m")).await.unwrap();
    assert!(text.contains("one") && !text.ends_with("0\r\n\r\n"), "{text}");
}

#[tokio::test]
async fn keys_and_models_are_checked_when_the_script_knows_them() {
    let script = Script::default().api_key("right").models(["known"]);
    let model = ScriptedModel::start(script).await.unwrap();
    assert!(answer(&model, &question("known")).await.unwrap().starts_with("HTTP/1.1 401"));
    let model = ScriptedModel::start(Script::default().models(["known"])).await.unwrap();
    assert!(answer(&model, &question("unknown")).await.unwrap().starts_with("HTTP/1.1 404"));
}

#[tokio::test]
async fn steps_come_first_then_rules_then_the_model_name() {
    let script = Script::new([Step::status(429).retry_after("3")]).rule("there", Step::reply("ruled"));
    let model = ScriptedModel::start(script).await.unwrap();
    assert!(answer(&model, &question("m")).await.unwrap().contains("retry-after: 3"));
    assert!(answer(&model, &question("m")).await.unwrap().contains("ruled"));
    let model = ScriptedModel::start(Script::default()).await.unwrap();
    assert!(answer(&model, &question("fail-503x1")).await.unwrap().starts_with("HTTP/1.1 503"));
    assert!(answer(&model, &question("fail-503x1")).await.unwrap().starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn models_are_listed_and_described_with_their_ends_to_who_has_the_key() {
    let script = Script::default().models(["one", "meta/two"]).shutdown_date("one", "2027-01-14");
    let model = ScriptedModel::start(script.clone()).await.unwrap();
    let list = get(&model, "/v1/models").await.unwrap();
    assert_eq!((&list["data"][0]["id"], &list["data"][1]["id"]), (&json!("one"), &json!("meta/two")));
    assert_eq!(list["data"][0]["shutdown_date"], "2027-01-14");
    assert_eq!(get(&model, "/v1/models/one").await.unwrap(), list["data"][0]);
    for path in ["/v1/models/meta/two", "/v1/models/meta%2Ftwo"] {
        assert_eq!(get(&model, path).await.unwrap()["shutdown_date"], Value::Null, "{path}");
    }
    assert_eq!(get(&model, "/v1/models/three").await.unwrap()["error"]["code"], "model_not_found");
    let guarded = ScriptedModel::start(script.api_key("right")).await.unwrap();
    assert_eq!(get(&guarded, "/v1/models/one").await.unwrap()["error"]["code"], "invalid_api_key");
}

async fn get(model: &ScriptedModel, path: &str) -> io::Result<Value> {
    let base = model.base_url();
    let address = base.trim_start_matches("http://").trim_end_matches("/v1");
    let mut stream = TcpStream::connect(address).await?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())
        .await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    let (_, body) = text.split_once("\r\n\r\n").unwrap_or_default();
    serde_json::from_str(body).map_err(io::Error::other)
}
