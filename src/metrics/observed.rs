//! The values that are looked up at each reading: they need no counting along.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::catalogue::{self, Definition};
use super::meter::{Label, Meter};
use super::process;
use crate::record::RecordStatus;
use crate::telemetry::ExportStatus;
use crate::telemetry::signals::SignalStatus;
use crate::worker::Health;

/// A figure of the worker, and its field.
type WorkerReading = (&'static Definition, fn(&Health) -> f64);

const WORKER: [WorkerReading; 6] = [
    (&catalogue::REGISTERED, |health| flag(health.registered)),
    (&catalogue::DRAINING, |health| flag(health.draining)),
    (&catalogue::SLOTS, |health| health.slots.into()),
    (&catalogue::SLOTS_USED, |health| health.slots_used.into()),
    (&catalogue::JOBS_RUNNING, |health| health.active_jobs.into()),
    (&catalogue::CONNECT_WAIT, |health| health.connect_wait.as_secs_f64()),
];

/// A figure of the export, and its field.
type ExportReading = (&'static Definition, fn(&ExportStatus) -> f64);

/// The whole mapping from the status of the export to metrics. Counts are exact as f64 for longer than any process runs.
const EXPORT: [ExportReading; 8] = [
    (&catalogue::SPANS_SENT, |status| status.exported as f64),
    (&catalogue::SPANS_DROPPED, |status| status.dropped as f64),
    (&catalogue::SPANS_REJECTED, |status| status.rejected as f64),
    (&catalogue::SPANS_WAITING, |status| status.queued_spans as f64),
    (&catalogue::SPOOL_BYTES, |status| status.queued_bytes as f64),
    (&catalogue::SPOOL_AGE, oldest_age),
    (&catalogue::BATCHES_FAILED, |status| status.failed_batches as f64),
    (&catalogue::EXPORT_FAILING, |status| flag(status.last_error.is_some())),
];

/// A figure of the other signals' export, and its field.
type SignalReading = (&'static Definition, fn(&SignalStatus) -> f64);

const SIGNALS: [SignalReading; 3] = [
    (&catalogue::PUSHES_FAILED, |status| status.pushes_failed as f64),
    (&catalogue::LOGS_SENT, |status| status.logs_sent as f64),
    (&catalogue::LOGS_DROPPED, |status| status.logs_dropped as f64),
];

/// A figure of the local record, and its field.
type RecordReading = (&'static Definition, fn(&RecordStatus) -> f64);

/// Zeros when the record is off, as Prometheus advises for series that are known beforehand: a missing one cannot be
/// told from a worker that is gone.
const RECORD: [RecordReading; 4] = [
    (&catalogue::RECORD_WRITTEN, |status| status.written as f64),
    (&catalogue::RECORD_DROPPED, |status| status.dropped as f64),
    (&catalogue::RECORD_WAITING, |status| status.waiting as f64),
    (&catalogue::RECORD_FAILING, |status| flag(status.last_error.is_some())),
];

/// In seconds; 0 while nothing waits.
fn oldest_age(status: &ExportStatus) -> f64 {
    status.oldest.and_then(|made| made.elapsed().ok()).unwrap_or_default().as_secs_f64()
}

pub(super) fn worker(meter: &Meter, health: watch::Receiver<Health>) {
    for (definition, read) in WORKER {
        let health = health.clone();
        meter.observe(definition, Vec::new(), move || Some(read(&health.borrow())));
    }
}

pub(super) fn export(meter: &Meter, status: Arc<dyn Fn() -> ExportStatus + Send + Sync>) {
    for (definition, read) in EXPORT {
        let status = status.clone();
        meter.observe(definition, Vec::new(), move || Some(read(&status())));
    }
}

pub(super) fn signals(meter: &Meter, status: Arc<dyn Fn() -> SignalStatus + Send + Sync>) {
    for (definition, read) in SIGNALS {
        let status = status.clone();
        meter.observe(definition, Vec::new(), move || Some(read(&status())));
    }
}

pub(super) fn record(meter: &Meter, status: Arc<dyn Fn() -> RecordStatus + Send + Sync>) {
    for (definition, read) in RECORD {
        let status = status.clone();
        meter.observe(definition, Vec::new(), move || Some(read(&status())));
    }
}

pub(super) fn redaction(meter: &Meter, given_up: impl Fn() -> u64 + Send + Sync + 'static) {
    meter.observe(&catalogue::REDACTIONS_GIVEN_UP, Vec::new(), move || Some(given_up() as f64));
}

pub(super) fn process(meter: &Meter) {
    let version = Label::new("version", env!("CARGO_PKG_VERSION"));
    let target = Label::new("target", concat_target());
    meter.observe(&catalogue::BUILD, vec![version, target], || Some(1.0));
    for (definition, read) in process::READINGS {
        meter.observe(definition, Vec::new(), read);
    }
    // The reader may be a thread outside of the runtime. Commands that count only for themselves have none.
    if let Ok(runtime) = Handle::try_current() {
        meter.observe(&catalogue::TASKS, Vec::new(), move || {
            u32::try_from(runtime.metrics().num_alive_tasks()).ok().map(f64::from)
        });
    }
    let started = process::start_time();
    meter.observe(&catalogue::PROCESS_START, Vec::new(), move || Some(started));
}

fn concat_target() -> String {
    format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS)
}

fn flag(on: bool) -> f64 {
    if on { 1.0 } else { 0.0 }
}
