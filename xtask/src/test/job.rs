//! The jobs of `cargo xtask test`, and which of them run together.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::harness::{Kind, Program};

/// The test programs whose tests each run in a process of their own.
const SPLIT: [&str; 3] = ["offline", "live", "alone"];
/// The program whose tests run with nothing else of ours beside them.
const ALONE: &str = "alone";
/// Modules of that program whose tests only need a process of their own.
const OWN_PROCESS: [&str; 3] = ["cameras", "cancelled_join", "hard_close"];
/// Modules whose tests spend their time on time limits, outages and restarts, and use a seventh of a processor; `faults` a
/// third. Those with the longest tests come first.
const WAITING: [&str; 12] = [
    "outages",
    "terminated",
    "clock",
    "stuck",
    "recovery",
    "faults",
    "worker",
    "privacy",
    "otlp_signals",
    "network",
    "reload",
    "export_delivery",
];

/// One process to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) program: Program,
    /// The only test to run; `None` for all.
    pub(super) test: Option<String>,
    pub(super) pace: Pace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Takes processor time.
    Works,
    /// Waits most of its time.
    Waits,
    /// Needs the whole machine.
    Alone,
}

/// The jobs of these programs for the tests whose path contains `filter`, in order.
pub(super) fn all(mut programs: Vec<Program>, filter: Option<&str>) -> Result<Vec<Job>> {
    // Cargo names them in the order in which they were built.
    programs.sort_by(|one, other| (&one.package, &one.target).cmp(&(&other.package, &other.target)));
    let mut jobs = Vec::new();
    for program in programs {
        if program.kind == Kind::TestFile && SPLIT.contains(&program.target.as_str()) {
            jobs.extend(split(&program, filter)?);
        } else {
            let name = name(&program);
            jobs.push(Job { name, program, test: None, pace: Pace::Works });
        }
    }
    jobs.sort_by_key(Job::rank);
    Ok(jobs)
}

/// A job for each test of the program.
fn split(program: &Program, filter: Option<&str>) -> Result<Vec<Job>> {
    let listed = list(&program.path)?;
    let tests = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    let jobs = tests.map(|test| Job::of(program, test));
    Ok(jobs.filter(|job| filter.is_none_or(|filter| job.name.contains(filter))).collect())
}

fn list(program: &Path) -> Result<String> {
    let output = Command::new(program).args(["--list", "--format", "terse"]).output();
    let output = output.with_context(|| format!("cannot run {}", program.display()))?;
    ensure!(output.status.success(), "{} does not list its tests", program.display());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// `crates/testbed/tests/spans`, or the name of the package and program of unit tests.
fn name(program: &Program) -> String {
    let package = program.package.strip_prefix(testbed::root()).unwrap_or(&program.package);
    match program.kind {
        Kind::TestFile => package.join("tests").join(&program.target).display().to_string(),
        Kind::UnitTests | Kind::Binary => format!("{} (unit tests)", program.target),
    }
}

fn module(test: &str) -> &str {
    test.split_once("::").map_or(test, |(module, _)| module)
}

// === impl Job ===

impl Job {
    fn of(program: &Program, test: &str) -> Self {
        let pace = match module(test) {
            module if program.target == ALONE && !OWN_PROCESS.contains(&module) => Pace::Alone,
            module if WAITING.contains(&module) => Pace::Waits,
            _ => Pace::Works,
        };
        let name = format!("{}::{test}", program.target);
        Self { name, program: program.clone(), test: Some(test.to_owned()), pace }
    }

    /// Waiting tests in the order of their list; the others stay as they are.
    fn rank(&self) -> usize {
        let place = |test: &String| WAITING.iter().position(|waiting| *waiting == module(test));
        self.test.as_ref().and_then(place).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn live() -> Program {
        let (target, path) = ("live".to_owned(), PathBuf::from("/t/live"));
        Program { target, kind: Kind::TestFile, path, package: testbed::root().to_path_buf() }
    }

    #[test]
    fn a_tests_module_says_beside_what_it_runs() {
        assert_eq!(Job::of(&live(), "outages::server::restart").pace, Pace::Waits);
        assert_eq!(Job::of(&live(), "chat::edits::once").pace, Pace::Works);
        let alone = Program { target: ALONE.to_owned(), ..live() };
        assert_eq!(Job::of(&alone, "chaos::all").pace, Pace::Alone);
        assert_eq!(Job::of(&alone, "hard_close::all").pace, Pace::Works);
    }

    #[test]
    fn every_module_and_program_of_the_lists_is_there() {
        let tests = testbed::root().join("tests");
        for name in WAITING.iter().chain(&OWN_PROCESS) {
            let file = format!("{name}.rs");
            assert!(SPLIT.iter().any(|program| tests.join(program).join(&file).is_file()), "no {file}");
        }
        assert!(SPLIT.iter().all(|program| tests.join(program).join("main.rs").is_file()));
    }
}
