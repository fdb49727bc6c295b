//! Answers that are no reply: other statuses than 2xx, and pages instead of streams.

use std::time::SystemTime;

use reqwest::Response;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use serde::Deserialize;

use crate::llm::error::{Fault, Kind};
use crate::retry_after::retry_after;

/// So much of an error's body is read.
const MAX_BODY_BYTES: usize = 16 << 10;

/// A longer request id is cut: it goes into spans.
const MAX_REQUEST_ID_BYTES: usize = 128;

/// OpenAI's and the compatible ones', Anthropic's, Azure's, Amazon's.
const REQUEST_ID_HEADERS: [&str; 4] = ["x-request-id", "request-id", "apim-request-id", "x-amzn-requestid"];

/// The body of an error. Servers agree on no more than that there may be one of these.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    error: Option<ErrorValue>,
    message: Option<String>,
    detail: Option<serde_json::Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ErrorValue {
    Object(ErrorObject),
    Text(String),
}

/// OpenAI's error object.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct ErrorObject {
    message: Option<String>,
    r#type: Option<String>,
    /// A word at OpenAI, an HTTP status at others.
    code: Option<serde_json::Value>,
}

pub(super) fn is_refusal(response: &Response) -> bool {
    !response.status().is_success() || is_page(response.headers())
}

/// Reads why, up to a bound.
pub(super) async fn read(response: Response) -> Fault {
    let status = response.status();
    let headers = response.headers().clone();
    let body = read_some(response).await;
    let explained = explain(&body);
    let is_quota = explained.as_ref().is_some_and(ErrorObject::is_quota);
    let kind = match status.as_u16() {
        429 if is_quota => Kind::QuotaExceeded,
        _ if status.is_success() => Kind::NotAStream,
        status => Kind::Status(status),
    };
    let redirect = headers.get(LOCATION).filter(|_| status.is_redirection());
    let detail = redirect.map(text).or_else(|| explained.and_then(ErrorObject::words));
    Fault { kind, detail, retry_after: retry_after(&headers, SystemTime::now()) }
}

/// The id by which the provider knows the request, if it says one that is fit to be shown.
pub(super) fn request_id(headers: &HeaderMap) -> Option<String> {
    let value = REQUEST_ID_HEADERS.iter().find_map(|name| headers.get(*name))?;
    let id = value.to_str().ok()?;
    Some(id.chars().take(MAX_REQUEST_ID_BYTES).collect())
}

fn is_page(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(text).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    matches!(media_type, "text/html" | "application/json")
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

pub(super) fn explain(body: &[u8]) -> Option<ErrorObject> {
    let body: ErrorBody = serde_json::from_slice(body).ok()?;
    Some(match body.error {
        Some(ErrorValue::Object(object)) => object,
        Some(ErrorValue::Text(text)) => ErrorObject { message: Some(text), ..ErrorObject::default() },
        None => {
            let detail = body.detail.and_then(|detail| detail.as_str().map(str::to_owned));
            ErrorObject { message: body.message.or(detail), ..ErrorObject::default() }
        }
    })
}

fn text(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

// === impl ErrorObject ===

impl ErrorObject {
    /// The fault that an error object in a stream stands for.
    pub(super) fn fault(self) -> Fault {
        let status =
            self.code.as_ref().and_then(serde_json::Value::as_u64).and_then(|code| u16::try_from(code).ok());
        let kind = match (status, self.r#type.as_deref()) {
            (Some(status @ 400..600), _) => Kind::Status(status),
            _ if self.is_quota() => Kind::QuotaExceeded,
            (_, Some("invalid_request_error")) => Kind::RequestRefused,
            _ => Kind::ProviderError,
        };
        Fault { kind, detail: self.words(), retry_after: None }
    }

    fn is_quota(&self) -> bool {
        let code = self.code.as_ref().and_then(serde_json::Value::as_str);
        [code, self.r#type.as_deref()].contains(&Some("insufficient_quota"))
    }

    /// "code: message", as far as there is any.
    fn words(self) -> Option<String> {
        let code = self.code.map(|code| code.as_str().map_or_else(|| code.to_string(), str::to_owned));
        let code = code.filter(|code| code != "null").or(self.r#type);
        let words: Vec<String> = [code, self.message].into_iter().flatten().collect();
        (!words.is_empty()).then(|| words.join(": "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_read_as_the_different_servers_write_them() {
        let words = |body: &str| explain(body.as_bytes()).and_then(ErrorObject::words);
        let openai =
            r#"{"error":{"message":"no such model","type":"t","param":null,"code":"model_not_found"}}"#;
        assert_eq!(words(openai).as_deref(), Some("model_not_found: no such model"));
        assert_eq!(words(r#"{"error":"model not loaded"}"#).as_deref(), Some("model not loaded"));
        assert_eq!(words(r#"{"detail":"Not Found"}"#).as_deref(), Some("Not Found"));
        assert_eq!(words(r#"{"message":"slow down"}"#).as_deref(), Some("slow down"));
        assert_eq!(words(r#"{"error":{"code":502,"message":"upstream"}}"#).as_deref(), Some("502: upstream"));
        assert_eq!(words("<html>"), None);
    }

    #[test]
    fn a_used_up_quota_is_told_from_a_rate_limit() {
        let quota = r#"{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        assert!(explain(quota.as_bytes()).unwrap().is_quota());
        let rate = r#"{"error":{"message":"m","type":"requests","code":"rate_limit_exceeded"}}"#;
        assert!(!explain(rate.as_bytes()).unwrap().is_quota());
    }

    #[test]
    fn a_status_in_the_stream_counts_like_one_in_the_head() {
        let fault = explain(br#"{"error":{"code":503,"message":"m"}}"#).unwrap().fault();
        assert_eq!(fault.kind, Kind::Status(503));
        let fault = explain(br#"{"error":{"type":"server_error","message":"m"}}"#).unwrap().fault();
        assert_eq!(fault.kind, Kind::ProviderError);
    }
}
