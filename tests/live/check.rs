//! `voiced check` against real neighbours, working ones and each kind of broken one: its output and its exit code.

use std::net::TcpListener;
use std::process::{Command, Output};
use std::time::SystemTime;

use scripted_model::{Form, Reply, Script, ScriptedModel, SpeechStep, Step};
use serde_json::Value;
use url::Url;

use crate::support::otlp_receiver::{AUTHORIZATION, Mode, Receiver, hanging};
use crate::support::world::{self, AGENT_NAME, PATIENCE, World};

/// No working neighbour comes near these limits, and a test with a dead one does not wait long.
const SHORT: [&str; 7] = [
    "llm.first_token_timeout=4s",
    "llm.cold_first_token_timeout=4s",
    "telemetry.otlp_timeout=4s",
    "llm.connect_timeout=4s",
    "store.path=record.sqlite",
    "telemetry.spool_dir=spool",
    "worker.recovery_dir=rooms",
];
const NAMES: [&str; 13] = [
    "config", "livekit", "clock", "llm", "stt", "tts", "otlp", "metrics", "logs", "spool", "record",
    "recovery", "http",
];
const SIGNALS: [&str; 2] = ["telemetry.metrics=true", "telemetry.logs=true"];
const WRONG_SECRET: &str = "not-the-secret-not-the-secret-not-1";

/// The output of one run.
struct Said {
    code: Option<i32>,
    stdout: String,
    everything: String,
}

impl Said {
    fn of(output: &Output) -> Self {
        let stdout = String::from_utf8(output.stdout.clone()).unwrap();
        let everything = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
        Self { code: output.status.code(), stdout, everything }
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.everything))
    }

    /// The line of one check, which must be the only one of its name.
    fn line(&self, name: &str) -> &str {
        let mut lines = self
            .stdout
            .lines()
            .filter(|line| line.split_whitespace().nth(1) == Some(name))
            .collect::<Vec<_>>();
        assert_eq!(lines.len(), 1, "{name} in {}", self.everything);
        lines.remove(0)
    }

    /// The names of all failed checks.
    fn failed(&self) -> Vec<&str> {
        let lines = self.stdout.lines().filter(|line| line.starts_with("FAIL"));
        lines.filter_map(|line| line.split_whitespace().nth(1)).collect()
    }

    /// Exactly this check failed, with these words in its line, and the exit code says so.
    #[track_caller]
    fn assert_fails(&self, name: &str, words: &[&str]) {
        assert_eq!((self.failed(), self.code), (vec![name], Some(1)), "{}", self.everything);
        for word in words {
            assert!(self.line(name).contains(word), "{word:?} is missing in {}", self.line(name));
        }
    }
}

/// Runs the check with short limits and the endpoints on a free port, without blocking the servers of this test.
async fn check(mut command: Command, settings: &[&str], arguments: &[&str]) -> Said {
    let listen = format!("http.listen=127.0.0.1:{}", testbed::free_port().unwrap());
    let settings = [listen.as_str()].into_iter().chain(SHORT).chain(settings.iter().copied());
    command.env_remove("RUST_LOG").args(settings.flat_map(|setting| ["--set", setting]));
    command.arg("check").args(arguments);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    Said::of(&output)
}

fn one_word() -> Script {
    Script::always(Step { reply: Reply::Text("ready".into()), ..Step::default() })
}

/// The settings of parts that hear and speak at this server.
fn speech(base_url: &str) -> Vec<String> {
    let of = |section: &str| {
        [("provider", "openai"), ("model", "scripted"), ("base_url", base_url), ("timeout", "4s")]
            .map(|(key, value)| format!("{section}.{key}={value}"))
    };
    of("stt").into_iter().chain(of("tts")).collect()
}

/// The outcome of a check whose parts that hear and speak are at a server with this script.
async fn check_speech(world: &World, script: Script, settings: &[&str]) -> Said {
    let server = ScriptedModel::start(script).await.unwrap();
    let speech = speech(&server.base_url());
    let settings: Vec<&str> = speech.iter().map(String::as_str).chain(settings.iter().copied()).collect();
    let said = check(world.voiced(), &settings, &[]).await;
    assert!(server.transcriptions().len() <= 1 && server.speeches().len() <= 1, "one attempt is enough");
    said
}

/// A date so many days from now, in UTC.
fn date(days: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() as i64;
    let when = turn_store::When((now + days * 86_400) * 1_000_000);
    when.exact().split_once('T').unwrap().0.to_owned()
}

/// `voiced` whose traces go to a receiver in this mode.
fn with_receiver(world: &World, mode: Mode) -> Command {
    let mut command = world.voiced();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", Receiver::start(mode).url().as_str());
    command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("Authorization={AUTHORIZATION}"));
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn good_neighbours_are_all_found_good() {
    let world = World::start(one_word()).await;
    let speech = speech(&world.model.base_url());
    let settings: Vec<&str> = SIGNALS.into_iter().chain(speech.iter().map(String::as_str)).collect();
    let said = check(world.voiced(), &settings, &[]).await;
    assert_eq!((said.code, said.failed()), (Some(0), vec![]), "{}", said.everything);
    let names: Vec<_> = said.stdout.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    assert_eq!(names, NAMES);
    let is_good = |line: &str| line.starts_with("ok ") && line.contains(" ms  ");
    assert!(said.stdout.lines().all(is_good), "{}", said.stdout);
    assert_eq!(said.stdout, said.everything, "nothing is said twice");
    for (name, words) in [
        ("livekit", world.livekit.url()),
        ("clock", "agree"),
        ("llm", "the first word after"),
        ("stt", "\"hello\" heard in \"Ready\" after"),
        ("tts", "\"Ready\" in 0.30 s at 24000 Hz"),
    ] {
        assert!(said.line(name).contains(words), "{}", said.line(name));
    }
    assert_eq!((world.model.transcriptions().len(), world.model.speeches().len()), (1, 1));

    for signal in ["metrics", "logs"] {
        assert!(said.line(signal).contains(&format!("/v1/{signal} takes {signal}")), "{}", said.line(signal));
    }
    assert!(world.collector.metrics().unwrap().is_empty() && world.collector.logs().unwrap().is_empty());

    let asked = world.model.requests();
    assert_eq!(asked.len(), 1);
    assert!(asked[0].body["max_tokens"].as_u64().unwrap() <= 16, "{}", asked[0].body);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_probe_span_arrives_can_be_found_and_is_no_turn() {
    let world = World::start(one_word()).await;
    let said = check(world.voiced(), &["telemetry.user_id=plain"], &["--json"]).await;
    let report = said.json();
    let details = &report["checks"][6]["details"];
    let spans = world.collector.wait_for_spans(PATIENCE, |spans| !spans.is_empty()).unwrap();
    assert_eq!(spans.len(), 1, "the call to the model leaves no trace: {spans:?}");
    let probe = &spans[0];
    assert_eq!(probe.name, "voiced.check");
    assert_eq!(details["trace_id"], probe.trace_id.as_str());
    // A view of sessions would list it by its session.
    assert!(probe.attributes.is_empty(), "{:?}", probe.attributes);
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_every_check_with_its_status_time_and_details() {
    let world = World::start(one_word()).await;
    let mut command = world.voiced();
    command.env("LIVEKIT_API_SECRET", WRONG_SECRET);
    let said = check(command, &[], &["--json"]).await;
    assert_eq!(said.code, Some(1));
    let report = said.json();
    assert_eq!(report["ok"], false);
    let checks = report["checks"].as_array().unwrap();
    let of = |key: &str| checks.iter().map(|check| check[key].as_str().unwrap()).collect::<Vec<_>>();
    assert_eq!(of("name"), NAMES);
    let status = ["ok", "fail", "ok", "ok", "skip", "skip", "ok", "skip", "skip", "ok", "ok", "ok", "ok"];
    assert_eq!(of("status"), status, "{report:#}");
    for check in checks {
        assert!(check["seconds"].as_f64().unwrap() >= 0.0 && !check["message"].as_str().unwrap().is_empty());
        let keys: Vec<_> = check.as_object().unwrap().keys().collect();
        assert_eq!(keys.len(), 5, "{keys:?}");
    }
    assert_eq!(checks[3]["details"]["model"], "gpt-5.4-mini");
    assert!(checks[3]["details"]["time_to_first_token_s"].as_f64().is_some());
    assert!(
        !said.everything.contains(WRONG_SECRET) && !said.everything.contains("sk-test"),
        "{}",
        said.everything
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_livekit_that_refuses_or_is_not_there() {
    let world = World::start(one_word()).await;
    let mut command = world.voiced();
    command.env("LIVEKIT_API_SECRET", WRONG_SECRET);
    let said = check(command, &[], &[]).await;
    said.assert_fails("livekit", &["401", "refused API key", "compare livekit.api_key"]);
    assert!(!said.everything.contains(WRONG_SECRET), "{}", said.everything);

    world.livekit.stop();
    let said = check(world.voiced(), &[], &[]).await;
    said.assert_fails("livekit", &["cannot reach LiveKit at", "livekit.url (LIVEKIT_URL)"]);
    assert!(said.line("clock").starts_with("skip"), "{}", said.everything);

    // Accepts and never answers.
    let (_listener, url) = hanging();
    let mut command = world.voiced();
    command.env("LIVEKIT_URL", format!("ws://{}", url.authority()));
    check(command, &[], &[]).await.assert_fails("livekit", &["did not answer within"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_makes_our_tokens_invalid_is_told() {
    let world = World::start(one_word()).await;
    let behind = SystemTime::now() - std::time::Duration::from_secs(3600);
    let date = httpdate::fmt_http_date(behind);
    let answer = move || async move { ([("date", date)], "OK") };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let router = axum::Router::new().route("/", axum::routing::get(answer));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let mut command = world.voiced();
    command.env("LIVEKIT_URL", format!("ws://{address}"));
    let said = check(command, &[], &[]).await;
    assert_eq!((said.failed(), said.code), (vec!["livekit", "clock"], Some(1)), "{}", said.everything);
    for words in ["ahead of that of", "tokens invalid", "NTP"] {
        assert!(said.line("clock").contains(words), "{}", said.line("clock"));
    }
    assert!(said.line("livekit").contains("is livekit.url"), "{}", said.line("livekit"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_refuses_is_unknown_hangs_or_is_not_there() {
    let world = World::start(one_word()).await;
    for (script, words) in [
        (one_word().api_key("another-key"), ["refused our key with HTTP 401", "check [llm] api_key"]),
        (one_word().models(["another-model"]), ["404", "/v1/models offers another-model"]),
        (Script::always(Step::hang()), ["no token from", "[llm] cold_first_token_timeout"]),
    ] {
        let model = ScriptedModel::start(script).await.unwrap();
        let mut command = world.voiced();
        command.env("OPENAI_BASE_URL", model.base_url());
        let said = check(command, &[], &[]).await;
        said.assert_fails("llm", &words);
        assert!(!said.everything.contains("sk-test"), "{}", said.everything);
        assert_eq!(model.requests().len(), 1, "one attempt is enough");
    }
    let mut command = world.voiced();
    command.env("OPENAI_BASE_URL", format!("http://127.0.0.1:{}/v1", testbed::free_port().unwrap()));
    check(command, &[], &[]).await.assert_fails("llm", &["cannot connect to", "[llm] base_url"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_only_thinks_is_warned_of() {
    let step = Step { reply: Reply::Text(String::new()), ..Step::default() };
    let world = World::start(Script::always(step.finish_reason("length"))).await;
    let said = check(world.voiced(), &[], &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.everything);
    assert!(
        said.line("llm").starts_with("warn") && said.line("llm").contains("16 tokens"),
        "{}",
        said.line("llm")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_speech_that_refuse_hang_or_are_not_there_fail() {
    let world = World::start(one_word()).await;
    let hanging =
        Script::default().transcriptions([Step::hang()]).speeches([SpeechStep::answered(Step::hang())]);
    for (script, settings, words) in [
        (Script::default().api_key("other"), &["stt.api_key=sk-7", "tts.api_key=sk-7"][..], "HTTP 401"),
        (Script::default().models(["whisper", "kokoro"]), &[], "/v1/models offers"),
        (hanging, &[], "within 4s"),
    ] {
        let said = check_speech(&world, script, settings).await;
        assert_eq!((said.failed(), said.code), (vec!["stt", "tts"], Some(1)), "{}", said.everything);
        assert!(
            [said.line("stt"), said.line("tts")].iter().all(|line| line.contains(words)),
            "{}",
            said.stdout
        );
        assert!(!said.everything.contains("sk-7"), "{}", said.everything);
    }
    let nowhere = speech(&format!("http://127.0.0.1:{}/v1", testbed::free_port().unwrap()));
    let said = check(world.voiced(), &nowhere.iter().map(String::as_str).collect::<Vec<_>>(), &[]).await;
    assert_eq!((said.failed(), said.code), (vec!["stt", "tts"], Some(1)), "{}", said.everything);
    assert!(
        said.line("stt").contains("cannot connect to") && said.line("tts").contains("tts.base_url is right")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn doubts_about_speech_are_warnings() {
    let world = World::start(one_word()).await;
    let (soon, past) = (date(45), date(-3));
    let deaf = Script::default().transcriptions([Step::reply("")]);
    for (script, settings, stt, tts) in [
        // 8 kHz that are played as 24 kHz.
        (deaf.speeches([SpeechStep::default().rate(8_000)]), &[][..], "heard nothing", "set tts.sample_rate"),
        (Script::default().shutdown_date("scripted", &soon), &[], "in 45 days", "set tts.model to another"),
        (Script::default().shutdown_date("scripted", &past), &[], "set stt.model to another", &past),
    ] {
        let said = check_speech(&world, script, settings).await;
        assert_eq!((said.failed(), said.code), (vec![], Some(0)), "{}", said.everything);
        for (line, words) in [(said.line("stt"), stt), (said.line("tts"), tts)] {
            assert!(line.starts_with("warn") && line.contains(words), "{words:?} is missing in {line}");
        }
    }
    let wav = Script::default().speeches([SpeechStep::default().form(Form::Wav).rate(16_000)]);
    let said = check_speech(&world, wav, &["tts.sample_rate=48000"]).await;
    assert!(
        said.line("tts").contains("tells 16000 Hz") && said.line("stt").starts_with("ok"),
        "{}",
        said.stdout
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn parts_of_speech_without_a_model_or_key_have_the_code_of_that() {
    let world = World::start(one_word()).await;
    let said =
        check(world.voiced(), &["stt.provider=openai", "stt.base_url=http://127.0.0.1:1/v1"], &[]).await;
    assert_eq!((said.failed(), said.code), (vec!["stt"], Some(78)), "{}", said.everything);
    assert!(said.line("stt").contains("VOICED_STT__MODEL") && said.line("tts").starts_with("skip"));
    let mut command = world.voiced();
    command.env_remove("OPENAI_API_KEY");
    let said = check(command, &["tts.provider=openai", "tts.model=m"], &[]).await;
    assert_eq!((said.failed(), said.code), (vec!["tts"], Some(78)), "{}", said.everything);
    assert!(said.line("tts").contains("OPENAI_API_KEY, where tts.base_url is unset"), "{}", said.line("tts"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_refuses_rejects_warns_hangs_or_is_not_there() {
    let world = World::start(one_word()).await;
    let mut command = world.voiced();
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic bm90LXRoZS1wYXNzd29yZA==");
    let said = check(command, &[], &[]).await;
    said.assert_fails("otlp", &["401", "check the credentials in [telemetry] otlp_headers"]);
    assert!(!said.everything.contains("bm90LXRoZS1wYXNzd29yZA"), "{}", said.everything);

    let rejected = with_receiver(&world, Mode::Partial(1, "too old for us"));
    check(rejected, &[], &[])
        .await
        .assert_fails("otlp", &["rejected 1 spans: \"too old for us\"", "ZO_INGEST"]);

    let said = check(with_receiver(&world, Mode::Partial(0, "slow down a little")), &[], &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.everything);
    assert!(said.line("otlp").starts_with("warn") && said.line("otlp").contains("slow down a little"));

    let (_listener, url) = hanging();
    let mut command = world.voiced();
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str());
    check(command, &[], &[]).await.assert_fails("otlp", &["cannot post to", "otlp_endpoint"]);

    world.collector.stop().unwrap();
    let said = check(world.voiced(), &[], &[]).await;
    said.assert_fails("otlp", &["refused", "is the receiver running"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn receivers_of_metrics_and_logs_are_asked_where_they_are() {
    let world = World::start(one_word()).await;
    let said = check(world.voiced(), &[], &[]).await;
    for signal in ["metrics", "logs"] {
        let skipped = format!("telemetry.{signal} is false");
        assert!(
            said.line(signal).starts_with("skip") && said.line(signal).contains(&skipped),
            "{}",
            said.everything
        );
    }

    let receiver = Receiver::start(Mode::Accept);
    let (there, elsewhere) = (receiver.url(), receiver.at("/elsewhere"));
    let settings = |logs: &Url| {
        [SIGNALS[0].to_owned(), SIGNALS[1].to_owned(), format!("telemetry.logs_endpoint={logs}")]
    };
    let mut command = world.voiced();
    command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("Authorization={AUTHORIZATION}"));
    let said = check(command, &settings(&there).each_ref().map(String::as_str), &[]).await;
    // The world's collector has another password.
    assert_eq!((said.failed(), said.code), (vec!["otlp", "metrics"], Some(1)), "{}", said.everything);
    assert!(said.line("metrics").contains("401"), "{}", said.line("metrics"));
    assert!(said.line("logs").contains("takes logs"), "{}", said.line("logs"));

    let said = check(world.voiced(), &settings(&elsewhere).each_ref().map(String::as_str), &[]).await;
    said.assert_fails("logs", &["/elsewhere was answered 404", "logs_endpoint", "logs = false"]);
    assert!(said.line("metrics").contains("takes metrics"), "{}", said.line("metrics"));

    let said = check(world.voiced(), &["telemetry.otlp_endpoint=", SIGNALS[0]], &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.everything);
    assert!(said.line("metrics").starts_with("warn") && said.line("metrics").contains("metrics_endpoint"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_free_ours_already_or_taken() {
    let world = World::start(one_word()).await;
    let worker = world.worker(&["store.path=record.sqlite"]);
    world::wait_until("the record is there", || world.dir().join("record.sqlite").exists(), || worker.log());
    let ours = format!("http.listen=127.0.0.1:{}", worker.http_port);
    let said = check(world.voiced(), &[&ours], &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.everything);
    assert!(said.line("http").contains("listens on") && said.line("http").contains("already"));
    assert!(said.line("record").contains("holds 0 turns"), "{}", said.line("record"));
    let other = "worker.agent_name=another";
    let said = check(world.voiced(), &[&ours, other], &[]).await;
    said.assert_fails("http", &[AGENT_NAME, "another agent", "http.listen"]);

    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    std::thread::spawn(move || taken.incoming().for_each(drop));
    let said = check(world.voiced(), &[&format!("http.listen={address}")], &[]).await;
    said.assert_fails("http", &["in use", "http.listen (VOICED_HTTP__LISTEN)"]);

    let said = check(world.voiced(), &["http.listen=off", "telemetry.otlp_endpoint="], &[]).await;
    assert_eq!(said.code, Some(0), "{}", said.everything);
    assert!(
        said.line("http").starts_with("skip") && said.line("otlp").starts_with("warn"),
        "{}",
        said.everything
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_configuration_has_its_own_exit_code() {
    let world = World::start(one_word()).await;
    let said = check(world.voiced(), &["llm.modle=x"], &[]).await;
    assert_eq!(said.code, Some(78), "{}", said.everything);
    assert!(said.everything.contains("llm.model"), "{}", said.everything);

    // A missing setting is named in the line of its check, and the other checks run all the same.
    let mut command = world.voiced();
    command.env_remove("LIVEKIT_API_SECRET");
    let said = check(command, &[], &[]).await;
    assert_eq!((said.failed(), said.code), (vec!["livekit"], Some(78)), "{}", said.everything);
    assert!(said.line("livekit").contains("LIVEKIT_API_SECRET"), "{}", said.line("livekit"));
    assert!(said.line("llm").starts_with("ok"), "{}", said.everything);
}
