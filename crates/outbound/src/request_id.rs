//! What a server calls a request, for its operator to find it again.

use reqwest::header::HeaderMap;

/// A longer id is cut: it goes into spans.
const MAX_CHARS: usize = 128;
/// The names of OpenAI and its compatible servers, Anthropic, Deepgram, Azure, Amazon and LiveKit.
const HEADERS: [&str; 6] = [
    "x-request-id",
    "request-id",
    "dg-request-id",
    "apim-request-id",
    "x-amzn-requestid",
    "x-livekit-request-id",
];

/// The server's id of the request, if it sends one that is fit to be shown.
pub fn request_id(headers: &HeaderMap) -> Option<String> {
    let value = HEADERS.iter().find_map(|name| headers.get(*name))?;
    Some(value.to_str().ok()?.chars().take(MAX_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn id(name: &'static str, value: &[u8]) -> Option<String> {
        let value = HeaderValue::from_bytes(value).unwrap();
        request_id(&HeaderMap::from_iter([(HeaderName::from_static(name), value)]))
    }

    #[test]
    fn an_id_is_read_from_each_vendors_header_and_cut() {
        for name in HEADERS {
            assert_eq!(id(name, b"req_1").as_deref(), Some("req_1"), "{name}");
        }
        assert_eq!(id("x-request-id", &[b'x'; 500]).unwrap().len(), MAX_CHARS);
    }

    #[test]
    fn what_is_no_text_and_other_headers_are_no_id() {
        assert_eq!(id("x-request-id", b"req_\xff"), None);
        assert_eq!(id("x-trace", b"req_1"), None);
    }
}
