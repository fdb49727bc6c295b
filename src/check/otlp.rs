//! Does the OTLP receiver take a span? One is sent by the exporter itself. It is named `voiced.check`, is no turn and
//! belongs to no session, so no view of either counts it.

use std::sync::Arc;
use std::time::Duration;

use otlp_spool::Signal;
use outbound::web;

use super::{Finding, Verdict};
use crate::config::Config;
use crate::telemetry::spans::PROBE;
use crate::telemetry::{ExportStatus, Settings, Telemetry};

/// One export may take as long as this, with the waits between its attempts.
const LONGEST: Duration = Duration::from_secs(20);
/// After this the exporter has given up by itself, and has told the reason.
const GRACE: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);

pub(super) async fn check(config: Arc<Config>) -> Finding {
    let settings = settings(&config.telemetry.settings());
    let Some(url) = settings.otlp_endpoint.as_ref().filter(|_| settings.wants(Signal::Traces)) else {
        return nowhere(&settings);
    };
    let shown = web::shown(url);
    let id = format!("check-{:016x}", fastrand::u64(..));
    let telemetry = match Telemetry::start(&settings, &config.worker.agent_name, &id) {
        Ok(telemetry) => telemetry,
        Err(error) => return Finding::new(Verdict::Misconfigured, error.to_string()),
    };
    let trace_id = telemetry.tracer().probe();
    tokio::select! {
        _ = telemetry.shutdown(settings.otlp_timeout + GRACE) => {}
        () = tried(&telemetry) => {}
    }
    let finding = judge(&telemetry.status(), shown.as_str(), &trace_id);
    finding.with("url", shown.as_str()).with("trace_id", trace_id)
}

/// The probe waits in memory: the directory on the disk belongs to the workers.
pub(super) fn settings(configured: &Settings) -> Settings {
    Settings {
        otlp_timeout: configured.otlp_timeout.min(LONGEST),
        metrics_timeout: configured.metrics_timeout.map(|timeout| timeout.min(LONGEST)),
        logs_timeout: configured.logs_timeout.map(|timeout| timeout.min(LONGEST)),
        spool_dir: None,
        ..configured.clone()
    }
}

/// Waits until the span was tried once: the exporter would try again, and one answer is enough here.
async fn tried(telemetry: &Telemetry) {
    let outcome = |status: ExportStatus| status.exported + status.rejected + status.failed_batches;
    while outcome(telemetry.status()) == 0 {
        tokio::time::sleep(POLL).await;
    }
}

fn nowhere(settings: &Settings) -> Finding {
    if !settings.enabled {
        return Finding::skipped(
            "telemetry.enabled is false (or OTEL_SDK_DISABLED is set): no trace is made",
        );
    }
    if !settings.traces {
        return Finding::skipped(
            "telemetry.traces is false (or OTEL_TRACES_EXPORTER names no otlp): no trace leaves this process",
        );
    }
    Finding::new(
        Verdict::Warned,
        "telemetry.otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT) is not set: no trace leaves this process",
    )
}

fn judge(status: &ExportStatus, url: &str, trace_id: &str) -> Finding {
    match (&status.last_error, status.exported) {
        (None, 1..) => Finding::good(format!(
            "{url} took a span; to see it there: operation_name = {PROBE}, trace id {trace_id}"
        )),
        // The receiver took the span, with a warning in its partial success.
        (Some(said), 1..) => Finding::new(Verdict::Warned, said.as_str()),
        (Some(said), 0) => Finding::failed(said.as_str()),
        (None, 0) => Finding::failed(format!(
            "{url} did not answer in time: is something between us and it? See also telemetry.otlp_timeout"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(exported: u64, said: Option<&str>) -> Verdict {
        let status =
            ExportStatus { exported, last_error: said.map(str::to_owned), ..ExportStatus::default() };
        judge(&status, "http://o2.test", "abc").verdict
    }

    #[test]
    fn what_the_receiver_said_decides() {
        assert_eq!(verdict(1, None), Verdict::Good);
        assert_eq!(verdict(1, Some("took the spans with a warning")), Verdict::Warned);
        assert_eq!(verdict(0, Some("401")), Verdict::Failed);
        assert_eq!(verdict(0, None), Verdict::Failed);
    }
}
