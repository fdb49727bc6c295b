//! The state of the other parts as metrics: it is looked up at each reading of `/metrics`, and counted nowhere else.

use std::sync::Arc;

use agent_worker::Health;
use tokio::sync::watch;
use turn_store::StoreStatus;

use crate::metrics::Metrics;
use crate::metrics::catalogue::{self, Definition};
use crate::telemetry::ExportStatus;
use crate::telemetry::signals::SignalStatus;

/// A figure of a state, and where it stands.
type Reading<S> = (&'static Definition, fn(&S) -> f64);

const WORKER: [Reading<Health>; 6] = [
    (&catalogue::REGISTERED, |health| flag(health.registered)),
    (&catalogue::DRAINING, |health| flag(health.draining)),
    (&catalogue::SLOTS, |health| health.slots.into()),
    (&catalogue::SLOTS_USED, |health| health.slots_used.into()),
    (&catalogue::JOBS_RUNNING, |health| health.active_jobs.into()),
    (&catalogue::CONNECT_WAIT, |health| health.connect_wait.as_secs_f64()),
];

/// The whole mapping from the status of the export to metrics. Counts are exact as f64 for longer than any process runs.
const EXPORT: [Reading<ExportStatus>; 8] = [
    (&catalogue::SPANS_SENT, |status| status.exported as f64),
    (&catalogue::SPANS_DROPPED, |status| status.dropped as f64),
    (&catalogue::SPANS_REJECTED, |status| status.rejected as f64),
    (&catalogue::SPANS_WAITING, |status| status.queued_spans as f64),
    (&catalogue::SPOOL_BYTES, |status| status.queued_bytes as f64),
    (&catalogue::SPOOL_AGE, oldest_age),
    (&catalogue::BATCHES_FAILED, |status| status.failed_batches as f64),
    (&catalogue::EXPORT_FAILING, |status| flag(status.last_error.is_some())),
];

const SIGNALS: [Reading<SignalStatus>; 3] = [
    (&catalogue::PUSHES_FAILED, |status| status.pushes_failed as f64),
    (&catalogue::LOGS_SENT, |status| status.logs_sent as f64),
    (&catalogue::LOGS_DROPPED, |status| status.logs_dropped as f64),
];

/// Zeros when the record is off, as Prometheus advises for series that are known beforehand: a missing one cannot be
/// told from a worker that is gone.
const RECORD: [Reading<StoreStatus>; 4] = [
    (&catalogue::RECORD_WRITTEN, |status| status.written as f64),
    (&catalogue::RECORD_DROPPED, |status| status.dropped as f64),
    (&catalogue::RECORD_WAITING, |status| status.waiting as f64),
    (&catalogue::RECORD_FAILING, |status| flag(status.last_error.is_some())),
];

/// In seconds; 0 while nothing waits.
fn oldest_age(status: &ExportStatus) -> f64 {
    status.oldest.and_then(|made| made.elapsed().ok()).unwrap_or_default().as_secs_f64()
}

/// Shows the worker whose health this is.
pub(crate) fn worker(metrics: &Metrics, health: watch::Receiver<Health>) {
    show(metrics, WORKER, move || health.borrow().clone());
}

/// Shows the state of the export of traces.
pub(crate) fn export(metrics: &Metrics, status: impl Fn() -> ExportStatus + Send + Sync + 'static) {
    show(metrics, EXPORT, status);
}

/// Shows the state of the export of metrics and logs.
pub(crate) fn signals(metrics: &Metrics, status: impl Fn() -> SignalStatus + Send + Sync + 'static) {
    show(metrics, SIGNALS, status);
}

/// Shows the state of the local record.
pub(crate) fn record(metrics: &Metrics, status: impl Fn() -> StoreStatus + Send + Sync + 'static) {
    show(metrics, RECORD, status);
}

/// Shows how many texts could not be redacted in time.
pub(crate) fn redaction(metrics: &Metrics, given_up: impl Fn() -> u64 + Send + Sync + 'static) {
    metrics.observe(&catalogue::REDACTIONS_GIVEN_UP, move || Some(given_up() as f64));
}

fn show<S: 'static, const N: usize>(
    metrics: &Metrics,
    readings: [Reading<S>; N],
    status: impl Fn() -> S + Send + Sync + 'static,
) {
    let status = Arc::new(status);
    for (definition, read) in readings {
        let status = status.clone();
        metrics.observe(definition, move || Some(read(&status())));
    }
}

fn flag(on: bool) -> f64 {
    if on { 1.0 } else { 0.0 }
}
