//! The URL that traces are posted to and their headers: the OTLP exporter's settings, in the forms of the OpenTelemetry
//! specification ("OpenTelemetry Protocol Exporter") and of OpenObserve's instructions.

use conversation::Secret;
use outbound::{PLACE, has_place};
use percent_encoding::percent_decode_str;
use thiserror::Error;
use url::Url;

/// The path of the traces signal below an OTLP base URL.
const TRACES_PATH: &str = "/v1/traces";

/// Headers that describe the body. The exporter sets them, and a second value would make the request unreadable.
const RESERVED: [&str; 5] =
    ["content-encoding", "content-length", "content-type", "host", "transfer-encoding"];

/// Why a text is no OTLP endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EndpointError {
    #[error("not a URL ({0}); expected one like http://127.0.0.1:4318")]
    Invalid(url::ParseError),
    #[error("expected a URL that begins with http:// or https://, like http://127.0.0.1:4318")]
    Scheme,
    #[error(
        "a user or password in the URL would show up in logs; send it as a header: Authorization=Basic …"
    )]
    Credentials,
    #[error("{}", PLACE)]
    Place,
}

/// Why a text is no list of OTLP headers. The messages name headers, never values: those are secrets.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HeadersError {
    #[error(
        "header {position} has no `=`; expected NAME=VALUE[,NAME=VALUE]…, a literal comma in a value is written %2C"
    )]
    NoEquals { position: usize },
    #[error(
        "header {position} has no valid name before its `=`; expected NAME=VALUE, like Authorization=Basic …"
    )]
    Name { position: usize },
    #[error("the quotes around the headers would be sent as part of them; remove the quotes")]
    Quotes,
    #[error(
        "the value of {name} begins or ends with a quote, which would be sent as part of it; remove the quotes"
    )]
    QuotedValue { name: String },
    #[error("header {name} has no value")]
    Empty { name: String },
    #[error("the value of {name} holds a `%` that begins no percent-encoding; a literal `%` is written %25")]
    Percent { name: String },
    #[error("the value of {name} holds characters that no header can carry; expected printable ASCII")]
    Value { name: String },
    #[error("header {name} is set by the exporter itself; remove it")]
    Reserved { name: String },
    #[error("header {name} is given twice")]
    Twice { name: String },
}

/// The full URL that traces are posted to.
///
/// A signal-specific setting (`OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`) is that URL already. A general one
/// (`OTEL_EXPORTER_OTLP_ENDPOINT`, `otlp_endpoint`) is a base to which `/v1/traces` is appended, unless it ends in it:
/// OpenObserve's instructions write the general variable that way, and every standard exporter doubles the path.
pub fn traces_url(text: &str, signal_specific: bool) -> Result<Url, EndpointError> {
    let text = text.trim();
    let lower = text.to_ascii_lowercase();
    // `localhost:4318` parses as a URL of the scheme `localhost`, so the scheme is looked at first.
    if !lower.starts_with("http://") && !lower.starts_with("https://") {
        return Err(EndpointError::Scheme);
    }
    let mut url = Url::parse(text).map_err(EndpointError::Invalid)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::Credentials);
    }
    if has_place(&url) {
        return Err(EndpointError::Place);
    }
    url.set_fragment(None);
    if !signal_specific {
        let base = url.path().trim_end_matches('/');
        let base = base.strip_suffix(TRACES_PATH).unwrap_or(base).to_owned();
        url.set_path(&(base + TRACES_PATH));
    }
    Ok(url)
}

/// The URL of another signal (`metrics`, `logs`) that is sent to the same receiver; None when the traces' URL does not
/// end in the path that the specification gives.
pub(crate) fn signal_url(traces: &Url, signal: &str) -> Option<Url> {
    let base = traces.path().strip_suffix(TRACES_PATH)?;
    let mut url = traces.clone();
    url.set_path(&format!("{base}/v1/{signal}"));
    Some(url)
}

/// Reads `OTEL_EXPORTER_OTLP_HEADERS`: `NAME=VALUE[,NAME=VALUE]…`, values percent-encoded where they hold `,` or `%`.
/// Only the first `=` separates, so `Authorization=Basic dXNlcjpwYXNz==` needs no encoding. An empty text is no
/// headers.
pub fn parse_headers(text: &str) -> Result<Vec<(String, Secret)>, HeadersError> {
    let text = text.trim();
    if text.starts_with(['"', '\'']) {
        return Err(HeadersError::Quotes);
    }
    let mut headers: Vec<(String, Secret)> = Vec::new();
    for (index, item) in text.split(',').map(str::trim).enumerate() {
        if item.is_empty() {
            continue;
        }
        let (name, value) = parse_header(index + 1, item)?;
        if headers.iter().any(|(known, _)| known.eq_ignore_ascii_case(&name)) {
            return Err(HeadersError::Twice { name });
        }
        headers.push((name, Secret::new(value)));
    }
    Ok(headers)
}

fn parse_header(position: usize, item: &str) -> Result<(String, String), HeadersError> {
    let (name, value) = item.split_once('=').ok_or(HeadersError::NoEquals { position })?;
    let (name, value) = (name.trim(), value.trim());
    // An invalid name may be half a secret (`Authorization: Basic abc==`), so the message does not repeat it.
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(HeadersError::Name { position });
    }
    let name = name.to_owned();
    if RESERVED.iter().any(|reserved| name.eq_ignore_ascii_case(reserved)) {
        return Err(HeadersError::Reserved { name });
    }
    if value.is_empty() {
        return Err(HeadersError::Empty { name });
    }
    if value.starts_with(['"', '\'']) || value.ends_with(['"', '\'']) {
        return Err(HeadersError::QuotedValue { name });
    }
    let Some(value) = percent_decode(value) else {
        return Err(HeadersError::Percent { name });
    };
    match String::from_utf8(value) {
        Ok(value) if value.bytes().all(|byte| matches!(byte, b' '..=b'~')) => Ok((name, value)),
        _ => Err(HeadersError::Value { name }),
    }
}

/// The characters of a header name: `token` of RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// None when a `%` is not followed by two hexadecimal digits.
pub(crate) fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let is_escape =
        |rest: &str| rest.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_hexdigit));
    text.split('%').skip(1).all(is_escape).then(|| percent_decode_str(text).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn general(text: &str) -> String {
        traces_url(text, false).unwrap().to_string()
    }

    fn headers(text: &str) -> Vec<(String, String)> {
        let headers = parse_headers(text).unwrap();
        headers.into_iter().map(|(name, value)| (name, value.expose().to_owned())).collect()
    }

    fn refusal(text: &str) -> String {
        parse_headers(text).unwrap_err().to_string()
    }

    #[test]
    fn a_base_url_gets_the_traces_path() {
        assert_eq!(general("http://127.0.0.1:4318"), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(general("http://127.0.0.1:4318/"), "http://127.0.0.1:4318/v1/traces");
        assert_eq!(general("https://o2.example/api/org"), "https://o2.example/api/org/v1/traces");
        assert_eq!(general(" https://o2.example/api/org// "), "https://o2.example/api/org/v1/traces");
        assert_eq!(general("HTTPS://o2.example/api?x=1#top"), "https://o2.example/api/v1/traces?x=1");
    }

    #[test]
    fn a_general_endpoint_that_ends_in_the_traces_path_is_not_doubled() {
        let seed = "https://api.openobserve.ai/api/your_org_id/v1/traces";
        assert_eq!(general(seed), seed);
        assert_eq!(general(&format!("{seed}/")), seed);
    }

    #[test]
    fn a_traces_endpoint_is_used_as_it_is() {
        for text in ["http://127.0.0.1:4318/v1/traces", "http://127.0.0.1:4318/otlp/", "http://h/in?stream=a"]
        {
            assert_eq!(traces_url(text, true).unwrap().to_string(), text);
        }
    }

    #[test]
    fn other_signals_go_beside_the_traces() {
        let beside = |traces: &str| signal_url(&Url::parse(traces).unwrap(), "logs").map(String::from);
        let expected = "https://o2.example/api/org/v1/logs?x=1";
        assert_eq!(beside("https://o2.example/api/org/v1/traces?x=1").as_deref(), Some(expected));
        assert_eq!(
            beside("http://127.0.0.1:4318/v1/traces").as_deref(),
            Some("http://127.0.0.1:4318/v1/logs")
        );
        assert_eq!(beside("http://127.0.0.1:4318/in"), None);
    }

    #[test]
    fn what_is_no_http_url_is_refused_with_an_example() {
        for text in ["", "localhost:4318", "grpc://collector:4317", "/v1/traces"] {
            assert_eq!(traces_url(text, false), Err(EndpointError::Scheme), "{text}");
        }
        assert!(matches!(traces_url("http://", false), Err(EndpointError::Invalid(_))));
        assert!(matches!(traces_url("http://h:port", false), Err(EndpointError::Invalid(_))));
        assert_eq!(traces_url("https://me:secret@h/", true), Err(EndpointError::Credentials));
        for text in ["http://${HOST}:4318", "http://$HOST/", "http://{host}:4318/v1/traces"] {
            assert_eq!(traces_url(text, false), Err(EndpointError::Place), "{text}");
        }
    }

    #[test]
    fn only_the_first_equals_sign_separates_and_spaces_stay() {
        let basic = [("Authorization".to_owned(), "Basic dXNlcjpwYXNzCg==".to_owned())];
        assert_eq!(headers("Authorization=Basic dXNlcjpwYXNzCg=="), basic);
        assert_eq!(headers("  Authorization = Basic dXNlcjpwYXNzCg==  "), basic);
        assert_eq!(headers("Authorization=Basic%20dXNlcjpwYXNzCg%3D%3D"), basic);
    }

    #[test]
    fn several_headers_are_separated_by_commas() {
        let both = headers("Authorization=Basic YQ==,stream-name=voice,");
        assert_eq!(both[1], ("stream-name".to_owned(), "voice".to_owned()));
        assert_eq!(both.len(), 2);
        assert_eq!(headers("x=a%2Cb%25"), [("x".to_owned(), "a,b%".to_owned())]);
        assert_eq!(headers(""), []);
    }

    #[test]
    fn quotes_are_refused_because_they_would_be_sent() {
        assert!(refusal("\"Authorization=Basic YQ==\"").contains("remove the quotes"));
        assert!(refusal("Authorization=\"Basic YQ==\"").contains("Authorization"));
    }

    #[test]
    fn a_malformed_header_is_refused_without_showing_its_value() {
        let cases = [
            ("Authorization: Basic c2VjcmV0==", "header 1 has no valid name"),
            ("a=b,c2VjcmV0", "header 2 has no `=`"),
            ("=c2VjcmV0", "header 1 has no valid name"),
            ("a=", "header a has no value"),
            ("a=c2VjcmV0%", "written %25"),
            ("a=c2VjcmV0%zz", "written %25"),
            ("a=c2VjcmV0%0A", "printable ASCII"),
            ("a=c2VjcmV0é", "printable ASCII"),
            ("Content-Type=c2VjcmV0", "set by the exporter"),
            ("a=c2VjcmV0,A=c2VjcmV0", "given twice"),
        ];
        for (text, expected) in cases {
            let message = refusal(text);
            assert!(message.contains(expected), "{text}: {message}");
            assert!(!message.contains("c2VjcmV0"), "{message}");
        }
    }
}
