//! The table of faults in docs/faults.md, which also keeps the figures of rows that are not measured this time.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::catalogue::{Catalogue, Fault};
use super::measured::Measurement;
use crate::terminal::duration;

const DOCS: &str = "docs/faults.md";
const BEGIN: &str = "<!-- faults: written by `cargo xtask faults` -->";
const END: &str = "<!-- /faults -->";
/// Stands in place of a figure that was never measured.
const NOTHING: &str = "not measured";

/// The figures of a row's runs, as the table shows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Figures {
    median: String,
    turns_lost: String,
    spans_lost: String,
    spread: String,
}

/// The rows of the catalogue with their figures.
pub(super) struct Table<'a> {
    catalogue: &'a Catalogue,
    figures: BTreeMap<String, Figures>,
}

// === impl Figures ===

impl Figures {
    /// The figures of at least one run. The losses are those of the worst run.
    pub(super) fn of(runs: &[Measurement]) -> Self {
        let mut times: Vec<Duration> = runs.iter().map(Measurement::recovery).collect();
        times.sort_unstable();
        let worst =
            |lost: fn(&Measurement) -> u64| runs.iter().map(lost).max().unwrap_or_default().to_string();
        let spread = match times.as_slice() {
            [] | [_] => "1 run".to_owned(),
            [least, .., most] => {
                format!("{} to {} in {} runs", duration(*least), duration(*most), times.len())
            }
        };
        Self {
            median: duration(median(&times)),
            turns_lost: worst(|run| run.turns_lost),
            spans_lost: worst(|run| run.spans_lost),
            spread,
        }
    }

    fn nothing() -> Self {
        let nothing = || NOTHING.to_owned();
        Self { median: nothing(), turns_lost: nothing(), spans_lost: nothing(), spread: nothing() }
    }

    /// The row's name and its figures, read from a line of [`Table::text`].
    fn parse(line: &str) -> Option<(String, Self)> {
        let cells: Vec<&str> =
            line.trim().strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
        let [row, _, _, median, turns_lost, spans_lost, spread, _] = cells.as_slice() else { return None };
        let row = row.strip_prefix('`')?.strip_suffix('`')?;
        let [median, turns_lost, spans_lost, spread] =
            [median, turns_lost, spans_lost, spread].map(|cell| (*cell).to_owned());
        Some((row.to_owned(), Self { median, turns_lost, spans_lost, spread }))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { median, turns_lost, spans_lost, spread } = self;
        write!(f, "recovered in {median} ({spread}), {turns_lost} turns and {spans_lost} spans lost")
    }
}

/// The median of sorted times: the middle one, or the mean of the two middle ones.
fn median(times: &[Duration]) -> Duration {
    let middle = |index: usize| times.get(index).copied().unwrap_or_default();
    match times.len() {
        0 => Duration::ZERO,
        count if count % 2 == 1 => middle(count / 2),
        count => (middle(count / 2 - 1) + middle(count / 2)) / 2,
    }
}

// === impl Table ===

impl<'a> Table<'a> {
    /// Reads the table with the figures from earlier runs.
    pub(super) fn read(catalogue: &'a Catalogue) -> Result<Self> {
        let known = between(&super::read(&file(DOCS))?, DOCS)?.lines().filter_map(Figures::parse).collect();
        Ok(Self { catalogue, figures: known })
    }

    pub(super) fn put(&mut self, row: &str, figures: Figures) {
        self.figures.insert(row.to_owned(), figures);
    }

    pub(super) fn text(&self) -> String {
        let head = "| row | fault | what happened | recovery | turns lost | spans lost | spread | test |\n|---|---|---|---|---|---|---|---|\n";
        let line = |fault: &Fault| {
            let Figures { median, turns_lost, spans_lost, spread } = self.figures(fault);
            let Fault { row, fault, outcome, test, .. } = fault;
            format!(
                "| `{row}` | {fault} | {outcome} | {median} | {turns_lost} | {spans_lost} | {spread} | `{test}` |\n"
            )
        };
        head.to_owned() + &self.catalogue.faults.iter().map(line).collect::<String>()
    }

    pub(super) fn write(&self) -> Result<()> {
        let processors = super::processors();
        let note = format!("\nMeasured on {processors} processors that other work shared.\n");
        let text = replaced(&super::read(&file(DOCS))?, DOCS, &(self.text() + &note))?;
        std::fs::write(file(DOCS), text).with_context(|| format!("cannot write {DOCS}"))
    }

    fn figures(&self, fault: &Fault) -> Figures {
        self.figures.get(&fault.row).cloned().unwrap_or_else(Figures::nothing)
    }
}

fn file(name: &str) -> std::path::PathBuf {
    Path::new(testbed::root()).join(name)
}

/// The text between the markers.
fn between<'a>(text: &'a str, name: &str) -> Result<&'a str> {
    let rest = text.split_once(BEGIN).map(|(_, rest)| rest);
    let part = rest.and_then(|rest| rest.split_once(END)).map(|(part, _)| part);
    part.with_context(|| format!("{name} lacks the lines {BEGIN} and {END}"))
}

fn replaced(text: &str, name: &str, table: &str) -> Result<String> {
    let before = between(text, name)?;
    Ok(text.replacen(&format!("{BEGIN}{before}{END}"), &format!("{BEGIN}\n{table}{END}"), 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After a change of a row its test must be run again: `cargo xtask faults --filter ROW`.
    #[test]
    fn the_table_has_exactly_the_rows_of_the_catalogue_and_each_was_measured() {
        let catalogue = Catalogue::read().unwrap();
        let table = Table::read(&catalogue).unwrap();
        let docs = std::fs::read_to_string(file(DOCS)).unwrap();
        assert!(between(&docs, DOCS).unwrap().trim().starts_with(table.text().trim()));
        for fault in &catalogue.faults {
            let Figures { median, turns_lost, spans_lost, .. } = table.figures(fault);
            assert_ne!(median, NOTHING, "{}", fault.row);
            assert_eq!([turns_lost, spans_lost], ["0", "0"], "{}", fault.row);
        }
    }

    #[test]
    fn figures_are_the_median_the_spread_and_the_worst_loss() {
        let runs = [30.0, 10.0, 20.0].map(|time| Measurement::of(time, 0, if time > 20.0 { 2 } else { 0 }));
        let figures = Figures::of(&runs);
        assert_eq!(
            figures.to_string(),
            "recovered in 20 ms (10 ms to 30 ms in 3 runs), 0 turns and 2 spans lost"
        );
        let [one, two, ..] = &runs;
        assert_eq!(Figures::of(&[one.clone(), two.clone()]).median, "20 ms");
        assert_eq!(Figures::of(std::slice::from_ref(one)).spread, "1 run");
    }

    #[test]
    fn what_is_written_is_read_again_and_what_is_not_measured_says_so() {
        let fault = |row: &str| Fault {
            row: row.to_owned(),
            test: "faults::a::b".to_owned(),
            fault: "It breaks.".to_owned(),
            outcome: "It is mended.".to_owned(),
            runs: None,
        };
        let catalogue = Catalogue { faults: vec![fault("a"), fault("b")] };
        let figures = Figures::of(&[Measurement::of(5.0, 0, 0)]);
        let mut table = Table { catalogue: &catalogue, figures: BTreeMap::new() };
        table.put("a", figures.clone());
        let text = replaced(&format!("before\n{BEGIN}\nold\n{END}\nafter\n"), "x", &table.text()).unwrap();
        assert!(text.starts_with("before\n") && text.ends_with("after\n") && !text.contains("old"), "{text}");
        let known: BTreeMap<_, _> = between(&text, "x").unwrap().lines().filter_map(Figures::parse).collect();
        assert_eq!(known["a"], figures);
        assert_eq!(known["b"], Figures::nothing());
        assert!(replaced("no markers", "x", "table").is_err());
    }
}
