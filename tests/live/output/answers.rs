//! `voiced ask`, whose trace is sent whether or not its output can be written.

use std::time::{Duration, Instant};

use scripted_model::{Ended, Script, ScriptedModel, Step};

use super::end::{End, Ran, run, run_and_leave};
use crate::support::otlp_receiver::{AUTHORIZATION, Mode, Receiver};

const TURN: [&str; 3] = ["livekit.llm_call", "llm_request", "llm_request_run"];
/// Half a minute of words, so that a command that waits for the last one can be told from one that ends with its
/// reader.
const LONG: Duration = Duration::from_secs(30);

struct Place {
    dir: tempfile::TempDir,
    model: ScriptedModel,
    receiver: Receiver,
}

impl Place {
    async fn new(step: Step) -> Self {
        let model = ScriptedModel::start(Script::always(step)).await.unwrap();
        Self { dir: tempfile::tempdir().unwrap(), model, receiver: Receiver::start(Mode::Accept) }
    }

    fn ask(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_voiced"));
        command.current_dir(self.dir.path()).env_clear().arg("ask").args(arguments);
        command.env("OPENAI_BASE_URL", self.model.base_url()).env("OPENAI_API_KEY", "sk-test");
        command.env("OTEL_EXPORTER_OTLP_ENDPOINT", self.receiver.url().as_str());
        command.env("OTEL_EXPORTER_OTLP_HEADERS", format!("Authorization={AUTHORIZATION}"));
        command
    }

    fn run(&self, arguments: &[&str], stdout: End, stderr: End) -> Ran {
        run(self.ask(arguments), stdout, stderr)
    }

    /// Exactly one complete trace came.
    fn assert_traced(&self, told: &str) {
        let mut names = self.receiver.span_names();
        names.sort();
        assert_eq!(names, TURN, "{told}");
    }

    /// The value of a flag on the turn's span.
    fn flag(&self, key: &str) -> bool {
        format!("{:?}", self.receiver.received()).contains(&format!("key: \"{key}\""))
    }
}

fn long_reply() -> Step {
    Step::reply("word ".repeat(300)).pause_ms((LONG.as_millis() / 300) as u64)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_leaves_interrupts_the_answer_and_the_trace_is_sent() {
    let place = Place::new(long_reply()).await;
    let started = Instant::now();
    let ran = run_and_leave(place.ask(&["A long story"]));
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(started.elapsed() < LONG / 2, "it went on for {:?}", started.elapsed());
    place.assert_traced(&ran.stderr);
    assert!(place.flag("lk.interrupted"), "nobody wanted the rest");
    let asked = place.model.wait(|requests| requests.iter().all(|asked| asked.ended == Ended::Cut)).await;
    assert_eq!(asked.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_answer_without_a_reader_is_a_quiet_end() {
    for arguments in [&["hello"][..], &["hello", "--json"]] {
        for stdout in [End::ClosedPipe, End::Nowhere] {
            let place = Place::new(Step::reply("one two")).await;
            let ran = place.run(arguments, stdout, End::Read);
            assert_eq!(ran.code, Some(0), "{arguments:?} with stdout {stdout:?}: {ran:?}");
            assert!(!ran.stderr.contains("ERROR") && !ran.stderr.contains("error:"), "{ran:?}");
            place.assert_traced(&ran.stderr);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_behind_stdout_is_an_error_and_the_trace_is_sent() {
    for arguments in [&["hello"][..], &["hello", "--json"]] {
        let place = Place::new(Step::reply("one two")).await;
        let ran = place.run(arguments, End::FullDisk, End::Read);
        assert_eq!(ran.code, Some(1), "{arguments:?}: {ran:?}");
        assert!(ran.stderr.contains("error: cannot write to stdout: No space left"), "{ran:?}");
        place.assert_traced(&ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_stderr_changes_neither_answer_nor_exit_code() {
    for stderr in [End::ClosedPipe, End::FullDisk, End::Nowhere] {
        let place = Place::new(Step::reply("one two")).await;
        let ran = place.run(&["hello"], End::Read, stderr);
        assert_eq!((ran.code, ran.stdout.as_str()), (Some(0), "one two\n"), "stderr {stderr:?}");
        place.assert_traced(&ran.stderr);

        let place = Place::new(Step::status(401)).await;
        let ran = place.run(&["hello"], End::Read, stderr);
        assert_eq!(ran.code, Some(1), "stderr {stderr:?}: {ran:?}");
        place.assert_traced(&ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_answer_is_a_failure_whether_stdout_is_there_or_not() {
    for stdout in [End::Read, End::ClosedPipe, End::FullDisk, End::Nowhere] {
        let place = Place::new(Step::status(401)).await;
        let ran = place.run(&["hello", "--json"], stdout, End::Read);
        assert_eq!(ran.code, Some(1), "stdout {stdout:?}: {ran:?}");
        assert!(ran.stderr.contains("401"), "{ran:?}");
        place.assert_traced(&ran.stderr);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_on_the_size_of_files_is_an_error_and_the_trace_is_sent() {
    let place = Place::new(Step::reply("one two")).await;
    let ask = place.ask(&["hello"]);
    let mut shell = std::process::Command::new("/bin/sh");
    shell.args(["-c", "ulimit -f 0; exec \"$0\" \"$@\" > answer"]);
    shell.arg(ask.get_program()).args(ask.get_args()).current_dir(place.dir.path());
    shell.env_clear().envs(ask.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = run(shell, End::Read, End::Read);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("error: cannot write to stdout: File too large"), "{ran:?}");
    place.assert_traced(&ran.stderr);
}
