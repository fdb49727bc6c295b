//! The results of the jobs, and the closing lines.

use std::io::{Write, stdout};
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::harness::{self, Tally};
use crate::terminal::Terminal;

/// The number of slowest tests named at the end.
const SLOWEST: usize = 10;

/// The result of one job.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) name: String,
    pub(super) tally: Tally,
    pub(super) failures: Vec<String>,
    /// Whether it failed first and passed when it ran again.
    pub(super) flaky: bool,
    pub(super) took: Duration,
    /// What the test and the programs that it started used.
    pub(super) processor: Duration,
}

pub(super) fn report(runs: &[Run], terminal: &Terminal) -> Result<()> {
    terminal.step("the slowest");
    for run in slowest(runs) {
        let [took, processor] = [run.took, run.processor].map(|time| time.as_secs_f64());
        println!("{took:>7.1} s, {processor:>5.1} s of processor time  {}", run.name);
    }
    for run in runs {
        if run.flaky {
            println!("FLAKY {} failed, and passed when it ran again by itself", run.name);
        }
        for failure in &run.failures {
            println!("FAILED {} {failure}", run.name);
        }
    }
    let Tally { passed, failed, ignored } = runs.iter().map(|run| run.tally).sum();
    let processor: Duration = runs.iter().map(|run| run.processor).sum();
    println!("{:.0} s of processor time", processor.as_secs_f64());
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

fn slowest(runs: &[Run]) -> Vec<&Run> {
    let mut runs: Vec<&Run> = runs.iter().collect();
    runs.sort_by_key(|run| std::cmp::Reverse(run.took));
    runs.truncate(SLOWEST);
    runs
}

// === impl Run ===

impl Run {
    /// The result from a program's whole output; without a status the program hung and was ended.
    pub(super) fn read(name: String, output: &str, status: Option<ExitStatus>, took: Duration) -> Self {
        let (mut tally, failures) = (Tally::of(output), harness::failures(output));
        let mut failures: Vec<String> = failures.into_iter().map(str::to_owned).collect();
        if !status.is_some_and(|status| status.success()) && tally.failed == 0 {
            // A test that did not compile, or a test program that died, prints no count.
            tally.failed = 1;
            let ended = status.map_or_else(|| "hung".to_owned(), |status| format!("ended with {status}"));
            failures.push(format!("{ended} after {:.0} s", took.as_secs_f64()));
        }
        Self { name, tally, failures, flaky: false, took, processor: Duration::ZERO }
    }

    /// The result of a test that failed and then ran `again`.
    pub(super) fn or(self, again: Self) -> Self {
        let flaky = again.tally.failed == 0;
        Self { flaky, took: self.took + again.took, ..again }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Does not print to our own standard output, whose counts the sum of this very run would include.
    fn run_script(script: &str) -> Run {
        let output = Command::new("/bin/sh").args(["-c", script]).output().unwrap();
        let printed = String::from_utf8_lossy(&output.stdout);
        Run::read("script".to_owned(), &printed, Some(output.status), Duration::from_secs(2))
    }

    fn reported(runs: &[Run]) -> Result<()> {
        report(runs, &Terminal::plain(80))
    }

    #[test]
    fn a_run_that_counted_nothing_but_failed_is_a_failure() {
        let run = run_script("exit 101");
        assert_eq!(run.tally, Tally { failed: 1, ..Tally::default() });
        assert_eq!(run.failures, ["ended with exit status: 101 after 2 s"]);
        assert!(reported(&[run]).is_err());
    }

    #[test]
    fn a_run_without_a_status_hung() {
        let run = Run::read("script".to_owned(), "running 1 test", None, Duration::from_secs(1200));
        assert_eq!(run.failures, ["hung after 1200 s"]);
        assert!(reported(&[run]).is_err());
    }

    #[test]
    fn failed_tests_fail_the_command_and_passed_ones_do_not() {
        let bad = run_script(
            "echo 'test a::b ... FAILED'; echo 'test result: FAILED. 1 passed; 1 failed'; exit 101",
        );
        assert_eq!(bad.failures, ["a::b"]);
        let good = run_script("echo 'test result: ok. 2 passed; 0 failed; 0 ignored'");
        assert_eq!(good.tally.passed, 2);
        assert!(reported(std::slice::from_ref(&good)).is_ok());
        assert!(reported(&[good, bad]).is_err());
    }

    #[test]
    fn a_test_that_passes_when_it_runs_again_is_flaky_and_no_failure() {
        let good = || run_script("echo 'test result: ok. 1 passed; 0 failed; 0 ignored'");
        let once = run_script("exit 1").or(good());
        assert!(once.flaky && reported(&[once]).is_ok());
        let twice = run_script("exit 1").or(run_script("exit 1"));
        assert!(!twice.flaky && reported(&[twice]).is_err());
        assert!(!good().flaky);
    }

    #[test]
    fn the_slowest_come_first_and_not_all_of_them() {
        let run = |seconds| Run { took: Duration::from_secs(seconds), ..run_script("true") };
        let runs: Vec<Run> = (0..20).map(run).collect();
        let took: Vec<u64> = slowest(&runs).iter().map(|run| run.took.as_secs()).collect();
        assert_eq!(took, (10..20).rev().collect::<Vec<_>>());
    }
}
