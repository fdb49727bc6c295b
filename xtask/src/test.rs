//! `cargo xtask test`: all tests of the workspace, with one closing line that sums them up.
//!
//! Cargo runs one test program after the other. Here two run at the same time, one of them out of the list of those that
//! mostly wait, which leaves the processors to the other; a few then run alone.

use std::fs;
use std::io::{BufRead, BufReader, IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use testbed::{Process, process};

use crate::harness::{self, Kind, Program, Tally};
use crate::lanes::side_by_side;
use crate::setup;
use crate::terminal::Terminal;

/// Test files that run beside the others, about half of the time that all take. They spend it on time limits, outages and
/// restarts, and use a seventh of a processor; `faults` a third.
const WAITING: [&str; 9] = [
    "export_delivery",
    "faults",
    "network",
    "otlp_signals",
    "outages",
    "privacy",
    "recovery",
    "reload",
    "worker",
];
/// Test files that compare speeds, listen in real time, or bring as much as the machine can carry: they run when nothing else
/// of ours does.
const ALONE: [&str; 5] = ["chaos", "isolation", "lossy_text", "many_rooms", "speech"];

#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Runs only the tests whose path contains this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// All that a test program needs beside itself.
struct Suite {
    environment: Vec<(&'static str, PathBuf)>,
    arguments: Vec<String>,
    logs: PathBuf,
    terminal: Terminal,
    /// Held while somebody prints, so that what belongs together stays together.
    screen: Mutex<()>,
}

/// What came of one test program.
#[derive(Debug, Clone)]
struct Run {
    name: String,
    tally: Tally,
    failures: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let ready = setup::prepare()?;
    testbed::progress("building all tests (up to 15 minutes the first time on 2 cores)");
    let (binaries, mut tests): (Vec<_>, Vec<_>) =
        build()?.into_iter().partition(|it| it.kind == Kind::Binary);
    let binary = |name: &str| {
        let found = binaries.iter().find(|binary| binary.target == name);
        found.map(|binary| binary.path.clone()).with_context(|| format!("cargo built no {name}"))
    };
    let environment = vec![
        ("LIVEKIT_SERVER", ready.livekit_server),
        ("OTELCOL", ready.otelcol),
        ("SCRIPTED_MODEL", binary("scripted-model")?),
        ("VOICE_BENCH", binary("voice-bench")?),
    ];
    let suite = Suite::new(options, environment)?;
    // Cargo names them in the order in which they were built.
    tests.sort_by(|one, other| (&one.package, &one.target).cmp(&(&other.package, &other.target)));
    let (waiting, others): (Vec<_>, Vec<_>) = tests.into_iter().partition(|it| is_among(it, &WAITING));
    let (alone, ordinary): (Vec<_>, Vec<_>) = others.into_iter().partition(|it| is_among(it, &ALONE));
    let lane = |programs: Vec<Program>| {
        let suite = &suite;
        move || programs.iter().map(|program| suite.run(program)).collect::<Result<Vec<_>>>()
    };
    let mut runs = side_by_side(vec![lane(ordinary), lane(waiting)])?.concat();
    runs.extend(lane(alone)()?);
    runs.push(suite.documentation(options)?);
    report(&runs)
}

/// Builds everything that `cargo test` builds, and the programs that some tests start.
fn build() -> Result<Vec<Program>> {
    let mut command = testbed::cargo();
    command
        .args(["build", "--workspace", "--bins", "--tests", "--examples"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(testbed::root());
    let output = process::run(command.stdout(Stdio::piped()))?;
    ensure!(output.status.success(), "the tests could not be built");
    Ok(Program::all(&String::from_utf8_lossy(&output.stdout)))
}

fn is_among(program: &Program, files: &[&str]) -> bool {
    program.kind == Kind::TestFile && files.contains(&program.target.as_str())
}

fn report(runs: &[Run]) -> Result<()> {
    for run in runs {
        for failure in &run.failures {
            println!("FAILED {} {failure}", run.name);
        }
    }
    let Tally { passed, failed, ignored } = runs.iter().map(|run| run.tally).sum();
    if ignored > 0 {
        println!("{ignored} ignored");
    }
    println!("{passed} passed, {failed} failed");
    stdout().flush()?;
    if failed > 0 {
        bail!("{failed} tests failed");
    }
    Ok(())
}

// === impl Suite ===

impl Suite {
    fn new(options: &Options, environment: Vec<(&'static str, PathBuf)>) -> Result<Self> {
        let logs = testbed::target_dir().join("test-logs");
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let colour = if stdout().is_terminal() { "always" } else { "never" };
        let arguments = ["--color", colour].into_iter().chain(options.filter.as_deref());
        let arguments = arguments.map(str::to_owned).collect();
        Ok(Self { environment, arguments, logs, terminal: Terminal::detect(), screen: Mutex::new(()) })
    }

    /// Runs one program as cargo would, and prints what it wrote when it has ended.
    fn run(&self, program: &Program) -> Result<Run> {
        let started = Instant::now();
        let name = name(program);
        let log = self.logs.join(format!("{}.log", name.replace('/', "-")));
        fs::write(&log, "").with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(&program.path);
        command
            .args(&self.arguments)
            .current_dir(&program.package)
            .env("CARGO_MANIFEST_DIR", &program.package);
        command.envs(self.environment.iter().map(|(name, path)| (name, path)));
        let status = Process::spawn(&name, &mut command, &log)?.join()?;
        let output = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        self.print(&name, started.elapsed(), &output)?;
        Ok(Run::read(name, &String::from_utf8_lossy(&output), status))
    }

    fn print(&self, name: &str, took: Duration, output: &[u8]) -> Result<()> {
        let _screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        self.terminal.step(format!("{name} {}", self.terminal.took(took)));
        Ok(stdout().write_all(output)?)
    }

    /// The examples within the documentation, which only cargo can run.
    fn documentation(&self, options: &Options) -> Result<Run> {
        self.terminal.step("examples in the documentation");
        let mut command = testbed::cargo();
        command
            .args(["test", "--workspace", "--doc", "--no-fail-fast"])
            .args(options.filter.iter().flat_map(|filter| ["--", filter]))
            .current_dir(testbed::root());
        let (output, status) = stream(&mut command, &mut stdout())?;
        Ok(Run::read("documentation".to_owned(), &output, status))
    }
}

/// Passes a program's output through while it runs, and keeps it.
fn stream(command: &mut Command, screen: &mut impl Write) -> Result<(String, ExitStatus)> {
    let mut process = Process::attached("cargo test", command.stdout(Stdio::piped()))?;
    let output = process.take_output().context("cargo test has no output")?;
    let mut kept = Vec::new();
    for line in BufReader::new(output).split(b'\n') {
        let line = [&line?[..], b"\n"].concat();
        screen.write_all(&line)?;
        kept.extend(line);
    }
    Ok((String::from_utf8_lossy(&kept).into_owned(), process.join()?))
}

/// `tests/drain`, or what the unit tests are those of.
fn name(program: &Program) -> String {
    let package = program.package.strip_prefix(testbed::root()).unwrap_or(&program.package);
    match program.kind {
        Kind::TestFile => package.join("tests").join(&program.target).display().to_string(),
        Kind::UnitTests | Kind::Binary => format!("{} (unit tests)", program.target),
    }
}

// === impl Run ===

impl Run {
    fn read(name: String, output: &str, status: ExitStatus) -> Self {
        let (mut tally, failures) = (Tally::of(output), harness::failures(output));
        let mut failures: Vec<String> = failures.into_iter().map(str::to_owned).collect();
        if !status.success() && tally.failed == 0 {
            // A test that did not compile, or a test program that died, leaves no count behind.
            tally.failed = 1;
            failures.push(format!("ended with {status}"));
        }
        Self { name, tally, failures }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_counted_nothing_but_failed_is_a_failure() {
        let run = run_script("exit 101");
        assert_eq!(run.tally, Tally { failed: 1, ..Tally::default() });
        assert_eq!(run.failures, ["ended with exit status: 101"]);
        assert!(report(&[run]).is_err());
    }

    #[test]
    fn failed_tests_fail_the_command_and_passed_ones_do_not() {
        let bad = run_script(
            "echo 'test a::b ... FAILED'; echo 'test result: FAILED. 1 passed; 1 failed'; exit 101",
        );
        assert_eq!(bad.failures, ["a::b"]);
        let good = run_script("echo 'test result: ok. 2 passed; 0 failed; 0 ignored'");
        assert_eq!(good.tally.passed, 2);
        assert!(report(std::slice::from_ref(&good)).is_ok());
        assert!(report(&[good, bad]).is_err());
    }

    #[test]
    fn every_file_of_the_lists_is_there_and_in_one_of_them() {
        assert!(WAITING.iter().all(|name| !ALONE.contains(name)));
        for name in WAITING.iter().chain(&ALONE) {
            let file = testbed::root().join("tests").join(name);
            assert!(
                file.with_extension("rs").is_file() || file.join("main.rs").is_file(),
                "no test file {name}"
            );
        }
    }

    /// Not to our own standard output: whoever sums up this very run would count it.
    fn run_script(script: &str) -> Run {
        let (output, status) = stream(Command::new("/bin/sh").args(["-c", script]), &mut Vec::new()).unwrap();
        Run::read("script".to_owned(), &output, status)
    }
}
