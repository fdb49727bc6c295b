//! Test programs: their paths from cargo, and the counts in their output.

use std::iter::Sum;
use std::path::PathBuf;

use serde_json::Value;

/// A program named in cargo's messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Program {
    pub(crate) target: String,
    pub(crate) kind: Kind,
    pub(crate) path: PathBuf,
    /// The directory of its package, in which cargo runs tests.
    pub(crate) package: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The harness of the tests within a library or a binary.
    UnitTests,
    /// The harness of a file in `tests/`.
    TestFile,
    /// A program for users.
    Binary,
}

/// The sum of the counts that harnesses reported.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u32,
    pub(crate) failed: u32,
    pub(crate) ignored: u32,
}

// === impl Program ===

impl Program {
    /// All programs in the output of `cargo --message-format=json`.
    pub(crate) fn all(messages: &str) -> Vec<Self> {
        messages.lines().filter_map(Self::read).collect()
    }

    fn read(message: &str) -> Option<Self> {
        let message: Value = serde_json::from_str(message).ok()?;
        let target = &message["target"];
        let kind = match (target["kind"][0].as_str()?, &message["profile"]["test"]) {
            ("test", _) => Kind::TestFile,
            (_, Value::Bool(true)) => Kind::UnitTests,
            ("bin", _) => Kind::Binary,
            _ => return None,
        };
        let mut package = PathBuf::from(message["manifest_path"].as_str()?);
        package.pop();
        let path = message["executable"].as_str()?.into();
        Some(Self { target: target["name"].as_str()?.to_owned(), kind, path, package })
    }
}

// === impl Tally ===

impl Tally {
    pub(crate) fn of(output: &str) -> Self {
        let mut tally = Self::default();
        output.lines().for_each(|line| tally.add(line));
        tally
    }

    /// Counts a line like `test result: ok. 12 passed; 0 failed; 1 ignored; …`; other lines count nothing.
    pub(crate) fn add(&mut self, line: &str) {
        let Some(counts) = line.strip_prefix("test result: ") else {
            return;
        };
        self.passed += count(counts, "passed");
        self.failed += count(counts, "failed");
        self.ignored += count(counts, "ignored");
    }
}

impl Sum for Tally {
    fn sum<I: Iterator<Item = Self>>(tallies: I) -> Self {
        tallies.fold(Self::default(), |sum, it| Self {
            passed: sum.passed + it.passed,
            failed: sum.failed + it.failed,
            ignored: sum.ignored + it.ignored,
        })
    }
}

/// The number in front of `word`.
fn count(text: &str, word: &str) -> u32 {
    let words: Vec<&str> = text.split([' ', ';']).filter(|it| !it.is_empty()).collect();
    let place = words.iter().position(|it| *it == word);
    place.and_then(|index| words.get(index.checked_sub(1)?)?.parse().ok()).unwrap_or(0)
}

/// The names of the tests that failed, in the order in which they ended.
pub(crate) fn failures(output: &str) -> Vec<&str> {
    let verdicts = output.lines().filter_map(|line| line.strip_prefix("test ")?.split_once(" ... "));
    verdicts.filter(|(_, verdict)| verdict.contains("FAILED")).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_the_results_of_all_harnesses() {
        let tally = Tally::of(
            "running 3 tests\n\
             test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.05s\n\
             test result: \x1b[31mFAILED\x1b[m. 2 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out\n\
             test names::passed ... ok\n",
        );
        assert_eq!(tally, Tally { passed: 14, failed: 1, ignored: 1 });
    }

    #[test]
    fn failures_are_named() {
        let output = "test one ... ok\ntest a::two ... \x1b[31mFAILED\x1b[m\ntest three - should panic ... FAILED\n\
                      test four ... ignored\ntest result: FAILED. 1 passed; 2 failed; 1 ignored";
        assert_eq!(failures(output), ["a::two", "three - should panic"]);
    }

    #[test]
    fn programs_are_taken_out_of_cargos_messages() {
        let message = |name: &str, kind: &str, test: bool| {
            format!(
                r#"{{"manifest_path":"/p/Cargo.toml","target":{{"name":"{name}","kind":["{kind}"]}},"profile":{{"test":{test}}},"executable":"/t/{name}"}}"#
            )
        };
        let found = |target: &str, kind| Program {
            target: target.to_owned(),
            kind,
            path: PathBuf::from(format!("/t/{target}")),
            package: PathBuf::from("/p"),
        };
        let messages = [
            message("faults", "test", true),
            message("model", "bin", false),
            message("model", "bin", true),
            message("voiced", "lib", true),
            message("voiced", "rlib", false),
            r#"{"target":{"name":"voiced","kind":["lib"]},"profile":{"test":false},"executable":null}"#
                .to_owned(),
            "not json".to_owned(),
        ];
        assert_eq!(
            Program::all(&messages.join("\n")),
            [
                found("faults", Kind::TestFile),
                found("model", Kind::Binary),
                found("model", Kind::UnitTests),
                found("voiced", Kind::UnitTests),
            ]
        );
    }
}
