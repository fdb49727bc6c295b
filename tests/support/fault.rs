//! The measurement of a fault. `cargo xtask faults` runs the tests that `tests/faults.toml` names, several times each,
//! and writes the table of the medians in docs/faults.md.

use std::fs::File;
use std::io::Write;
use std::time::Duration;

use serde_json::json;

/// The file that measurements are added to, a line of JSON each. `cargo xtask faults` sets it.
const FILE: &str = "VOICED_FAULTS";

/// The cost of a fault.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// The time from the fault, or from its end where it lasts, until everything works again as before.
    pub(crate) recovery: Duration,
    /// Turns that the worker took and that are not recorded.
    pub(crate) turns_lost: usize,
    /// Spans of recorded turns that never reached the receiver.
    pub(crate) spans_lost: usize,
}

/// Reports the cost of the fault that is `row` in `tests/faults.toml`; fails when anything was lost.
pub(crate) fn measured(row: &str, measured: Measured) {
    let Measured { recovery, turns_lost, spans_lost } = measured;
    println!("{row}: recovered in {recovery:.2?}, {turns_lost} turns and {spans_lost} spans lost");
    if let Some(path) = std::env::var_os(FILE) {
        let milliseconds = recovery.as_secs_f64() * 1e3;
        let line = json!({ "row": row, "recovery_ms": milliseconds, "turns_lost": turns_lost, "spans_lost": spans_lost });
        let mut file = File::options().create(true).append(true).open(path).unwrap();
        file.write_all(format!("{line}\n").as_bytes()).unwrap();
    }
    assert_eq!((turns_lost, spans_lost), (0, 0), "{row} cost turns or spans");
}
