//! Metrics and logs over OTLP, when switched on: besides the traces, to the same receiver, each from a thread of its
//! own.
//!
//! No thread waits for these but that of [`Signals::stop`], and that not past its deadline. A failure is logged once
//! for each change of state and counted.
//!
//! - `metrics`: the push of [`Metrics`] at its interval
//! - `layer`: the log as records; `queue`: the records on their way to the thread; `logs`: that thread
//! - `records`: the seam to OTLP's log messages
//! - `post`: one request of a signal, and the message about its outcome

mod layer;
mod logs;
mod metrics;
mod post;
mod queue;
mod records;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use otlp_spool::Signal;
use url::Url;

use self::logs::LogExport;
use self::metrics::MetricsPush;
pub use self::queue::LogQueue;
use super::{StartError, endpoint, resource};
use crate::metrics::{Metrics, Push};
use crate::telemetry::settings::Settings;

/// The metrics of the process, and the threads that send them and the logs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Signals {
    metrics: Metrics,
    push: Option<MetricsPush>,
    logs: Option<LogExport>,
    counts: Arc<Counts>,
}

/// The outcomes of metrics and logs so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SignalStatus {
    pub pushes_failed: u64,
    /// Log records that the receiver took.
    pub logs_sent: u64,
    /// Log records that are lost: the queue was full, or the receiver did not take them.
    pub logs_dropped: u64,
}

/// [`SignalStatus`] while it grows.
#[derive(Debug, Default)]
struct Counts {
    pushes_failed: AtomicU64,
    logs_sent: AtomicU64,
    logs_dropped: AtomicU64,
}

// === impl Signals ===

impl Signals {
    /// Starts what is switched on. `logs` is the queue that the process logs into.
    pub fn start(config: &Settings, instance_id: &str, logs: Option<LogQueue>) -> Result<Self, StartError> {
        let resource = resource::attributes(config, instance_id);
        let counts = Arc::new(Counts::default());
        let url = metrics_url(config)?;
        let push = url
            .is_some()
            .then(|| Push { temporality: config.metrics_temporality, resource: resource.clone() });
        let metrics = Metrics::new(push);
        let push =
            url.map(|url| MetricsPush::start(config, url, metrics.clone(), counts.clone())).transpose()?;
        let logs = match (logs, logs_url(config)?) {
            (Some(queue), Some(url)) => Some(LogExport::start(config, url, resource, queue, counts.clone())?),
            _ => None,
        };
        Ok(Self { metrics, push, logs, counts })
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub fn status(&self) -> SignalStatus {
        self.counts.status()
    }

    /// Sends the last metrics and the logs that wait; returns when that is done, or at the deadline. To be called from
    /// where blocking is allowed.
    pub fn stop_blocking(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        let left = || deadline.saturating_duration_since(Instant::now());
        // All threads are told first, so that they work at the same time.
        self.push.iter().for_each(MetricsPush::close);
        self.push.iter().for_each(|push| push.wait(left()));
        self.logs.iter().for_each(LogExport::close);
        self.logs.iter().for_each(|logs| logs.wait(left()));
    }

    /// [`Signals::stop_blocking`] from an async runtime.
    pub async fn stop(&self, patience: Duration) {
        let signals = self.clone();
        // A panic in that task is no reason not to end.
        let _ = tokio::task::spawn_blocking(move || signals.stop_blocking(patience)).await;
    }
}

// === asking the receivers ===

/// The outcome of an empty request of a signal.
#[derive(Clone, Debug)]
pub(crate) struct Probed {
    pub(crate) url: Url,
    /// The problem and its remedy.
    pub(crate) trouble: Option<String>,
}

/// Asks the receiver of metrics for its opinion; None when they go nowhere. To be called from where blocking is allowed.
pub(crate) fn probe_metrics(config: &Settings) -> Result<Option<Probed>, StartError> {
    metrics_url(config)?.map(|url| probe(config, url, Signal::Metrics)).transpose()
}

/// [`probe_metrics`] for logs.
pub(crate) fn probe_logs(config: &Settings) -> Result<Option<Probed>, StartError> {
    logs_url(config)?.map(|url| probe(config, url, Signal::Logs)).transpose()
}

fn probe(config: &Settings, url: Url, signal: Signal) -> Result<Probed, StartError> {
    let trouble = post::probe(config, url.clone(), signal)?;
    Ok(Probed { url, trouble })
}

// === where they go ===

/// Where metrics go; None when they go nowhere.
fn metrics_url(config: &Settings) -> Result<Option<Url>, StartError> {
    signal_url(config, config.metrics_endpoint.as_ref(), Signal::Metrics)
}

fn logs_url(config: &Settings) -> Result<Option<Url>, StartError> {
    signal_url(config, config.logs_endpoint.as_ref(), Signal::Logs)
}

fn signal_url(config: &Settings, given: Option<&Url>, signal: Signal) -> Result<Option<Url>, StartError> {
    let wanted = config.wants(signal);
    let signal = signal.name();
    match (wanted, given, config.otlp_endpoint.as_ref()) {
        (false, ..) => Ok(None),
        (true, Some(given), _) => Ok(Some(given.clone())),
        (true, None, Some(traces)) => match endpoint::signal_url(traces, signal) {
            Some(url) => Ok(Some(url)),
            None => Err(StartError::NoEndpoint { signal, traces: traces.clone() }),
        },
        (true, None, None) => {
            tracing::warn!("{signal} are not exported: set [telemetry] otlp_endpoint or {signal}_endpoint");
            Ok(None)
        }
    }
}

// === impl Counts ===

impl Counts {
    fn status(&self) -> SignalStatus {
        SignalStatus {
            pushes_failed: self.pushes_failed.load(Ordering::Relaxed),
            logs_sent: self.logs_sent.load(Ordering::Relaxed),
            logs_dropped: self.logs_dropped.load(Ordering::Relaxed),
        }
    }
}
