//! Answers that are no reply: other statuses than 2xx, and pages instead of streams.

use std::time::{Duration, SystemTime};

use outbound::retry_after::retry_after;
use outbound::web::beginning;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderValue, LOCATION};

use super::error_body::{Said, explain};
use crate::llm::error::{Fault, Kind};

/// The most bytes of an error's body that are read.
const MAX_BODY_BYTES: usize = 16 << 10;

/// An answer that is no reply.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    /// The account in its body, if any.
    pub(super) said: Option<Said>,
    pub(super) redirect: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

pub(super) fn is_refusal(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).map(text).unwrap_or_default();
    !response.status().is_success() || is_page(&content_type)
}

/// Reads the refusal's body, up to a bound.
pub(super) async fn read(response: Response) -> Refusal {
    let status = response.status();
    let headers = response.headers();
    let redirect = headers.get(LOCATION).filter(|_| status.is_redirection()).map(text);
    let retry_after = retry_after(headers, SystemTime::now());
    let said = explain(&beginning(response, MAX_BODY_BYTES).await);
    Refusal { status: status.as_u16(), said, redirect, retry_after }
}

pub(super) fn is_page(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/html")
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

// === impl Refusal ===

impl Refusal {
    pub(super) fn fault(&self) -> Fault {
        let kind = match self.status {
            429 if self.said.as_ref().is_some_and(Said::is_quota) => Kind::QuotaExceeded,
            200..300 => Kind::NotAStream,
            status => Kind::Status(status),
        };
        let asked = self.said.as_ref().and_then(|said| said.retry_after);
        let words = self.redirect.clone().or_else(|| self.said.as_ref()?.words(Some(self.status)));
        Fault { detail: words, retry_after: self.retry_after.or(asked), ..Fault::new(kind) }
    }
}
