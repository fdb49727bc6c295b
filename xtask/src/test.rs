//! `cargo xtask test`: all tests of the workspace, with one closing line that sums them up.

use std::io::{BufRead, BufReader, IsTerminal, Write, stdout};
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context, Result, bail};
use testbed::{Process, tools};

use crate::setup;

#[derive(clap::Args, Default)]
pub(crate) struct Options {
    /// Runs only the tests whose path contains this text.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// What the test harnesses reported, summed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: u32,
    failed: u32,
    ignored: u32,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let ready = setup::prepare()?;
    testbed::progress("building all tests (up to 15 minutes the first time on 2 cores)");
    // Exactly what `cargo test` builds next, so that nothing is built twice; the tests start these programs.
    let programs = ["scripted-model", "voice-bench"];
    let built = tools::cargo_build(&["--workspace", "--bins", "--tests"], &programs)?;
    let mut command = testbed::cargo();
    command
        .args(["test", "--workspace", "--no-fail-fast"])
        .args(["--color", if stdout().is_terminal() { "always" } else { "never" }])
        .args(options.filter.iter().flat_map(|filter| ["--", filter]))
        .current_dir(testbed::root())
        .env("LIVEKIT_SERVER", ready.livekit_server)
        .env("OTELCOL", ready.otelcol)
        .env("SCRIPTED_MODEL", &built[0])
        .env("VOICE_BENCH", &built[1]);
    let (tally, status) = stream(&mut command, &mut stdout())?;
    report(tally, status)
}

/// Passes the harnesses' output through while reading along.
fn stream(command: &mut Command, screen: &mut impl Write) -> Result<(Tally, ExitStatus)> {
    let mut cargo = Process::attached("cargo test", command.stdout(Stdio::piped()))?;
    let output = cargo.take_output().context("cargo test has no output")?;
    let mut tally = Tally::default();
    for line in BufReader::new(output).split(b'\n') {
        let line = line?;
        tally.add(&String::from_utf8_lossy(&line));
        screen.write_all(&[&line[..], b"\n"].concat())?;
    }
    Ok((tally, cargo.join()?))
}

fn report(mut tally: Tally, status: ExitStatus) -> Result<()> {
    if !status.success() && tally.failed == 0 {
        // A test that did not compile, or a test program that died, leaves no count behind.
        tally.failed = 1;
    }
    if tally.ignored > 0 {
        println!("{} ignored", tally.ignored);
    }
    println!("{} passed, {} failed", tally.passed, tally.failed);
    stdout().flush()?;
    if tally.failed > 0 {
        bail!("cargo test ended with {status}");
    }
    Ok(())
}

impl Tally {
    /// Counts a line like `test result: ok. 12 passed; 0 failed; 1 ignored; …`; other lines count nothing.
    fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else {
            return;
        };
        self.passed += count(counts, "passed");
        self.failed += count(counts, "failed");
        self.ignored += count(counts, "ignored");
    }
}

/// The number in front of `word`.
fn count(text: &str, word: &str) -> u32 {
    let words: Vec<&str> = text.split([' ', ';']).filter(|it| !it.is_empty()).collect();
    let place = words.iter().position(|it| *it == word);
    place.and_then(|index| words.get(index.checked_sub(1)?)?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_results_of_all_harnesses() {
        let mut tally = Tally::default();
        for line in [
            "running 3 tests",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.05s",
            "test result: \x1b[31mFAILED\x1b[m. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
            "test names::passed ... ok",
        ] {
            tally.add(line);
        }
        assert_eq!(tally, Tally { passed: 14, failed: 1, ignored: 1 });
    }

    #[test]
    fn a_run_that_counted_nothing_but_failed_is_a_failure() {
        let (tally, status) = stream_script("exit 101");
        assert_eq!(tally, Tally::default());
        assert!(report(tally, status).is_err());
    }

    #[test]
    fn failed_tests_fail_the_command_and_passed_ones_do_not() {
        let (tally, status) =
            stream_script("echo 'test result: FAILED. 1 passed; 1 failed; 0 ignored'; exit 101");
        assert!(report(tally, status).is_err());
        let (tally, status) = stream_script("echo 'test result: ok. 2 passed; 0 failed; 0 ignored'");
        assert!(report(tally, status).is_ok());
    }

    /// Not to our own standard output: whoever sums up this very run would count it.
    fn stream_script(script: &str) -> (Tally, ExitStatus) {
        stream(Command::new("/bin/sh").args(["-c", script]), &mut Vec::new()).unwrap()
    }
}
