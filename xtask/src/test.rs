//! `cargo xtask test`: all tests of the workspace, with the slowest named and one closing line that sums them up.
//!
//! Cargo runs one test program after the other, and all tests of a program in one process. Here each test of `tests/` is a
//! process of its own, so that none sees what another one did to its process, and several run at the same time.

mod job;
mod queue;
mod run;

use std::fs;
use std::io::{IsTerminal, Write, stdout};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use testbed::{Process, process};

use self::job::{Job, Pace, Selection};
use self::queue::Queue;
use self::run::{Run, report};
use crate::harness::{Kind, Program};
use crate::lanes::side_by_side;
use crate::setup;
use crate::terminal::{Style, Terminal};

/// The number of failed tests that run again by themselves; where more fail, it is not for the moods of the machine.
const MOST_REPEATED: usize = 3;
/// What `--all` runs after the tests.
const BEFORE_A_RELEASE: [&[&str]; 3] = [&["upstream-tests", "--repeat", "3"], &["soak"], &["faults"]];
/// Only a test that hangs runs longer.
const LONGEST_RUN: Duration = Duration::from_secs(1200);

#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Runs only the tests whose path contains this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Runs also what only measures or repeats, as before a release: the tests that are marked `#[ignore = "--all: REASON"]`
    /// and, without a filter, three rounds of livekit's tests, `soak`, and `faults`, which write their reports. Takes two
    /// hours on 2 cores.
    #[arg(long)]
    all: bool,
}

/// All that a test program needs besides itself.
struct Suite {
    environment: Vec<(&'static str, PathBuf)>,
    /// Whether the harnesses print in colour.
    colour: &'static str,
    filter: Option<String>,
    logs: PathBuf,
    terminal: Terminal,
    /// Held while a lane prints, so that the output of one test stays together.
    screen: Mutex<()>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let ready = setup::prepare()?;
    testbed::progress("building all tests (up to 15 minutes the first time on 2 cores)");
    let (binaries, tests): (Vec<_>, Vec<_>) = build()?.into_iter().partition(|it| it.kind == Kind::Binary);
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
    let runs = suite.run_all(job::all(tests, options.selection())?)?;
    report(&runs, &suite.terminal)?;
    if options.all && options.filter.is_none() { measure_and_repeat(&suite.terminal) } else { Ok(()) }
}

/// The long forms, which are commands of their own. Each ends with its own lines.
fn measure_and_repeat(terminal: &Terminal) -> Result<()> {
    for &arguments in &BEFORE_A_RELEASE {
        let command_line = arguments.join(" ");
        terminal.step(format!("cargo xtask {command_line}"));
        let mut command = Command::new(std::env::current_exe()?);
        let status = process::run(command.args(arguments))?.status;
        ensure!(status.success(), "cargo xtask {command_line} failed");
    }
    Ok(())
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

// === impl Options ===

impl Options {
    fn selection(&self) -> Selection<'_> {
        Selection { filter: self.filter.as_deref(), all: self.all }
    }
}

// === impl Suite ===

impl Suite {
    fn new(options: &Options, environment: Vec<(&'static str, PathBuf)>) -> Result<Self> {
        let logs = testbed::target_dir().join("test-logs");
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let colour = if stdout().is_terminal() { "always" } else { "never" };
        let (filter, terminal, screen) = (options.filter.clone(), Terminal::detect(), Mutex::new(()));
        Ok(Self { environment, colour, filter, logs, terminal, screen })
    }

    fn run_all(&self, jobs: Vec<Job>) -> Result<Vec<Run>> {
        let (alone, others): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| job.pace == Pace::Alone);
        let (hears, together) = others.into_iter().partition(|job| job.pace == Pace::Hears);
        let (mut runs, documentation) = thread::scope(|scope| {
            let documentation = scope.spawn(|| self.documentation());
            let runs = self.run_together(together);
            let documentation =
                documentation.join().unwrap_or_else(|_| bail!("the run of the examples panicked"));
            Ok::<_, anyhow::Error>((runs?, documentation?))
        })?;
        runs.extend(self.run_together(hears)?);
        let alone: Result<Vec<_>> = alone.into_iter().map(|job| self.done(job)).collect();
        runs.extend(alone?);
        let mut runs = self.repeat_failed(runs)?;
        runs.push(documentation);
        Ok(runs)
    }

    fn run_together(&self, jobs: Vec<Job>) -> Result<Vec<(Job, Run)>> {
        let queue = Queue::new(jobs);
        let lane = || {
            let jobs = std::iter::from_fn(|| queue.next());
            jobs.map(|(job, _running)| self.done(job)).collect::<Result<Vec<_>>>()
        };
        Ok(side_by_side(vec![lane; Queue::LANES as usize])?.concat())
    }

    fn done(&self, job: Job) -> Result<(Job, Run)> {
        self.run(&job).map(|run| (job, run))
    }

    /// Runs each of a few failed tests once more, with nothing of ours beside it. The report names those that pass then.
    fn repeat_failed(&self, runs: Vec<(Job, Run)>) -> Result<Vec<Run>> {
        let failed = runs.iter().filter(|(_, run)| run.tally.failed > 0).count();
        let again = |(job, run): (Job, Run)| match run.tally.failed {
            0 => Ok(run),
            _ if job.test.is_none() || failed > MOST_REPEATED => Ok(run),
            _ => Ok(run.or(self.run(&job)?)),
        };
        runs.into_iter().map(again).collect()
    }

    /// Runs one job as cargo would, and prints the result.
    fn run(&self, job: &Job) -> Result<Run> {
        let started = Instant::now();
        let log = self.logs.join(format!("{}.log", job.name.replace(['/', ':'], "-")));
        fs::write(&log, "").with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(&job.program.path);
        command.current_dir(&job.program.package).env("CARGO_MANIFEST_DIR", &job.program.package);
        command.args(["--color", self.colour]);
        command.envs(self.environment.iter().map(|(name, path)| (name, path)));
        command.args(job.arguments(self.filter.as_deref()));
        let mut process = Process::spawn(&job.name, &mut command, &log)?;
        let status = process.wait(LONGEST_RUN)?;
        let output = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        let run = Run::read(job.name.clone(), &String::from_utf8_lossy(&output), status, started.elapsed());
        let run = Run { processor: process.processor_time(), ..run };
        self.print(job, &run, &output)?;
        Ok(run)
    }

    /// Prints a line for a test that passed, and the whole output otherwise.
    fn print(&self, job: &Job, run: &Run, output: &[u8]) -> Result<()> {
        let _screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        let took = self.terminal.took_of(run.took, run.processor);
        if job.test.is_some() && run.failures.is_empty() {
            let verdict = if run.tally.passed > 0 { "ok" } else { "ignored" };
            println!("test {} ... {} {took}", run.name, self.terminal.paint(Style::Good, verdict));
            let output = String::from_utf8_lossy(output);
            output.lines().filter(|line| line.starts_with("SKIPPED")).for_each(|line| println!("  {line}"));
            return Ok(stdout().flush()?);
        }
        self.terminal.step(format!("{} {took}", run.name));
        Ok(stdout().write_all(output)?)
    }

    /// The examples within the documentation, which only cargo can run.
    fn documentation(&self) -> Result<Run> {
        let started = Instant::now();
        let name = "examples in the documentation";
        let log = self.logs.join("documentation.log");
        fs::write(&log, "").with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = testbed::cargo();
        command
            .args(["test", "--workspace", "--doc", "--no-fail-fast"])
            .args(self.filter.iter().flat_map(|filter| ["--", filter]))
            .current_dir(testbed::root());
        let mut process = Process::spawn(name, &mut command, &log)?;
        let status = process.wait(LONGEST_RUN)?;
        let output = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        let run = Run::read(name.to_owned(), &String::from_utf8_lossy(&output), status, started.elapsed());
        let run = Run { processor: process.processor_time(), ..run };
        let _screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        self.terminal.step(format!("{name} {}", self.terminal.took(run.took)));
        stdout().write_all(&output)?;
        Ok(run)
    }
}
