//! One OTLP export request: compressed, posted, and its answer read. The same for spans, metrics and log records.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use url::Url;

use super::StartError;
use super::delivery::{Delivery, Trouble};
use super::otlp_answer::{self, PartialSuccess};
use super::otlp_http::{OtlpHttp, Reply};
use super::settings::Settings;
use super::signal::Signal;

/// Posts requests of one signal. Like the client in it, it must be made, used and dropped on a thread of its own.
#[derive(Debug)]
pub(super) struct OtlpPost {
    http: OtlpHttp,
    gzip: bool,
    signal: Signal,
}

// === impl OtlpPost ===

impl OtlpPost {
    pub(super) fn new(config: &Settings, url: Url, signal: Signal) -> Result<Self, StartError> {
        let http = OtlpHttp::from_config(config, url, signal)?;
        Ok(Self { http, gzip: config.exporter(signal).gzip, signal })
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
            (Delivery::Accepted, Ok(reply)) => self.judge(&reply),
            (delivery, _) => delivery,
        }
    }

    /// Reads the receiver's report on items that it did not take.
    fn judge(&self, reply: &Reply) -> Delivery {
        let Some(PartialSuccess { rejected, error_message }) =
            otlp_answer::partial_success(reply, self.signal)
        else {
            return Delivery::Accepted;
        };
        let rejected = u64::try_from(rejected).unwrap_or(0);
        let (url, items) = (self.http.shown_url(), self.signal.items());
        let reason = self.http.quoted(&error_message);
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

/// Fuzzing: an answer, read in every way that we read answers. However it is written, no more items can be lost than
/// were sent.
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(super) fn read_answer(reply: &Reply) {
    const SENT: u64 = 3;
    thread_local! {
        static POSTS: Vec<OtlpPost> = Signal::ALL.map(posting_nowhere).into();
    }
    POSTS.with(|posts| {
        for post in posts {
            let answered = post.http.delivery(&Ok(reply.clone()));
            for delivery in [answered, post.judge(reply)] {
                assert!(delivery.lost(SENT) <= SENT, "{delivery:?}");
            }
        }
    });
}

#[cfg(any(debug_assertions, feature = "fuzzing"))]
fn posting_nowhere(signal: Signal) -> OtlpPost {
    let url = Url::parse("http://127.0.0.1:9/v1/traces").expect("a URL");
    OtlpPost::new(&Settings::default(), url, signal).expect("a client")
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
