//! What is exported, where to, and how.

use std::path::PathBuf;
use std::time::Duration;

use conversation::Secret;
use otlp_spool::{Names, Receiver, Signal};
use url::Url;

use crate::metrics::Temporality;

/// The settings of all signals. Of the optional ones of metrics and logs, None stands for those of traces.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether anything is exported.
    pub enabled: bool,
    pub traces: bool,
    pub service_name: String,
    pub resource_attributes: Vec<(String, String)>,
    /// The full URL that traces are posted to, `/v1/traces` included. None: traces are not exported.
    pub otlp_endpoint: Option<Url>,
    /// Names and values of headers, decoded.
    pub otlp_headers: Vec<(String, Secret)>,
    pub otlp_timeout: Duration,
    pub otlp_gzip: bool,
    /// Where traces wait for their receiver. None: in memory only.
    pub spool_dir: Option<PathBuf>,
    /// The most that waits there; the oldest traces make room.
    pub spool_max_bytes: u64,
    /// Older traces are dropped.
    pub spool_max_age: Duration,
    pub privacy: redaction::Settings,
    pub metrics: bool,
    pub metrics_endpoint: Option<Url>,
    pub metrics_headers: Option<Vec<(String, Secret)>>,
    pub metrics_timeout: Option<Duration>,
    pub metrics_gzip: Option<bool>,
    /// How often metrics are pushed.
    pub metrics_interval: Duration,
    pub metrics_temporality: Temporality,
    pub logs: bool,
    pub logs_endpoint: Option<Url>,
    pub logs_headers: Option<Vec<(String, Secret)>>,
    pub logs_timeout: Option<Duration>,
    pub logs_gzip: Option<bool>,
}

// === impl Settings ===

impl Default for Settings {
    /// Nothing is exported.
    fn default() -> Self {
        Self {
            enabled: false,
            traces: false,
            service_name: String::new(),
            resource_attributes: Vec::new(),
            otlp_endpoint: None,
            otlp_headers: Vec::new(),
            otlp_timeout: Duration::from_secs(10),
            otlp_gzip: true,
            spool_dir: None,
            spool_max_bytes: 1 << 30,
            spool_max_age: Duration::from_secs(24 * 3600),
            privacy: redaction::Settings::default(),
            metrics: false,
            metrics_endpoint: None,
            metrics_headers: None,
            metrics_timeout: None,
            metrics_gzip: None,
            metrics_interval: Duration::from_secs(60),
            metrics_temporality: Temporality::Cumulative,
            logs: false,
            logs_endpoint: None,
            logs_headers: None,
            logs_timeout: None,
            logs_gzip: None,
        }
    }
}

impl Settings {
    /// The receiver of a signal at a URL: the signal's own settings, and those of traces where it has none.
    pub fn receiver(&self, signal: Signal, url: Url) -> Receiver {
        let (timeout, gzip) = match signal {
            Signal::Traces => (None, None),
            Signal::Metrics => (self.metrics_timeout, self.metrics_gzip),
            Signal::Logs => (self.logs_timeout, self.logs_gzip),
        };
        Receiver {
            signal,
            url,
            headers: self.headers(signal).to_vec(),
            timeout: timeout.unwrap_or(self.otlp_timeout),
            gzip: gzip.unwrap_or(self.otlp_gzip),
            names: Names { url: self.url_key(signal), headers: "[telemetry] otlp_headers" },
        }
    }

    /// The headers of a signal's requests: its own, else those of traces.
    pub fn headers(&self, signal: Signal) -> &[(String, Secret)] {
        let own = match signal {
            Signal::Traces => None,
            Signal::Metrics => self.metrics_headers.as_ref(),
            Signal::Logs => self.logs_headers.as_ref(),
        };
        own.unwrap_or(&self.otlp_headers)
    }

    /// The key that a signal's URL comes from.
    fn url_key(&self, signal: Signal) -> &'static str {
        match signal {
            Signal::Metrics if self.metrics_endpoint.is_some() => "[telemetry] metrics_endpoint",
            Signal::Logs if self.logs_endpoint.is_some() => "[telemetry] logs_endpoint",
            _ => "[telemetry] otlp_endpoint",
        }
    }

    /// Whether it is switched on; it may still have nowhere to go.
    pub fn wants(&self, signal: Signal) -> bool {
        let switch = match signal {
            Signal::Traces => self.traces,
            Signal::Metrics => self.metrics,
            Signal::Logs => self.logs,
        };
        self.enabled && switch
    }

    /// Whether it leaves this process.
    pub fn exports(&self, signal: Signal) -> bool {
        let own = match signal {
            Signal::Traces => None,
            Signal::Metrics => self.metrics_endpoint.as_ref(),
            Signal::Logs => self.logs_endpoint.as_ref(),
        };
        self.wants(signal) && own.or(self.otlp_endpoint.as_ref()).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receivers_messages_name_the_key_that_its_url_comes_from() {
        let url = || Url::parse("http://logs.test/otlp").unwrap();
        let own = Settings { logs_endpoint: Some(url()), ..Settings::default() };
        let key = |settings: &Settings, signal| settings.receiver(signal, url()).names.url;
        assert_eq!(key(&own, Signal::Traces), "[telemetry] otlp_endpoint");
        assert_eq!(key(&own, Signal::Logs), "[telemetry] logs_endpoint");
        assert_eq!(key(&Settings::default(), Signal::Logs), "[telemetry] otlp_endpoint");
    }
}
