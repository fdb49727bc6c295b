//! The finding of `voiced check` about a model whose shutdown date is announced, and about one that its provider does
//! not know. No answer to the questions about models fails a check.

use std::convert::Infallible;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use scripted_model::{Reply, Script, ScriptedModel, Step};
use serde_json::{Value, json};

const KEY: &str = "sk-test-0123456789";
const MODEL: &str = "gpt-5.4-mini";
/// More than all questions about models may take, and less than a check may take.
const SOON: Duration = Duration::from_secs(15);

/// The finding about the model at this base URL; the check has no other neighbour.
async fn finding(base_url: &str, settings: &[&str]) -> Value {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_voiced"));
    command.current_dir(directory.path()).env_clear();
    command.env("OPENAI_BASE_URL", base_url).env("OPENAI_API_KEY", KEY);
    command.args(["--set", "http.listen=off"]).args(settings.iter().flat_map(|setting| ["--set", setting]));
    command.args(["check", "--json"]);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(!said.contains(KEY), "{said}");
    let report: Value = serde_json::from_str(&said).unwrap();
    let checks = report["checks"].as_array().unwrap();
    checks.iter().find(|check| check["name"] == "llm").unwrap().clone()
}

async fn scripted(script: Script) -> Value {
    let model = ScriptedModel::start(script).await.unwrap();
    finding(&model.base_url(), &[]).await
}

fn one_word() -> Script {
    Script::always(Step { reply: Reply::Text("ready".into()), ..Step::default() })
}

/// A date so many days from now, in UTC.
fn date(days: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    let when = turn_store::When((now + days * 86_400) * 1_000_000);
    when.exact().split_once('T').unwrap().0.to_owned()
}

#[track_caller]
fn assert_says(finding: &Value, status: &str, words: &[&str]) {
    assert_eq!(finding["status"], status, "{finding:#}");
    let message = finding["message"].as_str().unwrap();
    for word in words {
        assert!(message.contains(word), "{word:?} is missing in {message:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_ends_within_ninety_days_is_warned_of() {
    let (soon, later) = (date(45), date(200));
    let found = scripted(one_word().shutdown_date(MODEL, &soon)).await;
    assert_says(&found, "warn", &["answers", &soon, "in 45 days", "set [llm] model to another"]);
    assert_eq!(found["details"]["shutdown_date"], soon);
    let found = scripted(one_word().shutdown_date(MODEL, &later)).await;
    assert_says(&found, "ok", &["answers"]);
    assert_eq!(found["details"]["shutdown_date"], later);
    assert!(!found["message"].as_str().unwrap().contains(&later), "{found}");
    let found = scripted(one_word().shutdown_date("another-model", &soon)).await;
    assert_says(&found, "ok", &["answers"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_whose_end_has_passed_fails_whether_it_still_answers_or_not() {
    let past = date(-3);
    let found = scripted(one_word().shutdown_date(MODEL, &past)).await;
    assert_says(&found, "fail", &["answers", &past, "set [llm] model to another"]);
    let gone = Script::always(Step::status(404).error("model_not_found", "it has been deprecated"));
    let found = scripted(gone.shutdown_date(MODEL, &past)).await;
    assert_says(&found, "fail", &["404", "it has been deprecated", &past, "set [llm] model to another"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_model_is_named_with_those_that_there_are_nearest_first() {
    let found = scripted(one_word().models(["whisper-9", "gpt-5.4-nano", "gpt-6.1-sol"])).await;
    let words =
        ["404", "[llm] model = \"gpt-5.4-mini\"", "/v1/models offers gpt-5.4-nano, gpt-6.1-sol, whisper-9"];
    assert_says(&found, "fail", &words);
    assert_eq!(found["details"]["offered"], json!(["gpt-5.4-nano", "gpt-6.1-sol", "whisper-9"]));

    let many: Vec<String> =
        (0..2_000).map(|number| format!("model-{number}-\u{1b}[2J\u{9b}{}", "x".repeat(500))).collect();
    let names = many.iter().map(String::as_str).chain(["gpt-5.4-mini-2026-03-17"]);
    let found = scripted(one_word().models(names)).await;
    assert_says(&found, "fail", &["offers gpt-5.4-mini-2026-03-17, model-", "and 1993 more"]);
    let message = found["message"].as_str().unwrap();
    assert!(message.len() < 2_000 && !message.contains(char::is_control), "{message:?}");
    assert_eq!(found["details"]["offered"].as_array().unwrap().len(), 8);
}

/// A server's answer about its models.
type Say = fn(Uri, HeaderMap) -> Response;

/// A server whose model answers with this status, and which answers questions about its models with `say`.
async fn server(status: StatusCode, say: Say) -> String {
    let chat = move || async move {
        let chunk = |delta: Value, finish: Value| {
            format!(
                "data: {}\n\n",
                json!({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}]})
            )
        };
        let stream = chunk(json!({"content": "ready"}), Value::Null) + &chunk(json!({}), "stop".into());
        match status {
            StatusCode::OK => {
                ([("content-type", "text/event-stream")], stream + "data: [DONE]\n\n").into_response()
            }
            status => (status, axum::Json(json!({"error": {"message": "Model Not Exist"}}))).into_response(),
        }
    };
    let models = any(move |uri: Uri, headers: HeaderMap| async move { say(uri, headers) });
    let router = Router::new().route("/v1/chat/completions", post(chat)).fallback(models);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}/v1", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    base_url
}

fn endless(bytes: Bytes, pause: Duration) -> Body {
    Body::from_stream(futures::stream::unfold((), move |()| {
        let bytes = bytes.clone();
        async move {
            tokio::time::sleep(pause).await;
            Some((Ok::<_, Infallible>(bytes), ()))
        }
    }))
}

/// Useless answers about models: missing, odd, of another kind, slow, huge, refused.
const NOTHING_SAID: &[(&str, Say)] = &[
    ("no such page", |_, _| StatusCode::NOT_FOUND.into_response()),
    ("another key is wanted", |_, _| StatusCode::UNAUTHORIZED.into_response()),
    ("broken", |_, _| (StatusCode::INTERNAL_SERVER_ERROR, "<html>no</html>").into_response()),
    ("a web page", |_, _| axum::response::Html("<!doctype html><title>models</title>").into_response()),
    ("elsewhere", |_, _| axum::response::Redirect::permanent("http://127.0.0.1:1/").into_response()),
    ("nothing at all", |_, _| StatusCode::OK.into_response()),
    ("null", |_, _| "null".into_response()),
    ("a number", |_, _| "7".into_response()),
    ("half of a list", |_, _| r#"{"data":[{"id":"gpt"#.into_response()),
    ("deeper than any list", |_, _| "[".repeat(100_000).into_response()),
    ("not UTF-8", |_, _| b"{\"data\":[\"\xff\xfe\"]}".to_vec().into_response()),
    ("an odd date", |_, _| r#"{"id":"gpt-5.4-mini","shutdown_date":"soon \u001b[2J"}"#.into_response()),
    ("a date of another type", |_, _| {
        r#"{"id":"gpt-5.4-mini","shutdown_date":{"year":2020}}"#.into_response()
    }),
    ("a number for a date", |_, _| r#"{"id":"gpt-5.4-mini","shutdown_date":1}"#.into_response()),
    ("no date", |_, _| r#"{"id":"gpt-5.4-mini","shutdown_date":null}"#.into_response()),
    ("a list of odd things", |_, _| r#"{"data":[null,7,[],{"id":{}},{"id":[1]},{}]}"#.into_response()),
    ("a byte now and then", |_, _| {
        endless(Bytes::from_static(b" "), Duration::from_millis(200)).into_response()
    }),
    ("no end", |_, _| endless(Bytes::from(vec![b' '; 1 << 20]), Duration::ZERO).into_response()),
];

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_of_models_fails_the_check_of_one_that_answers() {
    for (what, say) in NOTHING_SAID {
        let base_url = server(StatusCode::OK, *say).await;
        let started = Instant::now();
        let found = finding(&base_url, &[]).await;
        assert_says(&found, "ok", &["gpt-5.4-mini at", "answers"]);
        assert!(started.elapsed() < SOON, "{what}: {:?}", started.elapsed());
        assert_eq!(found["details"].get("shutdown_date"), None, "{what}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_said_of_models_changes_what_is_said_of_one_that_is_refused() {
    for (what, say) in NOTHING_SAID {
        let base_url = server(StatusCode::BAD_REQUEST, *say).await;
        let started = Instant::now();
        let found = finding(&base_url, &[]).await;
        assert_says(&found, "fail", &["400", "Model Not Exist"]);
        assert!(started.elapsed() < SOON, "{what}: {:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_and_never_answers_about_models_holds_up_little() {
    let silent =
        server(StatusCode::OK, |_, _| endless(Bytes::new(), Duration::from_secs(3600)).into_response());
    let started = Instant::now();
    assert_says(&finding(&silent.await, &[]).await, "ok", &["answers"]);
    assert!(started.elapsed() < SOON, "{:?}", started.elapsed());
}

/// Only the list knows the models: there is no page for each of them.
fn only_a_list(uri: Uri, headers: HeaderMap) -> Response {
    assert_eq!(headers["authorization"], format!("Bearer {KEY}").as_str());
    match uri.path() {
        "/v1/models" => {
            let ending =
                json!({"id": "models/gpt-5.4-mini", "shutdown_date": format!("{}T08:00:00Z", date(9))});
            axum::Json(json!({"data": [{"id": "another"}, ending]})).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_end_is_found_in_the_list_where_models_have_no_page_of_their_own() {
    let base_url = server(StatusCode::OK, only_a_list).await;
    let found = finding(&base_url, &[]).await;
    assert_says(&found, "warn", &["answers", &date(9), "in 9 days"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_with_a_slash_in_its_name_has_a_page_of_its_own() {
    let say = |uri: Uri, _: HeaderMap| match uri.path() {
        "/v1/models/meta%2Fllama%20%3F" => {
            axum::Json(json!({"id": "meta/llama ?", "shutdown_date": date(1)})).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    };
    let base_url = server(StatusCode::OK, say).await;
    assert_says(&finding(&base_url, &["llm.model=meta/llama ?"]).await, "warn", &["in 1 day:"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_that_names_no_model_is_explained_only_by_a_list_without_it() {
    let without = |_: Uri, _: HeaderMap| r#"["deepseek-chat", "deepseek-reasoner"]"#.into_response();
    let found = finding(&server(StatusCode::BAD_REQUEST, without).await, &[]).await;
    assert_says(&found, "fail", &["Model Not Exist", "/v1/models offers deepseek-"]);
    let with = |_: Uri, _: HeaderMap| r#"{"models": [{"name": "gpt-5.4-mini:latest"}]}"#.into_response();
    let found = finding(&server(StatusCode::BAD_REQUEST, with).await, &[]).await;
    assert!(!found["message"].as_str().unwrap().contains("/v1/models"), "{found}");
    let found = finding(&server(StatusCode::NOT_FOUND, with).await, &[]).await;
    assert_says(&found, "fail", &["404", "/v1/models lists it"]);
    let none = |_: Uri, _: HeaderMap| r#"{"object": "list", "data": []}"#.into_response();
    let found = finding(&server(StatusCode::NOT_FOUND, none).await, &[]).await;
    assert_says(&found, "fail", &["404", "/v1/models offers no model"]);
}
