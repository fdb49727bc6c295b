//! The receiver of a signal.

use std::time::Duration;

use conversation::Secret;
use url::Url;

use crate::Signal;

/// Where the requests of a signal go, and how they are sent.
#[derive(Clone, Debug)]
pub struct Receiver {
    pub signal: Signal,
    /// The full URL, with its path.
    pub url: Url,
    /// Names and values of headers.
    pub headers: Vec<(String, Secret)>,
    /// The limit of each request, with its answer.
    pub timeout: Duration,
    /// Whether bodies are compressed.
    pub gzip: bool,
    pub names: Names,
}

/// What the settings of a receiver are called, for messages to those who set them.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    pub url: &'static str,
    pub headers: &'static str,
}

// === impl Receiver ===

impl Receiver {
    /// OpenTelemetry's defaults: ten seconds, no headers. Bodies are compressed.
    pub fn new(signal: Signal, url: Url) -> Self {
        let (headers, names) = (Vec::new(), Names::default());
        Self { signal, url, headers, timeout: Duration::from_secs(10), gzip: true, names }
    }
}

// === impl Names ===

impl Default for Names {
    /// OpenTelemetry's variables.
    fn default() -> Self {
        Self { url: "OTEL_EXPORTER_OTLP_ENDPOINT", headers: "OTEL_EXPORTER_OTLP_HEADERS" }
    }
}
