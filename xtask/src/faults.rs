//! `cargo xtask faults`: runs the test of each fault in `tests/faults.toml` alone, several times, and writes the table of
//! what they measured into README.md and docs/faults.md.

mod catalogue;
mod measured;
mod table;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use tempfile::TempDir;
use testbed::{Process, process};

use self::catalogue::{Catalogue, Fault};
use self::measured::Measurement;
use self::table::{Figures, Table};
use crate::setup;
use crate::terminal::{Style, Terminal};

/// Past this only a test that hangs is still running.
const LONGEST_RUN: Duration = Duration::from_secs(600);
/// Where the worker's test finds the file to report to.
const FILE: &str = "VOICED_FAULTS";
const MODEL: &str = "scripted-model";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each test is run; the table shows the median.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    runs: u32,
    /// Runs only the rows whose name, test or text contains this; the others keep their figures.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
}

/// What running the tests takes.
struct Bench {
    /// The programs of the tests, by target.
    programs: BTreeMap<String, PathBuf>,
    environment: Vec<(&'static str, PathBuf)>,
    directory: TempDir,
    terminal: Terminal,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let catalogue = Catalogue::read()?;
    let chosen = catalogue.matching(options.filter.as_deref())?;
    let bench = Bench::set_up(&chosen)?;
    let mut table = Table::read(&catalogue)?;
    let mut failed = Vec::new();
    for fault in &chosen {
        match bench.measure(fault, fault.runs.unwrap_or(options.runs)) {
            Ok(figures) => table.put(&fault.row, figures),
            Err(error) => {
                bench.terminal.step(bench.terminal.paint(Style::Bad, format!("{}: {error:#}", fault.row)));
                failed.push(fault.row.as_str());
            }
        }
    }
    println!("\n{}", table.wide());
    table.write()?;
    ensure!(
        failed.is_empty(),
        "no figures for {}: see above; the others are in the table",
        failed.join(", ")
    );
    Ok(())
}

// === impl Bench ===

impl Bench {
    fn set_up(faults: &[&Fault]) -> Result<Self> {
        let ready = setup::prepare()?;
        testbed::progress("building the tests of the faults");
        let mut programs = build(faults)?;
        let model = programs.remove(MODEL).context("cargo built no model")?;
        let directory = tempfile::Builder::new().prefix("faults-").tempdir()?;
        let environment = vec![
            ("LIVEKIT_SERVER", ready.livekit_server),
            ("OTELCOL", ready.otelcol),
            ("SCRIPTED_MODEL", model),
        ];
        Ok(Self { programs, environment, directory, terminal: Terminal::detect() })
    }

    fn measure(&self, fault: &Fault, runs: u32) -> Result<Figures> {
        let measured = (1..=runs).map(|run| self.run(fault, run)).collect::<Result<Vec<_>>>()?;
        let figures = Figures::of(&measured);
        self.terminal.step(format!("{}: {figures}", fault.row));
        Ok(figures)
    }

    /// One run, alone on the machine as far as that is ours to say.
    fn run(&self, fault: &Fault, run: u32) -> Result<Measurement> {
        let place = |extension: &str| self.directory.path().join(format!("{}-{run}.{extension}", fault.row));
        let (report, log) = (place("jsonl"), place("log"));
        let (target, test) = fault.target_and_test()?;
        let program = self.programs.get(target).with_context(|| format!("no test program {target}"))?;
        let mut command = Command::new(program);
        command.args([test, "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
        command.current_dir(testbed::root()).env("CARGO_MANIFEST_DIR", testbed::root());
        command.envs(self.environment.iter().map(|(name, path)| (name, path))).env(FILE, &report);
        let mut process = Process::spawn(test, &mut command, &log)?;
        match process.wait(LONGEST_RUN)? {
            Some(status) if status.success() => {}
            Some(status) => bail!("run {run} ended with {status}; {}", process.log_tail()),
            None => bail!("run {run} hangs; {}", process.log_tail()),
        }
        let reported = Measurement::read(&report, &fault.row)?;
        reported.with_context(|| {
            format!("run {run} reported nothing: is {test} a test that can run here? {}", process.log_tail())
        })
    }
}

/// Builds the tests that the faults name, once, and the model that some of them start; returns the programs by target.
fn build(faults: &[&Fault]) -> Result<BTreeMap<String, PathBuf>> {
    let mut targets =
        faults.iter().map(|fault| Ok(fault.target_and_test()?.0)).collect::<Result<Vec<_>>>()?;
    targets.sort_unstable();
    targets.dedup();
    let mut command = testbed::cargo();
    // As `cargo xtask test` builds them, so that nothing is built twice for other features.
    command.args(["build", "--workspace", "--message-format=json-render-diagnostics", "--bin", MODEL]);
    command.args(targets.iter().flat_map(|target| ["--test", target])).current_dir(testbed::root());
    let output = process::run(command.stdout(Stdio::piped()))?;
    ensure!(output.status.success(), "the tests could not be built");
    let messages = String::from_utf8_lossy(&output.stdout);
    Ok(messages.lines().filter_map(program).collect())
}

/// The target and the program of one of cargo's messages, when it is about a program.
fn program(message: &str) -> Option<(String, PathBuf)> {
    let message: Value = serde_json::from_str(message).ok()?;
    let program = message["executable"].as_str()?;
    Some((message["target"]["name"].as_str()?.to_owned(), program.into()))
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// How many processors there are to measure on.
fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_taken_out_of_cargos_messages() {
        let test = r#"{"target":{"name":"faults","kind":["test"]},"executable":"/t/faults-1"}"#;
        let library = r#"{"target":{"name":"voiced","kind":["lib"]},"executable":null}"#;
        assert_eq!(program(test), Some(("faults".to_owned(), "/t/faults-1".into())));
        assert_eq!([program(library), program("not json")], [None, None]);
    }
}
