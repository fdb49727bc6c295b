//! Requests to one provider: made by `outbound`, sent once, with every failure told apart.
//!
//! # Layout
//! - `refusal`: answers that are none, and the provider's words in them

mod refusal;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use outbound::client::{HttpClient, SendError, SendErrorKind};
use outbound::network;
use outbound::request_id::request_id;
use outbound::retry_after::retry_after;
use outbound::web::{beginning, innermost, shown};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue, LOCATION};
use reqwest::{Method, Request, Response};
use url::Url;

pub(crate) use self::refusal::{is_page, words_of};
use crate::report::Head;
use crate::service::Service;
use crate::trouble::{BuildError, Fault, Kind, Trouble};
use crate::words;

/// A server that cannot be reached is told from a slow one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// The most bytes of a refusal that are read.
const MAX_REFUSAL_BYTES: usize = 16 << 10;

/// A provider with its pool of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: HttpClient,
    service: Arc<Service>,
    bearer: Option<HeaderValue>,
    /// The base URL as it may be shown.
    url: Arc<str>,
}

// === impl Client ===

impl Client {
    pub(crate) fn new(service: &Service) -> Result<Self, BuildError> {
        let url = shown(&service.base_url);
        if !matches!(service.base_url.scheme(), "http" | "https") || !service.base_url.has_host() {
            return Err(BuildError::BaseUrl(service.names.base_url, url));
        }
        let http = network().http(Some(service.timeout.min(CONNECT_TIMEOUT)));
        let service = Arc::new(service.clone());
        Ok(Self { http, bearer: bearer(&service)?, service, url: url.into() })
    }

    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// A POST to this path below the base URL.
    pub(crate) fn post(&self, path: [&str; 2], content_type: HeaderValue, body: Bytes) -> Request {
        let mut request = Request::new(Method::POST, self.place(path));
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        if let Some(bearer) = &self.bearer {
            request.headers_mut().insert(AUTHORIZATION, bearer.clone());
        }
        *request.body_mut() = Some(body.into());
        request
    }

    fn place(&self, path: [&str; 2]) -> Url {
        let mut url = self.service.base_url.clone();
        url.set_fragment(None);
        // A URL with a host always has segments.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        url
    }

    /// Sends a request and waits for the head of its answer, which goes into `head` at once. A refusal is read as well.
    pub(crate) async fn send(&self, request: Request, head: &mut Head) -> Result<Response, Fault> {
        let url = request.url().clone();
        let response = self.http.send(request).await.map_err(|error| send_fault(&url, &error))?;
        *head = Head { status: Some(response.status().as_u16()), request_id: request_id(response.headers()) };
        if response.status().is_success() { Ok(response) } else { Err(refused(response).await) }
    }

    /// The failure of one attempt. `said` is the text that was to be spoken, which no message may hold.
    pub(crate) fn failure(&self, fault: &Fault, said: &str, attempts: usize) -> conversation::Failure {
        let words = fault.words.as_deref().and_then(|words| self.shown(fault.kind, words, said));
        fault.failure(&self.service, &self.url, words.as_deref(), attempts)
    }

    pub(crate) fn trouble(&self, fault: &Fault, head: &Head, said: &str, attempts: usize) -> Trouble {
        let failure = self.failure(fault, said, attempts);
        Trouble { status: head.status, retryable: fault.kind.is_retryable(), failure }
    }

    fn shown(&self, kind: Kind, words: &str, said: &str) -> Option<String> {
        let said = if kind.is_of_network() { "" } else { said };
        words::shown(words, self.service.api_key.as_ref(), said, &self.service.quoting)
    }
}

/// The key as a header, which no log shows.
pub(crate) fn bearer(service: &Service) -> Result<Option<HeaderValue>, BuildError> {
    let Some(key) = service.api_key.as_ref().filter(|key| !key.is_empty()) else { return Ok(None) };
    let bearer = HeaderValue::try_from(format!("Bearer {}", key.expose()));
    let mut bearer = bearer.map_err(|_| BuildError::ApiKey(service.names.api_key))?;
    bearer.set_sensitive(true);
    Ok(Some(bearer))
}

/// The next bytes of an answer. None: it has ended.
pub(crate) async fn next(response: &mut Response) -> Result<Option<Bytes>, Fault> {
    response.chunk().await.map_err(body_fault)
}

/// The value of `Content-Type`, in lower case.
pub(crate) fn content_type(response: &Response) -> String {
    let value = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    String::from_utf8_lossy(value).to_ascii_lowercase()
}

/// The reason why no head of an answer came.
fn send_fault(url: &Url, error: &SendError) -> Fault {
    let kind = match error.kind() {
        SendErrorKind::ConnectTimeout => return Kind::ConnectTimeout.into(),
        SendErrorKind::Certificate => Kind::Certificate,
        SendErrorKind::Connect => Kind::Connect,
        SendErrorKind::Lost => Kind::ConnectionLost,
    };
    Fault::with_words(kind, network().cause(url, error))
}

/// The reason why the body of an answer broke off.
fn body_fault(error: reqwest::Error) -> Fault {
    Fault::with_words(Kind::ConnectionLost, innermost(&error.without_url()))
}

async fn refused(response: Response) -> Fault {
    let status = response.status();
    let headers = response.headers();
    let redirect = headers.get(LOCATION).filter(|_| status.is_redirection());
    let redirect = redirect.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let retry_after = retry_after(headers, SystemTime::now());
    let body = beginning(response, MAX_REFUSAL_BYTES).await;
    let kind = match status.as_u16() {
        429 if refusal::is_quota(&body) => Kind::Quota,
        status => Kind::Status(status),
    };
    Fault { kind, words: redirect.or_else(|| words_of(&body)), retry_after }
}
