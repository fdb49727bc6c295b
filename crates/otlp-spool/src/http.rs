//! One POST to the OTLP receiver, and the message to an operator about its outcome.

use std::cell::OnceCell;
use std::io;
use std::time::{Duration, SystemTime};

use conversation::{Secret, Secrets};
use outbound::{
    client::HttpClient,
    network,
    retry_after::retry_after,
    web::{causes, first_words},
};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, LOCATION};
use reqwest::{Method, Request, Response, StatusCode};
use thiserror::Error;
use tokio::runtime::{self, Runtime};
use url::Url;

use crate::exporter::mark_exporting;
use crate::{Class, Delivery, ExportError, Names, Receiver, Signal, StartError, answer};

/// No OTLP response is longer; bytes past this are not read.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// The client of one OTLP receiver. It must be made, used and dropped outside async runtimes.
#[derive(Debug)]
pub(super) struct Http {
    client: HttpClient,
    /// The runtime on the thread that posts. Its connections rest while nothing is posted.
    runtime: OnceCell<Runtime>,
    /// The limit of each request, with its answer.
    timeout: Duration,
    url: Url,
    headers: HeaderMap,
    secrets: Secrets,
    advice: Advice,
}

/// What to do about a failure, in the words of those who set the receiver up.
#[derive(Clone, Copy, Debug)]
struct Advice {
    signal: Signal,
    names: Names,
}

/// The receiver's answer.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// Why there was no answer.
#[derive(Debug, Error)]
pub(super) enum NoAnswer {
    #[error("no runtime for its connections: {0}")]
    NoRuntime(#[from] io::Error),
    #[error("no whole answer came within {} s", .0.as_secs_f64())]
    Late(Duration),
    /// The failure of a connection, with its causes.
    #[error("{0}")]
    Broken(String),
    #[error("answered {status}, then: {causes}")]
    CutShort { status: StatusCode, causes: String },
}

/// One try.
type Attempt = Result<Reply, NoAnswer>;

// === impl Http ===

impl Http {
    pub(super) fn new(receiver: &Receiver) -> Result<Self, StartError> {
        let Receiver { signal, url, headers, timeout, names, .. } = receiver.clone();
        let (client, runtime) = (network().http(None), OnceCell::new());
        let secrets = headers.iter().map(|(_, value)| value.clone()).collect();
        let headers = header_map(&headers, names.headers)?;
        Ok(Self { client, runtime, timeout, url, headers, secrets, advice: Advice { signal, names } })
    }

    /// The reason why an attempt did not deliver; None when it did, as far as HTTP tells.
    pub(super) fn explain(&self, attempt: &Attempt) -> Option<ExportError> {
        let url = self.shown_url();
        match attempt {
            Err(cause) => Some(ExportError {
                class: Class::Unreachable,
                message: format!("cannot post to {url}: {cause}; {}", self.advice.unreachable(&self.url)),
            }),
            Ok(reply) if reply.is_web_page() => Some(ExportError {
                class: Class::WebPage,
                message: format!(
                    "POST {url} was answered with a web page: check the path of {}",
                    self.advice.names.url
                ),
            }),
            Ok(reply) if reply.status.is_success() => None,
            Ok(reply) => Some(ExportError {
                class: Class::Status(reply.status.as_u16()),
                message: format!(
                    "POST {url} was answered {}{}; {}",
                    reply.status,
                    self.quote(reply),
                    self.advice.of(reply.status, reply.location())
                ),
            }),
        }
    }

    /// The outcome of an attempt, as far as HTTP tells.
    pub(super) fn delivery(&self, attempt: &Attempt) -> Delivery {
        let Some(trouble) = self.explain(attempt) else { return Delivery::Accepted };
        let Ok(reply) = attempt else { return Delivery::Later { trouble, after: None, strike: false } };
        match reply.status.as_u16() {
            // The request itself is at fault, and sending it once more would not mend it.
            400 | 406 | 409..=414 | 416..=424 => Delivery::Refused(trouble),
            // All other errors pass, or are for an operator to mend: a wrong key or path must cost no spans.
            status => Delivery::Later {
                trouble,
                after: retry_after(&reply.headers, SystemTime::now()),
                strike: status >= 500 && !matches!(status, 502..=504),
            },
        }
    }

    /// The URL without its query, which may hold a key.
    pub(super) fn shown_url(&self) -> Url {
        let mut url = self.url.clone();
        url.set_query(None);
        url
    }

    /// Posts a body with the headers that describe it, and ours.
    pub(super) fn post(&self, described: HeaderMap, body: Vec<u8>) -> Attempt {
        let _mark = mark_exporting();
        let mut request = Request::new(Method::POST, self.url.clone());
        *request.headers_mut() = described;
        request.headers_mut().extend(self.headers.clone());
        *request.body_mut() = Some(body.into());
        let runtime = self.runtime()?;
        // The timeout is made inside the runtime, where its timer is.
        let answer = async { tokio::time::timeout(self.timeout, self.reply(request)).await };
        runtime.block_on(answer).map_err(|_| NoAnswer::Late(self.timeout))?
    }

    async fn reply(&self, request: Request) -> Attempt {
        let response = self.client.send(request).await;
        let response = response.map_err(|error| NoAnswer::Broken(network().causes(&self.url, &error)))?;
        let (status, headers) = (response.status(), response.headers().clone());
        match read_some(response).await {
            Ok(body) => Ok(Reply { status, headers, body }),
            Err(error) => Err(NoAnswer::CutShort { status, causes: causes(&error.without_url()) }),
        }
    }

    fn runtime(&self) -> io::Result<&Runtime> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
        Ok(self.runtime.get_or_init(|| runtime))
    }

    /// `: "<first words of the body>"`.
    fn quote(&self, reply: &Reply) -> String {
        match self.quoted(&answer::refusal(reply)).as_str() {
            "" => String::new(),
            words => format!(": \"{words}\""),
        }
    }

    /// The first of the receiver's words. It may echo the request's headers; our secrets are blotted out.
    pub(super) fn quoted(&self, words: &str) -> String {
        let text = words.replace(char::is_control, " ");
        let text = self.secrets.taken_out(&text);
        first_words(&text)
    }
}

/// The beginning of a body.
async fn read_some(mut response: Response) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await? {
        let room = MAX_RESPONSE_BYTES - body.len();
        body.extend_from_slice(&bytes[..bytes.len().min(room)]);
        if bytes.len() >= room {
            break;
        }
    }
    Ok(body)
}

fn header_map(headers: &[(String, Secret)], setting: &'static str) -> Result<HeaderMap, StartError> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let invalid = || StartError::Header { setting, name: name.clone() };
        let mut secret = HeaderValue::from_str(value.expose()).map_err(|_| invalid())?;
        secret.set_sensitive(true);
        map.insert(HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?, secret);
    }
    Ok(map)
}

// === impl Advice ===

impl Advice {
    fn unreachable(self, url: &Url) -> String {
        // 4317 is the port of OTLP over gRPC, which closes the connection on HTTP/1.1.
        match url.port() {
            Some(4317) => "4317 is usually the gRPC port; this is OTLP over HTTP, usually on 4318".to_owned(),
            _ => format!("is the receiver running, and {} its address?", self.names.url),
        }
    }

    fn of(self, status: StatusCode, location: Option<&str>) -> String {
        let Names { url: key, headers } = self.names;
        let signal = self.signal.name();
        match status.as_u16() {
            300..=399 => {
                let target = location.unwrap_or("another address");
                format!("{signal} are not sent after redirects: set {key} to {target}")
            }
            400 => "the receiver could not read it: does this path speak OTLP http/protobuf?".to_owned(),
            401 => format!("check the credentials in {headers} (Authorization=Basic …)"),
            403 => format!("the credentials in {headers} may not write {signal} there"),
            404 | 405 => {
                let path = format!("check the path of {key} (OpenObserve: /api/<organisation>/v1/{signal})");
                match self.signal {
                    Signal::Traces => path,
                    Signal::Metrics | Signal::Logs => {
                        format!("does this receiver take {signal}? Then {path}; else set {signal} = false")
                    }
                }
            }
            413 => "the receiver takes only smaller requests: raise its limit".to_owned(),
            408 | 429 | 500..=599 => "the receiver is overloaded or broken: see its own log".to_owned(),
            _ => "see the receiver's own log".to_owned(),
        }
    }
}

// === impl Reply ===

impl Reply {
    fn content_type(&self) -> &str {
        self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The content type without its parameters, in lower case.
    pub(super) fn media_type(&self) -> String {
        let media_type = self.content_type().split(';').next().unwrap_or_default();
        media_type.trim().to_ascii_lowercase()
    }

    fn location(&self) -> Option<&str> {
        self.headers.get(LOCATION)?.to_str().ok()
    }

    /// The success of a web server that knows nothing of OTLP.
    fn is_web_page(&self) -> bool {
        self.status.is_success() && self.media_type() == "text/html"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names = Names { url: "[export] url", headers: "[export] headers" };

    fn receiver(headers: &[(String, Secret)]) -> Http {
        let url = Url::parse("http://127.0.0.1:9/v1/traces?key=hidden").unwrap();
        let receiver = Receiver::new(Signal::Traces, url);
        let (headers, timeout) = (headers.to_vec(), Duration::from_secs(1));
        Http::new(&Receiver { headers, timeout, names: NAMES, ..receiver }).unwrap()
    }

    fn reply(status: u16, content_type: &str, body: &[u8]) -> Attempt {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        Ok(Reply { status: StatusCode::from_u16(status).unwrap(), headers, body: body.to_vec() })
    }

    #[test]
    fn a_refusal_names_url_status_words_and_what_to_do_but_no_secret() {
        let token = Secret::new("Basic c2VjcmV0");
        let receiver = receiver(&[("Authorization".to_owned(), token)]);
        let refused = reply(401, "text/plain", b"no such user\n\x07 Basic c2VjcmV0");
        let trouble = receiver.explain(&refused).unwrap();
        assert_eq!(trouble.class, Class::Status(401));
        assert_eq!(
            trouble.message,
            "POST http://127.0.0.1:9/v1/traces was answered 401 Unauthorized: \"no such user Basic [secret]\"; \
             check the credentials in [export] headers (Authorization=Basic …)"
        );
    }

    #[test]
    fn the_message_of_an_error_is_read_from_its_body() {
        let body = br#"{"code":3,"message":"unknown field"}"#;
        let trouble = receiver(&[]).explain(&reply(400, "application/json", body)).unwrap();
        assert!(trouble.message.contains("400 Bad Request: \"unknown field\""), "{}", trouble.message);
    }

    #[test]
    fn a_long_body_is_cut_and_an_empty_one_left_out() {
        let long = receiver(&[]).explain(&reply(500, "text/plain", &[b'x'; 5000])).unwrap().message;
        assert!(long.contains("xxx…\"") && long.len() < 400, "{long}");
        let empty = receiver(&[]).explain(&reply(404, "text/plain", b"")).unwrap().message;
        assert!(empty.contains("answered 404 Not Found; check the path"), "{empty}");
    }

    #[test]
    fn only_what_a_receiver_will_never_take_is_given_up() {
        let receiver = receiver(&[]);
        let kept = |status| match receiver.delivery(&reply(status, "text/plain", b"")) {
            Delivery::Later { strike, .. } => Some(strike),
            Delivery::Refused(_) => None,
            other => panic!("{other:?}"),
        };
        for status in [301, 401, 403, 404, 405, 407, 408, 415, 425, 429, 502, 503, 504] {
            assert_eq!(kept(status), Some(false), "{status}");
        }
        assert_eq!((kept(500), kept(501)), (Some(true), Some(true)));
        for status in [400, 413, 422] {
            assert_eq!(kept(status), None, "{status}");
        }
        assert_eq!(receiver.delivery(&reply(200, "application/x-protobuf", b"")), Delivery::Accepted);
        assert!(matches!(receiver.delivery(&reply(200, "text/html", b"")), Delivery::Later { .. }));
        assert!(matches!(receiver.delivery(&Err(NoAnswer::Late(Duration::ZERO))), Delivery::Later { .. }));
    }

    #[test]
    fn advice_names_the_signal_and_the_setting_of_its_address() {
        let advice = |signal| Advice { signal, names: NAMES }.of(StatusCode::NOT_FOUND, None);
        let traces = advice(Signal::Traces);
        assert!(traces.starts_with("check the path of [export] url (OpenObserve"), "{traces}");
        let logs = advice(Signal::Logs);
        for words in ["take logs?", "url (OpenObserve: /api/<organisation>/v1/logs)", "logs = false"] {
            assert!(logs.contains(words), "{words} is missing in {logs}");
        }
    }

    #[test]
    fn a_web_page_is_no_success() {
        let receiver = receiver(&[]);
        assert_eq!(receiver.explain(&reply(200, "application/x-protobuf", b"")), None);
        for content_type in ["text/html", "text/html; charset=utf-8", "Text/HTML;charset=utf-8"] {
            let page = receiver.explain(&reply(200, content_type, b"<html>")).unwrap();
            assert!(page.message.contains("web page"), "{}", page.message);
        }
    }

    #[test]
    fn an_absent_receiver_is_said_with_the_cause() {
        let receiver = receiver(&[]);
        let attempt = receiver.post(HeaderMap::new(), Vec::new());
        let trouble = receiver.explain(&attempt).unwrap();
        assert_eq!(trouble.class, Class::Unreachable);
        assert!(
            trouble.message.contains("refused") && !trouble.message.contains("hidden"),
            "{}",
            trouble.message
        );
    }
}
