//! The test files of the crate, the expected result of each, and the actual one.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::process::ExitStatus;

use crate::harness::{self, Tally};

/// The name of the crate's unit tests in the table and in cargo.
pub(super) const UNIT_TESTS: &str = "livekit";
/// The version of the crate that the list below was written for.
pub(super) const VERSION: &str = "0.10.0";

/// One file of tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) expected: Expected,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expected {
    /// The number of tests, all of which have to pass.
    Tests(u32),
    /// Not built and not run, for this reason.
    NotOffered(&'static str),
}

/// All files of the crate. The longest come first, so that none of them is left over at the end.
pub(super) const FILES: [File; 16] = [
    tests("peer_connection_signaling_test", 27),
    tests("dynacast_test", 4),
    tests("reconnection_test", 8),
    tests("data_track_test", 15),
    tests("audio_test", 1),
    tests("rpc_test", 7),
    tests("data_stream_test", 7),
    tests("room_test", 6),
    tests("schema_storage_test", 6),
    tests("data_channel_test", 2),
    tests("data_channel_encryption", 1),
    tests("engine_lifecycle_test", 1),
    tests("platform_audio_test", 40),
    tests(UNIT_TESTS, 72),
    not_offered("video_test", "no video"),
    not_offered("packet_trailer_test", "no video"),
];

/// The result of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Outcome {
    tally: Tally,
    failures: BTreeSet<String>,
    /// Tests that pass after reporting that this machine lacks their prerequisites.
    skipping: usize,
    /// Failed beside others, and passed alone.
    passed_alone: Vec<String>,
    /// How the program ended; `None` for one that did not.
    status: Option<ExitStatus>,
}

/// One line of the table.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) file: File,
    pub(super) outcome: Option<Outcome>,
    /// Only some of the tests were selected, so their number says nothing.
    pub(super) filtered: bool,
}

/// All rows of one pass.
#[derive(Debug, Default)]
pub(super) struct Table {
    pub(super) rows: Vec<Row>,
}

const fn tests(name: &'static str, count: u32) -> File {
    File { name, expected: Expected::Tests(count) }
}

const fn not_offered(name: &'static str, reason: &'static str) -> File {
    File { name, expected: Expected::NotOffered(reason) }
}

/// The errors of the list: files that the crate does not have, and files that the list does not have.
pub(super) fn disagreement(files: &BTreeSet<String>) -> Vec<String> {
    let listed: BTreeSet<&str> = FILES.iter().map(|file| file.name).filter(|it| *it != UNIT_TESTS).collect();
    let present: BTreeSet<&str> = files.iter().map(String::as_str).collect();
    let missing = listed.difference(&present).map(|name| format!("{name} is expected and not in the crate"));
    let unknown = present.difference(&listed).map(|name| format!("{name} is in the crate and not expected"));
    missing.chain(unknown).collect()
}

/// Tests that failed in one pass and not in another, with the number of passes in which they failed.
pub(super) fn flakes(passes: &[Table]) -> BTreeMap<String, usize> {
    let mut failed = BTreeMap::new();
    for row in passes.iter().flat_map(|table| &table.rows) {
        for test in row.outcome.iter().flat_map(|outcome| &outcome.failures) {
            *failed.entry(format!("{}::{test}", row.file.name)).or_default() += 1;
        }
    }
    failed.retain(|_, times| *times < passes.len());
    failed
}

// === impl File ===

impl File {
    pub(super) fn is_run(&self) -> bool {
        matches!(self.expected, Expected::Tests(_))
    }
}

// === impl Outcome ===

impl Outcome {
    pub(super) fn read(output: &str, status: Option<ExitStatus>) -> Self {
        Self {
            tally: Tally::of(output),
            failures: harness::failures(output).into_iter().map(str::to_owned).collect(),
            skipping: output.lines().filter(|line| line.contains("Skipping test_")).count(),
            passed_alone: Vec::new(),
            status,
        }
    }

    pub(super) fn failures(&self) -> Vec<String> {
        self.failures.iter().cloned().collect()
    }

    /// Whether the one selected test passed.
    pub(super) fn passed_one(&self) -> bool {
        self.tally == Tally { passed: 1, failed: 0, ignored: 0 } && self.end().is_none()
    }

    /// Removes the failure of a test that passed when it was tried again.
    pub(super) fn absolve(&mut self, test: &str) {
        if self.failures.remove(test) {
            self.tally.failed -= 1;
            self.tally.passed += 1;
            self.passed_alone.push(test.to_owned());
        }
    }

    /// The error of the program's end, unless the tests report it already.
    fn end(&self) -> Option<String> {
        match self.status {
            None => Some("hangs".to_owned()),
            Some(status) if status.success() || self.tally.failed > 0 || !self.passed_alone.is_empty() => {
                None
            }
            Some(status) => Some(format!("died: {status}")),
        }
    }
}

// === impl Row ===

impl Row {
    pub(super) fn is_good(&self) -> bool {
        !self.file.is_run() || self.complaints().is_empty()
    }

    /// All deviations from the expected results.
    fn complaints(&self) -> Vec<String> {
        let (Expected::Tests(expected), Some(outcome)) = (self.file.expected, &self.outcome) else {
            return vec!["did not run".to_owned()];
        };
        let Tally { passed, failed, ignored } = outcome.tally;
        let ran = passed + failed;
        let failures: Vec<&str> = outcome.failures.iter().map(String::as_str).collect();
        [
            (!failures.is_empty()).then(|| format!("failed: {}", failures.join(", "))),
            (failures.is_empty() && failed > 0).then(|| "failed".to_owned()),
            (ran != expected && !self.filtered).then(|| format!("{ran} of {expected} ran")),
            (ignored > 0).then(|| format!("{ignored} ignored")),
            outcome.end(),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn note(&self) -> String {
        if let Expected::NotOffered(reason) = self.file.expected {
            return format!("not offered: {reason}");
        }
        let mut notes = self.complaints();
        if let Some(outcome) = &self.outcome {
            notes.extend(outcome.passed_alone.iter().map(|test| format!("{test} passed when it ran alone")));
            let skipping = outcome.skipping;
            notes.extend((skipping > 0).then(|| format!("{skipping} end early: no audio device here")));
        }
        notes.join("; ")
    }
}

impl fmt::Display for Row {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.file.name == UNIT_TESTS { "unit tests" } else { self.file.name };
        let number = |value: Option<u32>| value.map_or_else(|| "-".to_owned(), |value| value.to_string());
        let tally = self.outcome.as_ref().map(|outcome| outcome.tally);
        let expected = match self.file.expected {
            Expected::Tests(count) if !self.filtered => Some(count),
            _ => None,
        };
        let [passed, failed] = [tally.map(|it| it.passed), tally.map(|it| it.failed)].map(number);
        let line = format!("{name:31} {passed:>6}  {failed:>6}  {:>8}  {}", number(expected), self.note());
        formatter.write_str(line.trim_end())
    }
}

// === impl Table ===

impl Table {
    pub(super) const HEADING: &str = "test file                       passed  failed  expected  note";

    pub(super) fn is_good(&self) -> bool {
        // A name that no test has runs nothing and finds nothing wrong.
        self.sum().passed > 0 && self.rows.iter().all(Row::is_good)
    }

    pub(super) fn sum(&self) -> Tally {
        self.rows.iter().filter_map(|row| row.outcome.as_ref()).map(|outcome| outcome.tally).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    const OUTPUT: &str = "\
running 3 tests
test one ... ok
test two ... FAILED
test three ... ok
INFO Skipping test_device - PlatformAudio unavailable: no device
test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
";

    fn row(expected: Expected, output: Option<&str>) -> Row {
        let file = File { name: "some_test", expected };
        Row {
            file,
            outcome: output.map(|output| Outcome::read(output, Some(ExitStatus::default()))),
            filtered: false,
        }
    }

    fn passes(count: u32, expected: u32) -> Row {
        row(Expected::Tests(expected), Some(&format!("test result: ok. {count} passed; 0 failed; 0 ignored")))
    }

    #[test]
    fn a_file_is_good_when_all_its_tests_ran_and_passed() {
        assert!(passes(3, 3).is_good());
        for (bad, words) in [
            (row(Expected::Tests(3), Some(OUTPUT)), "failed: two"),
            (passes(2, 3), "2 of 3 ran"),
            (passes(4, 3), "4 of 3 ran"),
            (row(Expected::Tests(3), None), "did not run"),
            (row(Expected::Tests(3), Some("")), "0 of 3 ran"),
            (row(Expected::Tests(3), Some("test result: ok. 3 passed; 0 failed; 1 ignored")), "1 ignored"),
        ] {
            assert!(!bad.is_good(), "{bad}");
            assert!(bad.to_string().contains(words), "{bad}");
        }
    }

    #[test]
    fn a_program_that_died_is_bad_whatever_it_had_written() {
        let ended = |status| {
            let outcome = Outcome::read("test result: ok. 3 passed; 0 failed; 0 ignored", status);
            Row { outcome: Some(outcome), ..passes(3, 3) }
        };
        assert!(ended(Some(ExitStatus::from_raw(0))).is_good());
        let (died, hangs) = (ended(Some(ExitStatus::from_raw(11))), ended(None));
        assert!(!died.is_good() && !hangs.is_good());
        assert!(died.to_string().contains("died: signal: 11"), "{died}");
        assert!(hangs.to_string().ends_with("hangs"), "{hangs}");
    }

    #[test]
    fn what_is_not_offered_is_named_and_no_failure() {
        let row = row(Expected::NotOffered("no video"), None);
        assert!(row.is_good());
        assert_eq!(
            row.to_string(),
            format!("{:31} {:>6}  {:>6}  {:>8}  not offered: no video", "some_test", "-", "-", "-")
        );
    }

    #[test]
    fn tests_that_end_early_are_counted() {
        assert!(row(Expected::Tests(3), Some(OUTPUT)).to_string().contains("1 end early"));
        assert!(!passes(3, 3).to_string().contains("end early"));
    }

    #[test]
    fn a_test_may_pass_when_nothing_else_runs() {
        let output =
            "test one ... FAILED\ntest two ... FAILED\ntest result: FAILED. 1 passed; 2 failed; 0 ignored";
        let mut outcome = Outcome::read(output, Some(ExitStatus::from_raw(101 << 8)));
        assert_eq!(outcome.failures(), ["one", "two"]);
        outcome.absolve("one");
        assert_eq!(outcome.tally, Tally { passed: 2, failed: 1, ignored: 0 });
        let row = Row { outcome: Some(outcome.clone()), ..passes(3, 3) };
        assert!(!row.is_good(), "the other one failed");
        outcome.absolve("two");
        let row = Row { outcome: Some(outcome), ..passes(3, 3) };
        assert!(row.is_good() && row.to_string().contains("passed when it ran alone"), "{row}");
    }

    #[test]
    fn with_a_filter_only_failures_count() {
        let filtered = |output| Row { filtered: true, ..row(Expected::Tests(30), Some(output)) };
        assert!(filtered("test result: ok. 1 passed; 0 failed; 0 ignored").is_good());
        assert!(!filtered(OUTPUT).is_good());
        let nothing = Table { rows: vec![filtered("test result: ok. 0 passed; 0 failed; 0 ignored")] };
        assert!(!nothing.is_good());
    }

    #[test]
    fn a_flake_failed_in_some_passes_only() {
        let table = |output| Table { rows: vec![row(Expected::Tests(3), Some(output))] };
        let (bad, good) = (|| table(OUTPUT), || table("test result: ok. 3 passed; 0 failed; 0 ignored"));
        assert_eq!(flakes(&[bad(), good(), good()]), BTreeMap::from([("some_test::two".to_owned(), 1)]));
        assert!(flakes(&[bad(), bad()]).is_empty());
        assert!(flakes(&[bad()]).is_empty());
    }

    #[test]
    fn the_list_and_the_crate_have_to_agree() {
        let mut files: BTreeSet<String> =
            FILES.iter().map(|file| file.name.to_owned()).filter(|name| name != UNIT_TESTS).collect();
        assert!(disagreement(&files).is_empty());
        files.remove("rpc_test");
        files.insert("new_test".to_owned());
        let [missing, unknown] = <[String; 2]>::try_from(disagreement(&files)).unwrap();
        assert!(missing.starts_with("rpc_test") && unknown.starts_with("new_test"), "{missing}; {unknown}");
    }
}
