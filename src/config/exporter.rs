//! The settings of one signal in `[telemetry]`.

use std::time::Duration;

use super::Telemetry;
use crate::secret::Secret;
use crate::telemetry::signal::Signal;

/// The settings by which the requests of one signal are sent.
#[derive(Clone, Copy, Debug)]
pub struct Exporter<'c> {
    pub headers: &'c [(String, Secret)],
    pub timeout: Duration,
    pub gzip: bool,
}

// === impl Telemetry ===

impl Telemetry {
    /// A signal's own settings, and those of traces where it has none.
    pub fn exporter(&self, signal: Signal) -> Exporter<'_> {
        let (headers, timeout, gzip) = match signal {
            Signal::Traces => (None, None, None),
            Signal::Metrics => (self.metrics_headers.as_ref(), self.metrics_timeout, self.metrics_gzip),
            Signal::Logs => (self.logs_headers.as_ref(), self.logs_timeout, self.logs_gzip),
        };
        Exporter {
            headers: headers.unwrap_or(&self.otlp_headers),
            timeout: timeout.unwrap_or(self.otlp_timeout),
            gzip: gzip.unwrap_or(self.otlp_gzip),
        }
    }

    /// Whether the signal is switched on; it may still have no receiver.
    pub fn wants(&self, signal: Signal) -> bool {
        let switch = match signal {
            Signal::Traces => self.traces,
            Signal::Metrics => self.metrics,
            Signal::Logs => self.logs,
        };
        self.enabled && switch
    }

    /// Whether the signal leaves this process.
    pub fn exports(&self, signal: Signal) -> bool {
        let own = match signal {
            Signal::Traces => None,
            Signal::Metrics => self.metrics_endpoint.as_ref(),
            Signal::Logs => self.logs_endpoint.as_ref(),
        };
        self.wants(signal) && own.or(self.otlp_endpoint.as_ref()).is_some()
    }
}
