//! Medians and 95th percentiles, as a table.

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};

/// The rows of the table, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Row {
    Voice,
    Ended,
    Stt,
    Llm,
    Early,
    Tts,
    Packet,
    Way,
    Stop,
}

/// A limit of a row, in milliseconds: of the median and of the 95th percentile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Limit {
    median: Option<f64>,
    high: Option<f64>,
}

pub(super) struct Figures {
    limits: BTreeMap<&'static str, Limit>,
    /// Milliseconds.
    values: BTreeMap<Row, Vec<f64>>,
}

const ROWS: [Row; 9] =
    [Row::Voice, Row::Ended, Row::Stt, Row::Llm, Row::Early, Row::Tts, Row::Packet, Row::Way, Row::Stop];

// === impl Row ===

impl Row {
    /// The name in `--at-most`, and what the row is.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::Voice => ("voice", "voice to voice, at the caller"),
            Self::Ended => ("ended", "caller's last sound > last speech at the detector"),
            Self::Stt => ("stt", "first silence at the detector > STT request"),
            Self::Llm => ("llm", "end of the turn due > LLM request"),
            Self::Early => ("early", "transcript > LLM request"),
            Self::Tts => ("tts", "first piece of the reply > TTS request"),
            Self::Packet => ("packet", "first bytes of TTS > first packet"),
            Self::Way => ("way", "first packet > caller's ear"),
            Self::Stop => ("stop", "caller speaks into a reply > silence at the caller"),
        }
    }
}

// === impl Figures ===

impl Figures {
    /// With limits as `NAME=P50/P95`.
    pub(super) fn new(limits: &[String]) -> Result<Self> {
        let limits = limits.iter().map(|text| limit(text)).collect::<Result<_>>()?;
        Ok(Self { limits, values: BTreeMap::new() })
    }

    /// Takes in what passed between two times, if both are known.
    pub(super) fn add(&mut self, row: Row, to: Option<u64>, from: Option<u64>) {
        if let (Some(to), Some(from)) = (to, from) {
            self.values.entry(row).or_default().push((to as f64 - from as f64) / 1e3);
        }
    }

    /// Prints the rows that have values.
    ///
    /// # Errors
    /// A limit is not kept.
    pub(super) fn print(mut self) -> Result<()> {
        println!("{:<52} {:>4} {:>9} {:>9}   at most", "ms", "n", "p50", "p95");
        let mut missed = Vec::new();
        for row in ROWS {
            let (name, what) = row.names();
            let limit = self.limits.get(name).copied();
            let Some(values) = self.values.get_mut(&row) else {
                missed.extend(limit.map(|_| name));
                continue;
            };
            values.sort_by(f64::total_cmp);
            let [median, high] = [0.5, 0.95].map(|part| quantile(values, part));
            let limit = limit.unwrap_or_default();
            println!("{what:<52} {:>4} {median:>9.1} {high:>9.1}   {}", values.len(), limit.shown());
            missed.extend((!limit.is_kept(median, high)).then_some(name));
        }
        ensure!(missed.is_empty(), "above the limit, or without a figure: {}", missed.join(", "));
        Ok(())
    }
}

// === impl Limit ===

impl Limit {
    fn is_kept(self, median: f64, high: f64) -> bool {
        self.median.is_none_or(|limit| median <= limit) && self.high.is_none_or(|limit| high <= limit)
    }

    fn shown(self) -> String {
        let shown = |limit: Option<f64>| limit.map_or("-".to_owned(), |limit| limit.to_string());
        format!("{} / {}", shown(self.median), shown(self.high))
    }
}

fn limit(text: &str) -> Result<(&'static str, Limit)> {
    let (name, values) = text.split_once('=').context("a limit is NAME=P50/P95")?;
    let names = ROWS.map(|row| row.names().0);
    let name = names.into_iter().find(|known| *known == name);
    let name = name.with_context(|| format!("{text}: the rows are {}", names.join(", ")))?;
    let (median, high) = values.split_once('/').unwrap_or((values, ""));
    let value = |text: &str| (!text.is_empty()).then(|| text.parse::<f64>()).transpose();
    Ok((name, Limit { median: value(median)?, high: value(high)? }))
}

/// Between the two nearest of sorted values.
fn quantile(values: &[f64], part: f64) -> f64 {
    let at = (values.len() - 1) as f64 * part;
    let (low, high) = (values[at.floor() as usize], values[at.ceil() as usize]);
    low + (high - low) * at.fract()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_nearest_values() {
        let values = [1.0, 2.0, 3.0, 4.0];
        assert_eq!(quantile(&values, 0.5), 2.5);
        assert_eq!(quantile(&values, 1.0), 4.0);
        assert_eq!(quantile(&[7.0], 0.95), 7.0);
    }

    #[test]
    fn limits_name_a_row_and_one_or_two_figures() {
        assert_eq!(limit("voice=800/860").unwrap().1, Limit { median: Some(800.0), high: Some(860.0) });
        assert_eq!(limit("stt=10").unwrap(), ("stt", Limit { median: Some(10.0), high: None }));
        assert!(limit("speed=1").is_err() && limit("stt").is_err());
    }

    #[test]
    fn a_row_above_its_limit_or_without_a_value_fails() {
        let figures = |ms: u64| {
            let mut figures = Figures::new(&["stt=10".to_owned()]).unwrap();
            figures.add(Row::Stt, Some(1_000_000 + ms * 1000), Some(1_000_000));
            figures.add(Row::Stt, None, Some(0));
            figures
        };
        assert!(figures(9).print().is_ok());
        assert!(figures(11).print().is_err());
        assert!(Figures::new(&["stt=10".to_owned()]).unwrap().print().is_err());
    }
}
