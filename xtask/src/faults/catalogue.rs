//! `tests/faults.toml`: the list of faults, and the test of each.

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// All rows, in the order of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Catalogue {
    #[serde(rename = "fault")]
    pub(super) faults: Vec<Fault>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fault {
    /// The short name, by which the test reports.
    pub(super) row: String,
    /// `target::path::of_the_test`
    pub(super) test: String,
    /// The fault.
    pub(super) fault: String,
    /// Its visible effect.
    pub(super) outcome: String,
    /// The number of runs, in place of the command line's.
    pub(super) runs: Option<u32>,
}

// === impl Catalogue ===

impl Catalogue {
    pub(super) fn read() -> Result<Self> {
        let path = testbed::root().join("tests/faults.toml");
        Self::parse(&super::read(&path)?).with_context(|| format!("{}", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }

    pub(super) fn matching(&self, filter: Option<&str>) -> Result<Vec<&Fault>> {
        let filter = filter.unwrap_or_default();
        let chosen: Vec<_> = self.faults.iter().filter(|fault| fault.mentions(filter)).collect();
        ensure!(!chosen.is_empty(), "no row of tests/faults.toml contains {filter:?}");
        Ok(chosen)
    }
}

// === impl Fault ===

impl Fault {
    /// The test program, and the test in it.
    pub(super) fn target_and_test(&self) -> Result<(&str, &str)> {
        let Self { row, test, .. } = self;
        test.split_once("::").with_context(|| format!("{row}: {test:?} is no `target::path::of_the_test`"))
    }

    fn mentions(&self, text: &str) -> bool {
        [&self.row, &self.test, &self.fault, &self.outcome].iter().any(|field| field.contains(text))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    /// The files that may hold its test: the file of its module, or that of the program.
    fn sources(fault: &Fault) -> Vec<PathBuf> {
        let (target, test) = fault.target_and_test().unwrap();
        let tests = testbed::root().join("tests");
        let mut sources = vec![tests.join(format!("{target}.rs")), tests.join(target).join("main.rs")];
        if let Some((modules, _)) = test.rsplit_once("::") {
            sources.push(tests.join(target).join(modules.replace("::", "/")).with_extension("rs"));
        }
        sources
    }

    #[test]
    fn every_row_names_a_test_that_exists() {
        for fault in Catalogue::read().unwrap().faults {
            let name = fault.test.rsplit("::").next().unwrap();
            let sources = sources(&fault);
            let texts = sources.iter().filter_map(|path| std::fs::read_to_string(path).ok());
            let found = texts.filter(|text| text.contains(&format!("fn {name}("))).count();
            assert_eq!(found, 1, "{}: {} is not in {sources:?}", fault.row, fault.test);
        }
    }

    #[test]
    fn there_are_enough_rows_and_no_name_is_given_twice() {
        let faults = Catalogue::read().unwrap().faults;
        assert!(faults.len() >= 25, "{} rows", faults.len());
        for field in [|fault: &Fault| fault.row.clone(), |fault: &Fault| fault.test.clone()] {
            assert_eq!(faults.iter().map(field).collect::<BTreeSet<_>>().len(), faults.len());
        }
    }

    /// Text that would break the table, or a file name.
    #[test]
    fn every_text_fits_into_a_cell() {
        for Fault { row, fault, outcome, .. } in Catalogue::read().unwrap().faults {
            assert!(row.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-')), "{row}");
            for text in [fault, outcome] {
                assert!(
                    !text.contains(['|', '\n']) && !text.is_empty() && text.len() <= 160,
                    "{row}: {text}"
                );
            }
        }
    }

    #[test]
    fn an_unknown_key_is_refused() {
        let row = "[[fault]]\nrow = \"a\"\ntest = \"b::c\"\nfault = \"d\"\noutcome = \"e\"\n";
        assert_eq!(Catalogue::parse(row).unwrap().matching(Some("b::")).unwrap().len(), 1);
        assert!(Catalogue::parse(row).unwrap().matching(Some("z")).is_err());
        assert!(Catalogue::parse(&format!("{row}run = 1\n")).is_err());
    }
}
