//! One OTLP export request: compressed, posted, and its answer read. The same for spans, metrics and log records.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use url::Url;

use crate::answer::{self, PartialSuccess};
use crate::http::{Http, Reply};
use crate::{Class, Delivery, ExportError, Receiver, Signal, StartError};

/// Posts requests of one signal. Like the client in it, it must be made, used and dropped on a thread of its own.
#[derive(Debug)]
pub struct Post {
    http: Http,
    gzip: bool,
    signal: Signal,
}

// === impl Post ===

impl Post {
    /// Makes the client.
    ///
    /// # Errors
    ///
    /// When one of the headers cannot be sent.
    pub fn new(receiver: &Receiver) -> Result<Self, StartError> {
        let http = Http::new(receiver)?;
        Ok(Self { http, gzip: receiver.gzip, signal: receiver.signal })
    }

    /// Posts an export request in protobuf, and reads the answer.
    pub fn deliver(&self, request: &[u8]) -> Delivery {
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
        let Some(PartialSuccess { rejected, error_message }) = answer::partial_success(reply, self.signal)
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
        Delivery::Partial { rejected, trouble: ExportError { class: Class::Partial, message } }
    }
}

/// Fuzzing: an answer, read in every way that we read answers. However it is written, no more items can be lost than
/// were sent.
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(super) fn read_answer(reply: &Reply) {
    const SENT: u64 = 3;
    thread_local! {
        static POSTS: Vec<Post> = Signal::ALL.map(posting_nowhere).into();
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
fn posting_nowhere(signal: Signal) -> Post {
    let url = Url::parse("http://127.0.0.1:9/v1/traces").expect("a URL");
    Post::new(&Receiver::new(signal, url)).expect("a client")
}

fn gzipped(body: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing into memory cannot fail.
    let _ = encoder.write_all(body);
    encoder.finish().unwrap_or_default()
}
