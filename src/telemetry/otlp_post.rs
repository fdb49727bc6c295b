//! One OTLP export request: compressed, posted, and its answer read. The same for spans, metrics and log records.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use url::Url;

use super::StartError;
use super::delivery::{Delivery, Trouble};
use super::otlp_http::{OtlpHttp, Sent};
use crate::config;

/// Posts requests with one kind of items. Like the client in it, it must be made, used and dropped on a thread of its own.
#[derive(Debug)]
pub(super) struct OtlpPost {
    http: OtlpHttp,
    gzip: bool,
    /// What the items are called in messages.
    items: &'static str,
}

/// The answer to an export request (OTLP specification, "Partial Success"): the same message on the wire for every
/// signal.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

#[derive(Clone, PartialEq, Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

// === impl OtlpPost ===

impl OtlpPost {
    pub(super) fn new(config: &config::Telemetry, url: Url, items: &'static str) -> Result<Self, StartError> {
        let http = OtlpHttp::from_config(config, url, Sent::of(items, config))?;
        Ok(Self { http, gzip: config.otlp_gzip, items })
    }

    pub(super) fn deliver(&self, request: &[u8]) -> Delivery {
        let mut described = HeaderMap::new();
        described.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let body = if self.gzip {
            described.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            gzipped(request)
        } else {
            request.to_vec()
        };
        let attempt = self.http.post(described, body);
        match (self.http.delivery(&attempt), attempt) {
            (Delivery::Accepted, Ok(reply)) => self.judge(&reply.body),
            (delivery, _) => delivery,
        }
    }

    /// Reads what the receiver says of items it did not take; an answer that is no OTLP says nothing.
    fn judge(&self, body: &[u8]) -> Delivery {
        let response = Response::decode(body).ok().and_then(|response| response.partial_success);
        let Some(PartialSuccess { rejected, error_message }) = response else { return Delivery::Accepted };
        let rejected = u64::try_from(rejected).unwrap_or(0);
        let (url, items, reason) = (self.http.shown_url(), self.items, self.http.quoted(&error_message));
        let message = match rejected {
            0 if error_message.is_empty() => return Delivery::Accepted,
            0 => format!("{url} took the {items} with a warning: \"{reason}\""),
            _ => format!(
                "{url} rejected {rejected} {items}: \"{reason}\"; if they are too old, raise its limit \
                 (OpenObserve: ZO_INGEST_ALLOWED_UPTO)"
            ),
        };
        Delivery::Partial { rejected, trouble: Trouble { class: "partial success".to_owned(), message } }
    }
}

/// Fuzzing: an answer, read in every way that we read answers.
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(super) fn read_answer(reply: &super::otlp_http::Reply) {
    thread_local! {
        static POST: std::cell::OnceCell<OtlpPost> = const { std::cell::OnceCell::new() };
    }
    POST.with(|post| {
        let url = || Url::parse("http://127.0.0.1:9/v1/traces").expect("a URL");
        let post = post.get_or_init(|| {
            OtlpPost::new(&config::Config::default().telemetry, url(), "spans").expect("a client")
        });
        let _ = post.http.delivery(&Ok(reply.clone()));
        let _ = post.judge(&reply.body);
    });
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
