//! Answers that are no reply: other statuses than 2xx, and pages instead of streams.

use std::time::{Duration, SystemTime};

use outbound::retry_after::retry_after;
use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};

use super::error_body::{Said, explain};
use crate::llm::error::{Fault, Kind};

/// The most bytes of an error's body that are read.
const MAX_BODY_BYTES: usize = 16 << 10;

/// A longer request id is cut: it goes into spans.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// The names of OpenAI and its compatible servers, Anthropic, Azure and Amazon.
const REQUEST_ID_HEADERS: [&str; 5] =
    ["x-request-id", "request-id", "apim-request-id", "x-amzn-requestid", "x-livekit-request-id"];

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
    let said = explain(&read_some(response).await);
    Refusal { status: status.as_u16(), said, redirect, retry_after }
}

/// The provider's id of the request, if it sends one that is fit to be shown.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    let value = REQUEST_ID_HEADERS.iter().find_map(|name| headers.get(*name))?;
    let id = value.to_str().ok()?;
    Some(id.chars().take(MAX_REQUEST_ID_BYTES).collect())
}

pub(super) fn is_page(content_type: &str) -> bool {
    content_type.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/html")
}

async fn read_some(mut response: Response) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(bytes)) = response.chunk().await {
        let room = MAX_BODY_BYTES - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() >= room {
            break;
        }
    }
    body
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
