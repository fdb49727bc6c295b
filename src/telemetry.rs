//! Traces: the records of a turn, and their way out of the process.
//!
//! - [`spans`]: the three spans of a turn, made with explicit parents
//! - [`attributes`]: every key that they carry
//! - [`endpoint`]: the receiver of the traces, as settings write it
//! - `otel`: the seam to OpenTelemetry
//! - [`signals`]: metrics and logs, when they are sent too

pub mod endpoint;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod otel;
pub mod recorder;
mod resource;
mod settings;
pub mod signals;
pub mod spans;
mod traceparent;

use std::time::Duration;

use redaction::Privacy;
use thiserror::Error;

use self::recorder::Recorder;
pub use self::settings::Settings;
use self::spans::Tracer;
pub use crate::attributes;
use otlp_spool::Spool;
pub use otlp_spool::{ExportStatus, Flushed, Signal, Survey};

/// The process's telemetry. Cheap to clone; spans still queued go out in the background when the last clone is dropped,
/// but only [`Telemetry::shutdown`] waits for them.
#[derive(Clone, Debug)]
pub struct Telemetry {
    tracer: Tracer,
    spool: Option<Spool>,
}

/// Why telemetry could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    #[error(transparent)]
    Export(#[from] otlp_spool::StartError),
    #[error(
        "[telemetry] {signal}: where they go cannot be told from the traces' URL {traces}, which does not end in /v1/traces; \
         set {signal}_endpoint"
    )]
    NoEndpoint { signal: &'static str, traces: url::Url },
    #[error("cannot make the HTTP client for traces: {0}")]
    Client(String),
    #[error("cannot start the thread that exports traces: {0}")]
    Thread(#[from] std::io::Error),
}

// === impl Telemetry ===

impl Telemetry {
    /// Starts exporting as configured. Without an endpoint turns still get trace ids, for logs. Workers with the same
    /// `agent` name send what one of them could not. May be called inside and outside async runtimes.
    pub fn start(config: &Settings, agent: &str, instance_id: &str) -> Result<Self, StartError> {
        let privacy = Privacy::new(&config.privacy);
        let url = config.otlp_endpoint.clone().filter(|_| config.wants(Signal::Traces));
        let Some(receiver) = url.map(|url| config.receiver(Signal::Traces, url)) else {
            tracing::info!("{}", silence(config));
            return Ok(Self { tracer: Tracer::new(otel::SpanSource::silent(), privacy), spool: None });
        };
        let settings = spool_settings(config, agent);
        let (source, spool) = otel::SpanSource::exported(config, receiver, &settings, instance_id)?;
        Ok(Self { tracer: Tracer::new(source, privacy), spool: Some(spool) })
    }

    /// Keeps finished spans in memory, for tests.
    pub fn in_memory(privacy: impl Into<Privacy>) -> (Self, Recorder) {
        let recorder = Recorder::default();
        let source = otel::SpanSource::recorded(recorder.clone());
        (Self { tracer: Tracer::new(source, privacy.into()), spool: None }, recorder)
    }

    pub fn tracer(&self) -> Tracer {
        self.tracer.clone()
    }

    pub fn status(&self) -> ExportStatus {
        self.spool.as_ref().map(Spool::status).unwrap_or_default()
    }

    /// Exports the queued spans; returns when that is done, or at the deadline. Spans that end later are lost.
    pub async fn shutdown(&self, deadline: Duration) -> Flushed {
        let telemetry = self.clone();
        // The wait is a blocking one, and on a single-threaded runtime it would stop everything else.
        let flush = tokio::task::spawn_blocking(move || telemetry.shutdown_blocking(deadline));
        flush.await.unwrap_or_default()
    }

    /// [`Telemetry::shutdown`] where there is no runtime, or none any more.
    pub fn shutdown_blocking(&self, deadline: Duration) -> Flushed {
        let Some(spool) = &self.spool else { return Flushed::default() };
        let flushed = spool.flush(deadline);
        let reason = spool.status().last_error;
        let reason = reason.as_deref().unwrap_or("the receiver did not answer in time");
        if let (1.., Some(path)) = (flushed.kept, spool.directory()) {
            let (kept, path) = (flushed.kept, path.display());
            tracing::warn!(
                "{kept} spans were not exported before exit: {reason}; they stay in {path}, and are sent after the next start"
            );
        }
        if flushed.lost > 0 {
            tracing::error!("{} spans were not exported before exit, and are lost: {reason}", flushed.lost);
        }
        flushed
    }
}

fn spool_settings(config: &Settings, agent: &str) -> otlp_spool::Settings {
    otlp_spool::Settings {
        directory: config.spool_dir.clone(),
        service: config.service_name.clone(),
        agent: agent.to_owned(),
        max_bytes: config.spool_max_bytes,
        max_age: config.spool_max_age,
        names: ["[telemetry] spool_dir", "[telemetry] spool_max_bytes and spool_max_age"],
    }
}

fn silence(config: &Settings) -> &'static str {
    match (config.enabled, config.traces) {
        (false, _) => "traces are not exported: [telemetry] enabled is false, or OTEL_SDK_DISABLED true",
        (_, false) => {
            "traces are not exported: [telemetry] traces is false, or OTEL_TRACES_EXPORTER names no otlp"
        }
        _ => "traces are not exported: set [telemetry] otlp_endpoint or OTEL_EXPORTER_OTLP_ENDPOINT",
    }
}
