//! `cargo xtask faults`: runs the test of each fault in `tests/faults.toml` alone, several times, and writes the table
//! of the measurements into docs/faults.md.

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
use tempfile::TempDir;
use testbed::{Process, process};

use self::catalogue::{Catalogue, Fault};
use self::measured::Measurement;
use self::table::{Figures, Table};
use crate::harness::{Kind, Program};
use crate::setup;
use crate::terminal::{Style, Terminal};

/// Only a test that hangs runs longer.
const LONGEST_RUN: Duration = Duration::from_secs(1200);
/// The variable that names the file to which the worker's test reports.
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
    /// Runs nothing: takes what tests reported that were run by hand, with VOICED_FAULTS=FILE in their environment.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["runs", "filter"])]
    measured: Option<PathBuf>,
}

/// The prerequisites of running the tests.
struct Bench {
    /// The programs of the tests, by target.
    programs: BTreeMap<String, PathBuf>,
    environment: Vec<(&'static str, PathBuf)>,
    directory: TempDir,
    terminal: Terminal,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let catalogue = Catalogue::read()?;
    if let Some(file) = &options.measured {
        return take(file, &catalogue);
    }
    let chosen = catalogue.matching(options.filter.as_deref())?;
    let bench = Bench::set_up()?;
    let mut table = Table::read(&catalogue)?;
    let mut failed = Vec::new();
    for fault in &chosen {
        match bench.measure(fault, fault.runs.unwrap_or(options.runs)) {
            Ok(figures) => {
                table.put(&fault.row, figures);
                // Written after each row, because all of them take so long that the user may interrupt.
                table.write()?;
            }
            Err(error) => {
                bench.terminal.step(bench.terminal.paint(Style::Bad, format!("{}: {error:#}", fault.row)));
                failed.push(fault.row.as_str());
            }
        }
    }
    println!("\n{}", table.text());
    ensure!(
        failed.is_empty(),
        "no figures for {}: see above; the others are in the table",
        failed.join(", ")
    );
    Ok(())
}

/// Puts measurements that were made elsewhere into the table.
fn take(file: &Path, catalogue: &Catalogue) -> Result<()> {
    ensure!(file.exists(), "{} is not there", file.display());
    let mut table = Table::read(catalogue)?;
    for fault in &catalogue.faults {
        let measured = Measurement::read(file, &fault.row)?;
        if !measured.is_empty() {
            table.put(&fault.row, Figures::of(&measured));
        }
    }
    println!("{}", table.text());
    table.write()
}

// === impl Bench ===

impl Bench {
    fn set_up() -> Result<Self> {
        let ready = setup::prepare()?;
        testbed::progress("building all tests (up to 15 minutes the first time on 2 cores)");
        let mut programs = build()?;
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

    /// One run, with no other process of ours beside it.
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
        reported.into_iter().next().with_context(|| {
            format!("run {run} reported nothing: is {test} a test that can run here? {}", process.log_tail())
        })
    }
}

/// Builds all tests, and the model that some of them start; returns the programs by target. Building only some of them
/// would make cargo choose other features, and build most dependencies once more.
fn build() -> Result<BTreeMap<String, PathBuf>> {
    let mut command = testbed::cargo();
    command.args(["build", "--workspace", "--bins", "--tests", "--message-format=json-render-diagnostics"]);
    let output = process::run(command.current_dir(testbed::root()).stdout(Stdio::piped()))?;
    ensure!(output.status.success(), "the tests could not be built");
    let programs = Program::all(&String::from_utf8_lossy(&output.stdout));
    // The harness of a binary's own tests has the binary's name.
    let wanted = programs.into_iter().filter(|program| program.kind != Kind::UnitTests);
    Ok(wanted.map(|program| (program.target, program.path)).collect())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The number of processors.
fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
