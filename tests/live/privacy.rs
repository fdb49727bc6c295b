//! All output of a whole run holds no secret, and no conversation text that must not be recorded.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use scripted_model::{Script, Step};

use crate::support::world::{PATIENCE, World};
use crate::support::{again, echo_receiver, world};

/// Every secret that a worker can be given, each with a value that appears nowhere else. A new secret key is added here
/// and in [`Run::start`].
const LLM_KEY: &str = "sk-test-llmkey-5f3a9c7e1b2d4680";
const OTLP_HEADER: &str = "otlpheader-c41d8e02f79a";
const USER_ID_KEY: &str = "useridkey-77b0e13f5a2c";

const CALLER: &str = "ada.lovelace";
const CARD: &str = "4111 1111 1111 1111";
const EMAIL: &str = "ada@example.com";
/// The conversation of the test; none of its words occurs in our own output.
const SAID: &str = "My zebra pays with 4111 1111 1111 1111, write to ada@example.com.";
const ANSWER: &str = "Your giraffe at ada@example.com or +49 170 5550199 got C-123456.";

/// A worker with secrets, and everything it writes.
struct Run {
    world: World,
    secrets: Vec<String>,
    /// The output of the commands.
    printed: String,
}

// === impl Run ===

impl Run {
    async fn start(script: Script) -> Self {
        let world = World::start(script).await;
        let authorization = world.collector.environment()[1].1.clone();
        let secrets = [LLM_KEY, OTLP_HEADER, USER_ID_KEY].map(str::to_owned).into_iter();
        let token = authorization.split_whitespace().last().unwrap().to_owned();
        let secrets = secrets.chain([world.livekit.api_secret().to_owned(), token]).collect();
        Self { world, secrets, printed: String::new() }
    }

    /// `voiced` with all the secrets in its environment.
    fn voiced(&self) -> Command {
        let mut command = self.world.voiced();
        let headers = format!("{},x-stream={OTLP_HEADER}", self.world.collector.environment()[1].1);
        command.env("OPENAI_API_KEY", LLM_KEY).env("OTEL_EXPORTER_OTLP_HEADERS", headers);
        command.env("OTEL_METRICS_EXPORTER", "otlp").env("OTEL_LOGS_EXPORTER", "otlp");
        command.env("VOICED_TELEMETRY__USER_ID_KEY", USER_ID_KEY).env("VOICED_TELEMETRY__USER_ID", "hashed");
        command
    }

    /// Runs a command to its end.
    fn run(&mut self, args: &[&str]) {
        let output = self.voiced().args(args).output().unwrap();
        self.printed += &String::from_utf8_lossy(&output.stdout);
        self.printed += &String::from_utf8_lossy(&output.stderr);
    }

    /// Holds a conversation with a worker that has these settings, and drains it; returns its log.
    async fn converse(&self, room: &str, settings: &[&str], says: &[&str]) -> String {
        self.converse_with(self.voiced(), room, settings, says).await
    }

    async fn converse_with(&self, voiced: Command, room: &str, settings: &[&str], says: &[&str]) -> String {
        let worker = self.world.worker_of(voiced, settings);
        let mut caller = self.world.call_as(room, CALLER).await;
        for said in says {
            caller.say(said, PATIENCE, |_| ()).await.unwrap();
        }
        caller.leave().await;
        worker.wait_for_log("session ended");
        let log = worker.log_file();
        worker.drain();
        fs::read_to_string(log).unwrap()
    }

    /// All output: printed, logged, left in the working directory, or sent to the collector.
    fn everything(&self) -> String {
        let collector = &self.world.collector;
        let files = [collector.file(), collector.metrics_file(), collector.logs_file()];
        let collected = files.map(|file| fs::read_to_string(file).unwrap_or_default()).concat();
        let mut all = self.printed.clone() + &collected;
        read_all(self.world.dir(), &mut all);
        all
    }

    fn assert_nowhere(&self, words: &[&str]) {
        let everything = self.everything();
        let secrets = self.secrets.iter().map(String::as_str);
        secrets.chain(words.iter().copied()).for_each(|word| assert_absent(&everything, word));
    }
}

fn read_all(dir: &Path, all: &mut String) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, all);
        } else {
            all.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
        }
    }
}

fn assert_absent(everything: &str, what: &str) {
    if let Some(at) = everything.find(what) {
        let around: String =
            everything[..at].chars().rev().take(300).collect::<Vec<_>>().into_iter().rev().collect();
        panic!("{what:?} was written after:\n{around}");
    }
}

/// A provider that refuses the first call with our key in its message, the second with the prompt, and then answers.
fn telltale() -> Script {
    let refused = |words: &str| Step::status(400).error("bad", format!("cannot take {words}"));
    Script::new([
        Step::status(401).error("invalid_api_key", format!("Incorrect API key provided: {LLM_KEY}")),
        // Not the exact words of the person, which are never quoted: only the capture mode keeps it out.
        refused("a card like 5555 5555 5555 4444 of someone@example.org, zebra"),
    ])
    .otherwise(Step::reply(ANSWER))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_capture_off_neither_a_secret_nor_a_word_is_left_anywhere() {
    let mut run = Run::start(telltale()).await;
    let off = "telemetry.capture_content=off";
    let log = run.converse("off", &[off], &[SAID, SAID, SAID]).await;
    assert!(log.contains("HTTP 401") && log.contains("HTTP 400") && log.contains("turn answered"), "{log}");
    assert!(log.contains("speaker=\"u_"), "{log}");
    run.world.traces(3);
    let exported = || !run.world.collector.logs().unwrap().is_empty();
    world::wait_until("the log is exported, too", exported, String::new);

    // A receiver that answers with the headers it was sent, in a refusal and in a partial success.
    let receiver = echo_receiver::start();
    let endpoint = format!("telemetry.otlp_endpoint={receiver}");
    let log = run.converse("echo", &[off, &endpoint], &[SAID]).await;
    assert!(log.contains("401 Unauthorized"), "{log}");
    let log = run.converse("echo-partial", &[off, &endpoint], &[SAID]).await;
    assert!(log.contains("rejected"), "{log}");

    run.run(&["config"]);
    run.run(&["config", "--json"]);
    run.run(&["--help"]);
    run.run(&["--set", off, "start", "--set", "telemetry.user_id_key=", "--set", "llm.modle=x"]);
    run.run(&["--set", "telemetry.otlp_headers=broken header", "start"]);
    assert!(
        run.printed.contains("user_id_key = set") && run.printed.contains("unknown key"),
        "{}",
        run.printed
    );

    run.assert_nowhere(&[CALLER, "zebra", "giraffe", CARD, EMAIL, "5555 5555", "example.org", "5550199"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn not_even_what_the_libraries_log_for_developers_holds_a_secret() {
    let run = Run::start(telltale()).await;
    let receiver = echo_receiver::start();
    for (room, format) in [("traced", "text"), ("traced-json", "json")] {
        let mut voiced = run.voiced();
        voiced.env("RUST_LOG", "trace,str0m=debug").args(["--log-format", format]);
        let endpoint = format!("telemetry.otlp_endpoint={receiver}");
        let log = run.converse_with(voiced, room, &[&endpoint], &[SAID, SAID]).await;
        assert!(log.contains("TRACE"), "{log}");
    }
    run.assert_nowhere(&[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_redaction_the_words_are_recorded_and_the_personal_data_is_not() {
    let run = Run::start(telltale()).await;
    let settings = ["telemetry.capture_content=redacted", r"telemetry.redact=C-\d{6}"];
    let log = run.converse("redacted", &settings, &[SAID, SAID, SAID]).await;
    assert!(log.contains("a card like [card] of [email], zebra"), "{log}");
    let traces = run.world.traces(3);
    let refused = &traces[1].root;
    assert!(refused.status_message.contains("[card] of [email]"), "{}", refused.status_message);

    let said = "My zebra pays with [card], write to [email].";
    let answer = "Your giraffe at [email] or [phone] got [redacted].";
    let answered = &traces[2];
    assert_eq!(answered.root.text("livekit.question"), Some(said));
    assert_eq!(answered.root.text("livekit.answer_preview"), Some(answer));
    assert!(answered.root.text("user.id").unwrap().starts_with("u_"), "{:?}", answered.root);
    let request = answered.request.as_ref().unwrap();
    assert_eq!(request.text("llm.output.content"), Some(answer));
    assert!(request.text("gen_ai.output.messages").unwrap().contains(answer));
    for input in ["llm.input", "gen_ai.input.messages"] {
        assert!(request.text(input).unwrap().contains(said), "{input}: {request:?}");
    }
    // The model itself gets the original text.
    let asked = run.world.model.requests().last().unwrap().body.to_string();
    assert!(asked.contains(CARD) && asked.contains(EMAIL), "{asked}");

    run.assert_nowhere(&[CALLER, CARD, EMAIL, "5555 5555", "example.org", "5550199", "C-123456"]);
}

// === panics ===

/// The output of a process that panics with `VOICED_TEST_CAPTURE`.
fn panicked(capture: &str) -> String {
    let mut child = again::program();
    child.env("VOICED_TEST_CAPTURE", capture).env_remove("RUST_LOG").stderr(Stdio::piped());
    let output = again::run(&mut child, "privacy::a_process_that_panics");
    String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout)
}

#[test]
#[ignore = "runs in a process of its own, started by the test below"]
fn a_process_that_panics() {
    use voiced::config::CaptureContent;
    let capture = match std::env::var("VOICED_TEST_CAPTURE").as_deref() {
        Ok("redacted") => CaptureContent::Redacted,
        Ok("full") => CaptureContent::Full,
        _ => CaptureContent::Off,
    };
    let secrets = [conversation::Secret::new(LLM_KEY)].into_iter().collect();
    voiced::log::init(voiced::log::Format::Text, secrets, None);
    voiced::panics::report(capture.into());
    let said = format!("é zebra {EMAIL} {LLM_KEY}");
    let broken = std::panic::catch_unwind(|| said.split_at(1).0.len());
    assert!(broken.is_err());
}

#[test]
fn a_panic_in_the_middle_of_what_was_said_does_not_say_it() {
    for capture in ["off", "redacted", "full"] {
        let log = panicked(capture);
        assert!(log.contains("panicked at ") && log.contains("ERROR"), "{log}");
        assert_absent(&log, LLM_KEY);
        assert_eq!(log.contains("zebra"), capture != "off", "{log}");
        assert_eq!(log.contains(EMAIL), capture == "full", "{log}");
    }
}

/// A user mask that takes nothing away shows what each file is made with.
#[tokio::test(flavor = "multi_thread")]
async fn every_file_of_a_worker_is_for_its_user_alone() {
    let world = World::start(Script::always(Step::echo())).await;
    let voiced = world.voiced();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "umask 0 && exec \"$0\" \"$@\""]).arg(voiced.get_program()).current_dir(world.dir());
    shell.env_clear().envs(voiced.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let state = world.state();
    shell.env("VOICED_STORE__PATH", state.join("record.sqlite"));
    // Nothing listens there, so that what is to be sent stays.
    shell.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9");
    let worker = world.worker_of(shell, &[]);
    let mut caller = world.call("umask").await;
    caller.say("hello", PATIENCE, |_: &str| {}).await.unwrap();
    let waiting = || worker.metric("voiced_export_spans_waiting").is_some_and(|spans| spans >= 3.0);
    world::wait_until("a batch waits", waiting, || worker.log());
    let mut files = Vec::new();
    list(&state, &mut files);
    for suffix in [".sqlite", ".sqlite-wal", ".json", ".otlp", "journal", "lock"] {
        assert!(files.iter().any(|(path, _)| path.ends_with(suffix)), "{suffix} is missing in {files:#?}");
    }
    for (path, mode) in &files {
        let wanted = if Path::new(path).is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode & 0o777, wanted, "{path}");
    }
}

/// What is in a directory and below it, each with its mode.
fn list(directory: &Path, found: &mut Vec<(String, u32)>) {
    use std::os::unix::fs::PermissionsExt;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let metadata = fs::symlink_metadata(&path).unwrap();
        found.push((path.display().to_string(), metadata.permissions().mode()));
        if metadata.is_dir() {
            list(&path, found);
        }
    }
}
