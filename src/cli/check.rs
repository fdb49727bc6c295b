//! `voiced check`: a line for each neighbour, and an exit code for scripts.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::check::{self, Checked, Verdict};
use crate::config::{EX_CONFIG, Loaded};
use crate::output::{self, StdoutError};
use crate::terminal;

use super::CheckArgs;

/// `loading` is how long it took to read the configuration.
pub(super) async fn run(loaded: Loaded, args: CheckArgs, loading: Duration) -> anyhow::Result<ExitCode> {
    let first = check::configuration(&loaded, loading);
    let asked = check::ask(&Arc::new(loaded.config));
    let mut checks = vec![first];
    show(&checks[0], args.json)?;
    for asked in asked {
        let checked = asked.checked().await;
        show(&checked, args.json)?;
        checks.push(checked);
    }
    if args.json {
        let checks_json: Vec<Value> = checks.iter().map(as_json).collect();
        let report = json!({ "ok": !checks.iter().any(is_bad), "checks": checks_json });
        line(&terminal::json(&format!("{report:#}")))?;
    }
    Ok(exit_code(&checks))
}

/// Each line is shown as soon as it is known, so that a slow neighbour does not hide the others.
fn show(checked: &Checked, as_json: bool) -> Result<(), StdoutError> {
    if as_json { Ok(()) } else { line(&as_text(checked)) }
}

fn line(text: &str) -> Result<(), StdoutError> {
    match output::line(text) {
        // The reader of `voiced check | head` has seen enough; the exit code still reports the result.
        Err(error) if error.is_closed() => Ok(()),
        done => done,
    }
}

fn as_text(Checked { name, took, finding }: &Checked) -> String {
    format!("{:4}  {name:8} {:>6} ms  {}", word(finding.verdict), took.as_millis(), finding.message)
}

fn as_json(Checked { name, took, finding }: &Checked) -> Value {
    let status = word(finding.verdict).to_ascii_lowercase();
    json!({
        "name": name,
        "status": status,
        "seconds": took.as_secs_f64(),
        "message": finding.message,
        "details": finding.details,
    })
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Good => "ok",
        Verdict::Warned => "warn",
        Verdict::Failed | Verdict::Misconfigured => "FAIL",
        Verdict::Skipped => "skip",
    }
}

fn is_bad(checked: &Checked) -> bool {
    matches!(checked.finding.verdict, Verdict::Failed | Verdict::Misconfigured)
}

fn exit_code(checks: &[Checked]) -> ExitCode {
    if checks.iter().any(|checked| checked.finding.verdict == Verdict::Misconfigured) {
        return ExitCode::from(EX_CONFIG);
    }
    if checks.iter().any(is_bad) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
