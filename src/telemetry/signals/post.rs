//! One OTLP request of a signal, and what an operator should hear of its outcome.

use std::io::Write;
use std::thread;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use url::Url;

use crate::config;
use crate::telemetry::StartError;
use crate::telemetry::delivery::{Delivery, Notice, Standing, Trouble};
use crate::telemetry::otlp_http::OtlpHttp;

/// Posts the requests of one signal. Like the client in it, it must be made, used and dropped on a thread of its own.
pub(super) struct Poster {
    http: OtlpHttp,
    gzip: bool,
    signal: &'static str,
    standing: Standing,
}

/// The answer to an export request: the same message on the wire for every signal.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    /// Data points or log records.
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

/// Runs `run` on a new thread with a poster that is made there.
pub(super) fn spawn(
    config: &config::Telemetry,
    url: Url,
    signal: &'static str,
    run: impl FnOnce(Poster) + Send + 'static,
) -> Result<(), StartError> {
    let config = config.clone();
    let (made, outcome) = std::sync::mpsc::sync_channel(1);
    thread::Builder::new().name(format!("otlp-{signal}")).spawn(move || {
        match Poster::new(&config, url, signal) {
            Ok(poster) => {
                let _ = made.send(Ok(()));
                run(poster);
            }
            Err(error) => drop(made.send(Err(error))),
        }
    })?;
    let broken = || StartError::Client(format!("the thread for {signal} panicked while it made its client"));
    outcome.recv().unwrap_or_else(|_| Err(broken()))
}

// === impl Poster ===

impl Poster {
    fn new(config: &config::Telemetry, url: Url, signal: &'static str) -> Result<Self, StartError> {
        let http = OtlpHttp::from_config(config, url)?;
        Ok(Self { http, gzip: config.otlp_gzip, signal, standing: Standing::default() })
    }

    /// Posts a request with `items` in it, and says so when the receiver's answers change.
    pub(super) fn post(&mut self, request: &[u8], items: u64) -> Delivery {
        let delivery = self.deliver(request);
        let lost = if is_transient(&delivery) { 0 } else { delivery.lost(items) };
        match self.standing.observe(&delivery, lost) {
            Some(Notice::Trouble(trouble)) => tracing::error!("export of {}: {trouble}", self.signal),
            Some(Notice::Recovered { lost }) => {
                tracing::warn!(lost, "the receiver takes our {} again", self.signal);
            }
            Some(Notice::Working) => tracing::info!("the first {} were exported", self.signal),
            None => {}
        }
        delivery
    }

    fn deliver(&self, request: &[u8]) -> Delivery {
        let mut described = HeaderMap::new();
        described.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let body = if self.gzip {
            described.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            gzipped(request)
        } else {
            request.to_vec()
        };
        let attempt = self.http.post(described, body);
        if let Some(trouble) = self.http.explain(&attempt) {
            return Delivery::Failed(trouble);
        }
        let body = attempt.map(|reply| reply.body).unwrap_or_default();
        let partial = Response::decode(body.as_slice()).ok().and_then(|response| response.partial_success);
        partial.map_or(Delivery::Accepted, |partial| self.judge(&partial))
    }

    fn judge(&self, partial: &PartialSuccess) -> Delivery {
        let rejected = u64::try_from(partial.rejected).unwrap_or(0);
        if rejected == 0 && partial.error_message.is_empty() {
            return Delivery::Accepted;
        }
        let (url, reason) = (self.http.shown_url(), partial.error_message.as_str());
        let message = format!("{url} rejected {rejected} of the {}: \"{reason}\"", self.signal);
        Delivery::Partial { rejected, trouble: Trouble { class: "partial success".to_owned(), message } }
    }
}

/// Whether the same request may be taken a moment later (OTLP specification, "Retryable Response Codes", and 500).
pub(super) fn is_transient(delivery: &Delivery) -> bool {
    match delivery {
        Delivery::Failed(trouble) => {
            ["unreachable", "408", "429", "500", "502", "503", "504"].contains(&trouble.class.as_str())
        }
        Delivery::Accepted | Delivery::Partial { .. } => false,
    }
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
