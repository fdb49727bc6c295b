//! The report of a test: a line of JSON, as `tests/support/fault.rs` writes it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub(super) struct Measurement {
    row: String,
    recovery_ms: f64,
    pub(super) turns_lost: u64,
    pub(super) spans_lost: u64,
}

impl Measurement {
    /// The reports about this row, the latest last; none where there is no file.
    pub(super) fn read(path: &Path, row: &str) -> Result<Vec<Self>> {
        if !path.exists() {
            return Ok(Vec::new());
        }
        let lines = super::read(path)?;
        let measured =
            lines.lines().map(serde_json::from_str::<Self>).collect::<serde_json::Result<Vec<_>>>();
        let measured = measured.with_context(|| format!("{} is not what tests report", path.display()))?;
        Ok(measured.into_iter().filter(|measured| measured.row == row).collect())
    }

    pub(super) fn recovery(&self) -> Duration {
        Duration::try_from_secs_f64(self.recovery_ms / 1e3).unwrap_or_default()
    }

    #[cfg(test)]
    pub(super) fn of(recovery_ms: f64, turns_lost: u64, spans_lost: u64) -> Self {
        Self { row: "a".to_owned(), recovery_ms, turns_lost, spans_lost }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_of_the_row_is_taken_and_a_broken_one_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("report");
        assert_eq!(Measurement::read(&path, "a").unwrap(), []);
        let line = |row: &str| {
            format!("{{\"row\":\"{row}\",\"recovery_ms\":1.5,\"turns_lost\":0,\"spans_lost\":2}}\n")
        };
        std::fs::write(&path, line("b") + &line("a")).unwrap();
        let measured = Measurement::read(&path, "a").unwrap();
        assert_eq!(measured, [Measurement::of(1.5, 0, 2)]);
        assert_eq!(measured[0].recovery(), Duration::from_micros(1500));
        assert_eq!(Measurement::read(&path, "c").unwrap(), []);
        std::fs::write(&path, "no json\n").unwrap();
        assert!(Measurement::read(&path, "a").is_err());
    }
}
