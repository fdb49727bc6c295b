//! Streams as real servers send them, over a real socket: all those of `tests/streams`, and similar ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use conversation::Usage;
use scripted_model::{Script, ScriptedModel, Step};
use serde::Deserialize;
use voiced::config;
use voiced::llm::OpenAi;

use crate::llm::support::{Asked, ask, ask_of, config, model};
use crate::support::again;

#[derive(Deserialize)]
struct Case {
    status: u16,
    content_type: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    refused: Option<String>,
    expect: Expect,
}

#[derive(Deserialize)]
struct Expect {
    words: String,
    finish: Option<String>,
    input: Option<u64>,
    output: Option<u64>,
    outcome: String,
    class: Option<String>,
    detail: Option<String>,
}

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/streams");
    let servers = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let files = servers.filter(|path| path.is_dir()).flat_map(|server| std::fs::read_dir(server).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "toml")).collect()
}

fn step(case: &Case, body: &[u8], split_bytes: usize) -> Step {
    let mut step = Step { split_bytes, ..Step::body(case.status, body) };
    if let Some(content_type) = &case.content_type {
        step = step.header("content-type", content_type);
    }
    case.headers.iter().fold(step, |step, (name, value)| step.header(name, value))
}

fn check(case: &Case, asked: &Asked, named: &str) {
    asked.check();
    let expect = &case.expect;
    assert_eq!(asked.text().trim(), expect.words.trim(), "{named}");
    assert_eq!(asked.answer.finish_reason, expect.finish, "{named}");
    let class = expect.class.as_deref().unwrap_or("complete");
    assert_eq!((asked.class(), expect.outcome == "complete"), (class, class == "complete"), "{named}");
    if let (Some(input), Some(output), true) = (expect.input, expect.output, class == "complete") {
        let usage = asked.answer.usage;
        assert_eq!((usage.input, usage.output, usage.estimated), (input, output, false), "{named}");
    }
    assert!(asked.answer.usage.input > 0 || class != "complete", "{named}");
    if let Some(detail) = &expect.detail {
        let detail: Vec<&str> = detail.split_whitespace().collect();
        assert!(asked.message().contains(&detail.join(" ")), "{named}: {}", asked.message());
    }
}

#[tokio::test]
async fn every_stream_of_every_server_is_read_right_over_a_socket() {
    for path in cases() {
        let named = path.display().to_string();
        let case: Case = toml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let body = std::fs::read(path.with_extension("sse")).unwrap();
        for split_bytes in [0, 7] {
            let model = ScriptedModel::start(Script::always(step(&case, &body, split_bytes))).await.unwrap();
            // A busy machine may take longer for a stream than words are held back; a name like this makes the call
            // wait for them.
            let name = if named.contains("only_closed") { "any-r1" } else { "gpt-test" };
            let config = config::Llm { max_attempts: 1, model: name.into(), ..config(&model.base_url()) };
            let asked = ask(&config).await;
            if case.refused.is_none() {
                check(&case, &asked, &named);
            } else {
                let status = case.status.to_string();
                assert_eq!(asked.class(), case.expect.class.clone().unwrap_or(status), "{named}");
            }
        }
    }
}

#[tokio::test]
async fn thoughts_without_a_beginning_are_not_said_in_the_first_reply_of_any_model() {
    let body = "data: {\"choices\":[{\"delta\":{\"content\":\"I wonder.\"}}]}\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"</think>\\n\\nGood \"}}]}\n\n\
        data: {\"choices\":[{\"delta\":{\"content\":\"morning.\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let model = ScriptedModel::start(Script::always(Step::stream(body))).await.unwrap();
    let answerer = OpenAi::new(&config(&model.base_url())).unwrap();
    for _ in 0..3 {
        let asked = ask_of(&answerer).await;
        asked.check();
        assert_eq!((asked.class(), asked.text()), ("complete", "Good morning."));
    }
}

#[tokio::test]
async fn thoughts_that_were_said_are_not_the_answer_and_wait_from_then_on() {
    let slow =
        |content: &str| format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"{content}\"}}}}]}}\n\n");
    let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let body = format!("{}{}{end}", slow("I wonder what to say."), slow("</think>Good morning."));
    let split_bytes = slow("I wonder what to say.").len();
    let late = Step { pause_ms: 600, split_bytes, ..Step::stream(body) };
    let model = ScriptedModel::start(Script::always(late)).await.unwrap();
    let answerer = OpenAi::new(&config(&model.base_url())).unwrap();
    let first = ask_of(&answerer).await;
    assert_eq!(first.deltas.concat(), "I wonder what to say.Good morning.");
    assert_eq!((first.text(), first.answer.thought_bytes), ("Good morning.", "I wonder what to say.".len()));
    let second = ask_of(&answerer).await;
    second.check();
    assert_eq!(second.text(), "Good morning.");
}

#[tokio::test]
async fn thoughts_are_said_where_the_operator_wants_them() {
    let model = model([Step::reply("<think>hm</think> Good morning.")]).await;
    let asked = ask(&config::Llm { show_thinking: true, ..config(&model.base_url()) }).await;
    asked.check();
    assert_eq!(asked.text(), "<think>hm</think> Good morning.");
}

#[tokio::test]
async fn white_space_alone_is_tried_again_and_never_heard() {
    for blank in ["\n", " ", "\n \n\n", "<think>hm</think>\n"] {
        let model = model([Step::reply(blank), Step::reply("Good morning.")]).await;
        let asked = ask(&config(&model.base_url())).await;
        asked.check();
        assert_eq!((asked.text(), asked.answer.attempts.len()), ("Good morning.", 2), "{blank:?}");
    }
}

#[tokio::test]
async fn what_could_not_be_read_is_told_by_name() {
    let body = "data: {\"id\":{},\"usage\":\"many\",\"choices\":[{\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"Hi\"},\
        {\"type\":\"image_url\",\"image_url\":{}}]},\"finish_reason\":\"stop\"}]}\n\ndata: ping\n\ndata: [DONE]\n\n";
    let model = model([Step::stream(body)]).await;
    let asked = ask(&config(&model.base_url())).await;
    assert_eq!((asked.class(), asked.text()), ("complete", "Hi"));
    let skipped: Vec<&str> = asked.answer.skipped.iter().copied().collect();
    assert_eq!(skipped, ["content", "event", "usage"]);
}

#[tokio::test]
async fn a_refusal_in_the_stream_teaches_as_much_as_one_in_its_place() {
    let body = "data: {\"error\":{\"message\":\"Unrecognized request argument supplied: stream_options\",\"code\":400}}\n\n";
    let answers = [Step::stream(body), Step::reply("Good morning."), Step::reply("And you?")];
    let model = model(answers).await;
    let answerer = OpenAi::new(&config::Llm { max_attempts: 1, ..config(&model.base_url()) }).unwrap();
    let asked = ask_of(&answerer).await;
    assert_eq!((asked.class(), asked.text()), ("complete", "Good morning."));
    assert_eq!(asked.answer.attempts.len(), 2);
    assert_eq!(ask_of(&answerer).await.answer.attempts.len(), 1);
    let sent: Vec<bool> =
        model.requests().iter().map(|sent| !sent.body["stream_options"].is_null()).collect();
    assert_eq!(sent, [true, false, false]);
}

#[tokio::test]
async fn a_field_that_the_server_refuses_is_left_out_or_renamed_once_for_all() {
    for (refused, kept) in [
        (&["stream_options"][..], "max_tokens"),
        (&["max_tokens"], "max_completion_tokens"),
        (&["max_tokens", "max_completion_tokens", "stream_options", "temperature"], "model"),
    ] {
        let script = Script::always(Step::reply("Good morning.")).refusing(refused.iter().copied());
        let model = ScriptedModel::start(script).await.unwrap();
        let config = config::Llm {
            max_tokens: Some(50),
            temperature: Some(0.5),
            max_attempts: 1,
            ..config(&model.base_url())
        };
        let answerer = OpenAi::new(&config).unwrap();
        let asked = ask_of(&answerer).await;
        asked.check();
        assert_eq!((asked.class(), asked.text()), ("complete", "Good morning."), "{refused:?}");
        assert_eq!(asked.answer.attempts.len(), refused.len() + 1, "{refused:?}");
        assert_eq!(ask_of(&answerer).await.answer.attempts.len(), 1, "{refused:?}");
        let last = model.requests().pop().unwrap().body;
        assert!(refused.iter().all(|field| last[field].is_null()) && !last[kept].is_null(), "{last}");
    }
}

#[tokio::test]
async fn a_bare_refusal_is_tried_without_usage_and_that_is_remembered() {
    let model =
        ScriptedModel::start(Script::new([Step::body(422, "")]).otherwise(Step::reply("Good morning.")))
            .await
            .unwrap();
    let answerer = OpenAi::new(&config(&model.base_url())).unwrap();
    assert_eq!(ask_of(&answerer).await.text(), "Good morning.");
    assert_eq!(ask_of(&answerer).await.answer.attempts.len(), 1);
    assert!(model.requests()[1..].iter().all(|request| request.body["stream_options"].is_null()));
}

#[tokio::test]
async fn a_wait_that_is_longer_than_ours_is_not_asked_for_in_vain() {
    let google = r#"[{"error":{"code":429,"message":"out of quota for now","status":"RESOURCE_EXHAUSTED",
        "details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34s"}]}}]"#;
    for step in [
        Step::status(429).retry_after("20"),
        Step::status(503).header("retry-after-ms", "198300000"),
        Step::body(429, google).header("content-type", "application/json"),
    ] {
        let model = model([step, Step::reply("too late")]).await;
        let asked = ask(&config(&model.base_url())).await;
        asked.check();
        assert_eq!(asked.answer.attempts.len(), 1, "{}", asked.message());
    }
}

#[tokio::test]
async fn an_interrupted_turn_never_shows_zero_input_tokens() {
    let zeros = "data: {\"choices\":[{\"delta\":{\"content\":\"Good morning to you.\"}}],\
        \"usage\":{\"prompt_tokens\":0,\"completion_tokens\":0}}\n\n";
    let step = Step { pause_ms: 10, split_bytes: 64, ..Step::stream(zeros.repeat(200)) };
    let model = model([step]).await;
    let answerer = OpenAi::new(&config(&model.base_url())).unwrap();
    let mut asking = crate::llm::support::begin(&answerer, 8);
    asking.deltas.recv().await.unwrap();
    asking.cancel.cancel();
    while asking.deltas.recv().await.is_some() {}
    let Usage { input, output, estimated, .. } = asking.task.await.unwrap().usage;
    assert!(input > 0 && output > 0 && estimated, "{input} {output} {estimated}");
}

#[tokio::test]
async fn events_that_say_nothing_take_no_memory() {
    const ALONE: &str = "STREAMS_ALONE";
    if std::env::var_os(ALONE).is_none() {
        // Memory that other tests of this process take is not counted.
        let test = "llm::streams::events_that_say_nothing_take_no_memory";
        again::run(again::program().env(ALONE, "1"), test);
        return;
    }
    let empty = "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"\"}}]}\n\n".repeat(100_000);
    for body in
        [empty.clone(), format!("data: {{\"choices\":[{{\"delta\":{{\"content\":\"Hi\"}}}}]}}\n\n{empty}")]
    {
        let model = model([Step { split_bytes: 1 << 16, ..Step::stream(body) }]).await;
        let before = resident_bytes();
        let limit = std::time::Duration::from_secs(2);
        let limits = config::Llm { max_attempts: 1, total_timeout: limit, ..config(&model.base_url()) };
        let asked = ask(&limits).await;
        assert_ne!(asked.class(), "complete");
        let taken = resident_bytes().saturating_sub(before);
        assert!(taken < 64 << 20, "{} MiB", taken >> 20);
    }
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let kib =
        status.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
    kib.map_or(0, |kib: usize| kib << 10)
}

#[tokio::test]
async fn a_model_that_is_loading_gets_the_longer_limit_until_its_first_token() {
    let slow = || Step::reply("Good morning.").delay_ms(700);
    let model = ScriptedModel::start(Script::always(slow())).await.unwrap();
    let limits = config::Llm {
        first_token_timeout: std::time::Duration::from_millis(300),
        cold_first_token_timeout: std::time::Duration::from_secs(20),
        max_attempts: 1,
        ..config(&model.base_url())
    };
    let answerer = OpenAi::new(&limits).unwrap();
    assert_eq!(ask_of(&answerer).await.class(), "complete");
    let second = ask_of(&answerer).await;
    assert_eq!(second.class(), "first_token_timeout");
    assert!(second.message().contains("loading a model"), "{}", second.message());
}
