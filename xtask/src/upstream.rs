//! `cargo xtask upstream-tests`: the tests that `livekit` was published with, over our libwebrtc, against a real server.

mod table;
mod toml_text;
mod workspace;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use testbed::{LivekitServer, Process, tools};

use self::table::{FILES, File, Outcome, Row, Table, VERSION};
use self::workspace::Workspace;
use crate::harness::{Program, Tally};
use crate::interrupt::Interrupt;
use crate::lanes::side_by_side;
use crate::terminal::{Style, Terminal};

/// A setting that `schema_storage_test` needs and that is off by default.
const SERVER: &str = "enable_participant_data_blob: true";
/// The number of files that run at the same time, each with a server of its own: they wait more than they compute.
const LANES: usize = 2;
/// The threads for the tests of one file; as in the crate's own instructions, fewer than cargo's default.
const THREADS: &str = "--test-threads=2";
/// Only a test that hangs runs longer.
const LONGEST_RUN: Duration = Duration::from_secs(900);
/// Each test has a time limit of a few seconds, one of them of 20 ms: too little on a busy machine. A test that failed
/// beside others is tried again so many times with nothing else of ours beside it, and the table says so.
const ATTEMPTS_ALONE: u32 = 2;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Runs only the files whose name contains this, or, when there is none, only the tests whose path does.
    #[arg(long, value_name = "NAME")]
    filter: Option<String>,
    /// Runs everything so many times, and names the tests that fail only sometimes. None is tried a second time, as it is
    /// when everything runs once.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { filter: None, repeat: 1 }
    }
}

/// The files and tests to run.
struct Selection<'a> {
    files: Vec<File>,
    /// A part of the path of a test.
    test: Option<&'a str>,
}

/// The prerequisites of a run.
struct Suite<'a> {
    selection: Selection<'a>,
    programs: Vec<Program>,
    once: bool,
    logs: PathBuf,
    interrupt: Interrupt,
    terminal: Terminal,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let suite = Suite::prepare(options)?;
    let passes = (1..=options.repeat).map(|number| suite.pass(number)).collect::<Result<Vec<_>>>()?;
    suite.conclude(&passes)
}

// === impl Selection ===

impl<'a> Selection<'a> {
    /// The files whose name contains `name`, otherwise all files with the tests whose path does.
    fn of(name: Option<&'a str>) -> Self {
        let files: Vec<File> =
            FILES.into_iter().filter(|file| name.is_none_or(|name| file.name.contains(name))).collect();
        if files.is_empty() { Self { files: FILES.to_vec(), test: name } } else { Self { files, test: None } }
    }
}

// === impl Suite ===

impl<'a> Suite<'a> {
    fn prepare(options: &'a Options) -> Result<Self> {
        let terminal = Terminal::detect();
        let workspace = Workspace::make()?;
        let (version, disagreement) = (&workspace.version, table::disagreement(&workspace.test_files));
        ensure!(
            disagreement.is_empty(),
            "xtask/src/upstream/table.rs is for livekit {VERSION}, and this is {version}: {}",
            disagreement.join("; ")
        );
        tools::livekit_server()?;
        terminal.step(format!(
            "building the tests of livekit {version} (up to 4 minutes the first time on 2 cores)"
        ));
        let started = Instant::now();
        let programs = workspace.build()?;
        terminal.step(format!("built {}", terminal.took(started.elapsed())));
        let (selection, logs) =
            (Selection::of(options.filter.as_deref()), workspace.directory().join("logs"));
        let once = options.repeat == 1;
        Ok(Self { selection, programs, once, logs, interrupt: Interrupt::register()?, terminal })
    }

    /// Every file once.
    fn pass(&self, number: u32) -> Result<Table> {
        let logs = self.logs.join(format!("pass-{number}"));
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        let started = Instant::now();
        let next = Mutex::new(self.selection.files.iter().enumerate());
        let lane = || {
            let mut rows = Vec::new();
            // A `while let` would hold the lock as long as the file runs.
            loop {
                let Some((place, file)) = next.lock().unwrap_or_else(PoisonError::into_inner).next() else {
                    return Ok(rows);
                };
                rows.push((place, self.row(*file, &logs)?));
            }
        };
        let mut rows = side_by_side(vec![lane; LANES])?.concat();
        rows.sort_by_key(|(place, _)| *place);
        let mut table = Table { rows: rows.into_iter().map(|(_, row)| row).collect() };
        if self.once {
            self.try_alone(&mut table, &logs)?;
        }
        self.print(&table, &logs, started.elapsed());
        Ok(table)
    }

    fn row(&self, file: File, logs: &Path) -> Result<Row> {
        let tests: Vec<&str> = self.selection.test.into_iter().collect();
        let program = self.program(file).filter(|_| file.is_run());
        let outcome = program.map(|program| self.run(program, &tests, &logs.join(file.name))).transpose()?;
        Ok(Row { file, outcome, filtered: self.selection.test.is_some() })
    }

    /// Tries the tests again that failed, one at a time.
    fn try_alone(&self, table: &mut Table, logs: &Path) -> Result<()> {
        for Row { file, outcome, .. } in &mut table.rows {
            let Some((outcome, program)) = outcome.as_mut().zip(self.program(*file)) else {
                continue;
            };
            for test in outcome.failures() {
                for attempt in 1..=ATTEMPTS_ALONE {
                    let log = logs.join(format!("{test}-alone-{attempt}"));
                    if self.run(program, &["--exact", &test], &log)?.passed_one() {
                        outcome.absolve(&test);
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The program that cargo built from a file, if it built one.
    fn program(&self, file: File) -> Option<&Program> {
        self.programs.iter().find(|program| program.target == file.name)
    }

    /// Runs tests of one file against a server of their own. The logs of both are written.
    fn run(&self, program: &Program, tests: &[&str], log: &Path) -> Result<Outcome> {
        self.interrupt.check()?;
        let server = LivekitServer::start_with(SERVER)?;
        let [log, server_log] = ["log", "server.log"].map(|extension| log.with_extension(extension));
        fs::write(&log, "").with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = Command::new(&program.path);
        command
            .args([THREADS, "--show-output"])
            .args(tests)
            .current_dir(&program.package)
            .env("CARGO_MANIFEST_DIR", &program.package)
            .env("RUST_LOG", "info")
            .envs(server.environment());
        let mut process = Process::spawn(&program.target, &mut command, &log)?;
        let status = self.interrupt.wait_for(LONGEST_RUN, || process.exit_status())?;
        process.kill();
        // The server's log goes with its directory.
        let _ = fs::copy(server.log(), server_log);
        let output = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
        Ok(Outcome::read(&String::from_utf8_lossy(&output), status))
    }

    fn print(&self, table: &Table, logs: &Path, took: Duration) {
        println!("{}", Table::HEADING);
        for row in &table.rows {
            let line = if row.is_good() { row.to_string() } else { self.terminal.paint(Style::Bad, row) };
            println!("{line}");
        }
        self.terminal.step(format!("logs: {} {}", logs.display(), self.terminal.took(took)));
    }

    fn conclude(&self, passes: &[Table]) -> Result<()> {
        for (test, times) in table::flakes(passes) {
            println!("flaky: {test} failed in {times} of {} passes", passes.len());
        }
        let Tally { passed, failed, .. } = passes.iter().map(Table::sum).sum();
        println!("{passed} passed, {failed} failed");
        ensure!(passes.iter().all(Table::is_good), "not everything ran and passed; the table says what");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_selects_files_or_else_tests() {
        let selected = |name| {
            let Selection { files, test } = Selection::of(name);
            (files.len(), test)
        };
        assert_eq!(selected(None), (FILES.len(), None));
        assert_eq!(selected(Some("data_channel")), (2, None));
        assert_eq!(selected(Some("test_e2ee")), (FILES.len(), Some("test_e2ee")));
    }
}
