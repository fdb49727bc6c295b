//! The jobs of `cargo xtask test`, and which of them run together.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::harness::{Kind, Program};

/// The test programs whose tests each run in a process of their own.
const SPLIT: [&str; 3] = ["offline", "live", "alone"];
/// The program whose tests run with nothing else of ours beside them.
const ALONE: &str = "alone";
/// Modules of that program whose tests measure no time. They only need a process of their own, or are much work.
const OWN_PROCESS: [&str; 8] = [
    "cameras",
    "cancelled_join",
    "chaos",
    "hard_close",
    "http_held",
    "isolation",
    "lossy_text",
    "many_rooms",
];
/// Tests that hear in real time what a stalled machine makes another sound of: two at a time, each with half of the
/// machine. The longest come first.
const REAL_TIME: [&str; 6] = [
    "faults::microphone::a_monologue_of_a_minute",
    "hearing::local::",
    "speech::turns::",
    "hearing::unspoken::",
    "hearing::echo::",
    "faults::microphone::music_in_stereo",
];
/// Modules whose tests spend their time on time limits, outages and restarts, and use a seventh of a processor; `faults` a
/// third. Those with the longest tests come first.
const WAITING: [&str; 20] = [
    "outages",
    "lossy_text",
    "llm",
    "hearing",
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
    "openobserve",
    "killed_turn",
    "forgotten_room",
    "config_files",
    "informational",
];

/// The reason why a test is ignored begins so when it runs with `--all`.
const WITH_ALL: &str = "--all: ";

/// The tests to run.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Selection<'a> {
    /// Only those whose path contains this text.
    pub(super) filter: Option<&'a str>,
    /// Also those that are left to `--all`.
    pub(super) all: bool,
}

/// One process to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) program: Program,
    /// The only test to run; `None` for all.
    pub(super) test: Option<String>,
    pub(super) pace: Pace,
    /// Whether the test only runs with `--all`, and this is such a run.
    pub(super) left_to_all: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// Takes processor time.
    Works,
    /// Waits most of its time.
    Waits,
    /// Hears in real time, and takes up to a processor.
    Hears,
    /// Needs the whole machine.
    Alone,
}

/// The jobs of these programs for the selected tests, in order.
pub(super) fn all(mut programs: Vec<Program>, selection: Selection<'_>) -> Result<Vec<Job>> {
    // Cargo names them in the order in which they were built.
    programs.sort_by(|one, other| (&one.package, &one.target).cmp(&(&other.package, &other.target)));
    let mut jobs = Vec::new();
    for program in programs {
        let left = if selection.all { left_to_all(&program.path)? } else { Vec::new() };
        if program.kind == Kind::TestFile && SPLIT.contains(&program.target.as_str()) {
            let tests = list(&program.path, &[])?;
            jobs.extend(tests.iter().map(|test| Job::of(&program, test, left.contains(test))));
        } else {
            jobs.push(Job::whole(&program));
            jobs.extend(left.iter().map(|test| Job::of(&program, test, true)));
        }
    }
    jobs.retain(|job| selection.takes(job));
    jobs.sort_by_key(Job::rank);
    Ok(jobs)
}

/// The tests that the program lists, of which `arguments` choose.
fn list(program: &Path, arguments: &[&str]) -> Result<Vec<String>> {
    let listed = output(program, &[&["--list", "--format", "terse"], arguments].concat())?;
    let tests = listed.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(tests.map(str::to_owned).collect())
}

/// The program's ignored tests whose reason names `--all`. A list has no reasons: they are printed in place of running.
fn left_to_all(program: &Path) -> Result<Vec<String>> {
    let ignored = list(program, &["--ignored"])?;
    if ignored.is_empty() {
        return Ok(ignored);
    }
    let mut arguments = vec!["--exact", "--color=never"];
    arguments.extend(ignored.iter().map(String::as_str));
    let printed = output(program, &arguments)?;
    let verdicts =
        printed.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... ignored, "));
    let left = verdicts.filter(|(_, reason)| reason.starts_with(WITH_ALL));
    Ok(left.map(|(test, _)| test.to_owned()).collect())
}

fn output(program: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).output();
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

/// The place of a test in the list of those that hear in real time.
fn real_time(test: &str) -> Option<usize> {
    REAL_TIME.iter().position(|real_time| test.starts_with(real_time))
}

fn module(test: &str) -> &str {
    test.split_once("::").map_or(test, |(module, _)| module)
}

// === impl Selection ===

impl Selection<'_> {
    /// Whole programs are always taken: their harness has the filter.
    fn takes(self, job: &Job) -> bool {
        job.test.is_none() || self.filter.is_none_or(|filter| job.name.contains(filter))
    }
}

// === impl Job ===

impl Job {
    fn whole(program: &Program) -> Self {
        let (name, program) = (name(program), program.clone());
        Self { name, program, test: None, pace: Pace::Works, left_to_all: false }
    }

    fn of(program: &Program, test: &str, left_to_all: bool) -> Self {
        let pace = match module(test) {
            _ if real_time(test).is_some() => Pace::Hears,
            module if program.target == ALONE && !OWN_PROCESS.contains(&module) => Pace::Alone,
            module if WAITING.contains(&module) => Pace::Waits,
            _ => Pace::Works,
        };
        let name = format!("{}::{test}", program.target);
        Self { name, program: program.clone(), test: Some(test.to_owned()), pace, left_to_all }
    }

    /// The arguments of the program for this job.
    pub(super) fn arguments<'a>(&'a self, filter: Option<&'a str>) -> Vec<&'a str> {
        let Some(test) = &self.test else { return filter.into_iter().collect() };
        let mut arguments = vec![test.as_str(), "--exact", "--test-threads=1"];
        arguments.extend(self.left_to_all.then_some("--include-ignored"));
        arguments
    }

    /// Waiting tests and those of real time in the order of their lists; the others stay as they are.
    fn rank(&self) -> usize {
        let waiting = |test: &String| WAITING.iter().position(|waiting| *waiting == module(test));
        let place = |test: &String| real_time(test).or_else(|| waiting(test));
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
        assert_eq!(Job::of(&live(), "outages::server::restart", false).pace, Pace::Waits);
        assert_eq!(Job::of(&live(), "chat::edits::once", false).pace, Pace::Works);
        assert_eq!(Job::of(&live(), "hearing::local::thirty", false).pace, Pace::Hears);
        assert_eq!(Job::of(&live(), "hearing::rapid::ten", false).pace, Pace::Waits);
        let alone = Program { target: ALONE.to_owned(), ..live() };
        assert_eq!(Job::of(&alone, "speech::all", false).pace, Pace::Alone);
        assert_eq!(Job::of(&alone, "speech::turns::all", false).pace, Pace::Hears);
        assert_eq!(Job::of(&alone, "hard_close::all", false).pace, Pace::Works);
    }

    /// The program of these very tests.
    fn ours() -> Program {
        let path = std::env::current_exe().unwrap();
        Program { target: "xtask".to_owned(), kind: Kind::Binary, path, ..live() }
    }

    #[test]
    #[ignore = "--all: the test below looks for it"]
    fn a_test_that_is_left_to_all_runs_ignored_or_not() {
        assert!(std::env::args().any(|argument| argument == "--include-ignored"));
    }

    #[test]
    fn all_adds_the_ignored_tests_whose_reason_names_it() {
        let jobs = |filter, all| super::all(vec![ours()], Selection { filter, all }).unwrap();
        assert_eq!(jobs(None, false), [Job::whole(&ours())]);
        let test = "test::job::tests::a_test_that_is_left_to_all_runs_ignored_or_not";
        assert_eq!(jobs(None, true), [Job::whole(&ours()), Job::of(&ours(), test, true)]);
        assert_eq!(jobs(Some("no_such_test"), true), [Job::whole(&ours())]);
        let ran = Command::new(ours().path).args(jobs(None, true)[1].arguments(None)).output().unwrap();
        assert!(ran.status.success() && String::from_utf8_lossy(&ran.stdout).contains("1 passed"));
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
