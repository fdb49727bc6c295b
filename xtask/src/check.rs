//! `cargo xtask check`: the fast loop. Format, structure, lints, and the tests that need no server.

mod layers;
mod prose;
mod structure;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use testbed::{Process, process};

use crate::ci::{FORMAT, LINTS};
use crate::harness::{Kind, Program, Tally};
use crate::lanes::side_by_side;
use crate::terminal::Terminal;

/// The longest README.
const README_BYTES: u64 = 9 * 1024;

/// The tests of our WebRTC take longer than all others, and are left to `test`. The features are those of the whole
/// workspace, so that nothing is built twice.
const BUILD: [&str; 9] = [
    "test",
    "--no-run",
    "--workspace",
    "--exclude=libwebrtc",
    "--lib",
    "--test=offline",
    "--locked",
    "--quiet",
    "--message-format=json-render-diagnostics",
];
/// The long run of the fuzz corpus and the browser are left to `test`.
const LEFT_TO_TEST: [&str; 2] = ["fuzz_corpus", "sessions_browser"];
/// Most offline tests wait for time limits.
const OFFLINE_THREADS: &str = "--test-threads=8";
const LONGEST_RUN: Duration = Duration::from_secs(600);

pub(crate) fn run() -> Result<()> {
    let (terminal, started) = (Terminal::detect(), Instant::now());
    let found = findings()?;
    found.iter().for_each(|finding| println!("{finding}"));
    ensure!(found.is_empty(), "{} findings about structure and prose", found.len());
    terminal.step("structure and prose ok");
    for check in [FORMAT, LINTS] {
        check.run(&terminal)?;
    }
    tests(&terminal)?;
    terminal.step(format!("all ok {}", terminal.took(started.elapsed())));
    Ok(())
}

/// Builds the unit tests and the offline tests, then runs their programs at the same time.
fn tests(terminal: &Terminal) -> Result<()> {
    let started = Instant::now();
    terminal.step("unit and offline tests");
    let mut command = testbed::cargo();
    let output = process::run(command.args(BUILD).current_dir(testbed::root()).stdout(Stdio::piped()))?;
    ensure!(output.status.success(), "the tests could not be built");
    let built = terminal.took(started.elapsed());
    let programs = Program::all(&String::from_utf8_lossy(&output.stdout));
    let programs = programs.iter().filter(|program| program.kind != Kind::Binary);
    let logs = tempfile::tempdir()?;
    let tallies = side_by_side(programs.map(|program| || run_tests(program, logs.path())).collect())?;
    let Tally { passed, failed, .. } = tallies.into_iter().sum();
    ensure!(failed == 0, "{failed} tests failed; see above");
    ensure!(passed > 0, "cargo built no tests");
    terminal.step(format!("{passed} tests ok {} (built {built})", terminal.took(started.elapsed())));
    Ok(())
}

/// Runs all tests of a program. The output of one that fails is printed.
fn run_tests(program: &Program, logs: &Path) -> Result<Tally> {
    let log = logs.join(&program.target);
    let mut command = Command::new(&program.path);
    command.current_dir(&program.package).env("CARGO_MANIFEST_DIR", &program.package);
    if program.kind == Kind::TestFile {
        command.arg(OFFLINE_THREADS).args(LEFT_TO_TEST.iter().flat_map(|name| ["--skip", name]));
    }
    let status = Process::spawn(&program.target, &mut command, &log)?.wait(LONGEST_RUN)?;
    let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    let tally = Tally::of(&output);
    if status.is_some_and(|status| status.success()) {
        return Ok(tally);
    }
    println!("{output}");
    Ok(Tally { failed: tally.failed.max(1), ..tally })
}

/// The faults that the text of the tree has, a line each.
fn findings() -> Result<Vec<String>> {
    let mut found = structure::cycles(&testbed::root().join("src"))?;
    found.extend(layers::upward(testbed::root())?);
    found.extend(prose::vague(testbed::root())?);
    let readme = testbed::root().join("README.md").metadata()?.len();
    if readme > README_BYTES {
        found.push(format!("README.md has {readme} bytes and may have {README_BYTES}"));
    }
    Ok(found)
}
