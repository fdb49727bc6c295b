//! The seam to the provider: one streamed chat completion. The only file that names `async-openai`.
//!
//! `async-openai`, the operator's choice of library, makes the request (URL, query, headers, our [`Body`] as JSON) and reads
//! the stream of events that [`guard`] writes for it. It does not connect, limit times or retry, its types of requests and
//! replies are not used, and it reads no refusal and no byte as a server sent it.
//!
//! The library retries by itself unless it gets an HTTP service of ours, and it logs events that it cannot read, which
//! may hold people's words. So requests go out through [`Transport`], which sends once, turns refusals into faults
//! before the library reads them, and hands it a body without anything that the library could fail on ([`guard`]).
//! # Layout
//! - `body`: the request; `fields`: the optional fields of it that the server takes.
//! - `refusal`: answers that are no stream. `error_body`: the errors that servers report, anywhere.
//! - `event_stream`: bytes to events. `guard`: events to the library's input. `chunk`: an event to its part of the
//!   reply.
//! - `finish`: the reasons why a model stops. `json`: reading objects of which only some fields matter.

mod body;
mod chunk;
mod error_body;
mod event_stream;
mod fields;
mod finish;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod guard;
mod json;
#[cfg(test)]
pub(super) mod recorded;
mod refusal;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll};

use async_openai::config::Config as OpenAiConfig;
use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use async_openai::types::stream::StreamResponse;
use conversation::Secret;
use futures::StreamExt;
use futures::future::BoxFuture;
use outbound::{
    client::{HttpClient, SendError, SendErrorKind},
    network,
    request_id::request_id,
    web::{innermost, shown},
};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::SecretString;
use serde_json::value::RawValue;
use url::Url;

use crate::config;
use crate::llm::error::{BuildError, Fault, Kind};

pub(super) use body::{Ask, Parameters};
pub(super) use chunk::{Chunk, Skipped, joined};
pub(super) use fields::MAX_ADAPTATIONS;
pub(super) use finish::Finish;

use body::Body;
use fields::{Accepted, Fields};
use guard::Demand;
use refusal::Refusal;

/// A provider as configured, with its pool of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Provider {
    http: HttpClient,
    /// The library makes its requests with this client, which sends none of them.
    unsent: reqwest::Client,
    endpoint: Arc<Endpoint>,
    accepted: Arc<Accepted>,
}

/// The record of the HTTP exchange of one attempt, whether it went well or not.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    head: OnceLock<Head>,
    /// The answer is no reply.
    refusal: OnceLock<Refusal>,
    /// The reason why there is no answer, or why its body broke off: the library passes errors on as text only.
    broken: OnceLock<Fault>,
    /// The provider has said `[DONE]`.
    done: AtomicBool,
    /// The first content that was no event, if any.
    stray: OnceLock<String>,
    /// The names of fields that could not be read.
    skipped: Mutex<Skipped>,
}

#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: u16,
    pub(super) request_id: Option<String>,
}

/// A reply as it comes. Dropping it closes the connection, unless the reply has ended.
pub(super) struct Reply {
    stream: StreamResponse<Box<RawValue>>,
    exchange: Arc<Exchange>,
    /// The body is read only while an event is asked for.
    demand: Demand,
    /// An event was asked for and has not come.
    is_asked: bool,
    /// The fields that were sent, until the first event shows whether they were taken.
    unreported: Option<Sent>,
}

/// The optional fields of a request, and the memory that learns from its answer.
struct Sent {
    fields: Fields,
    ask: Ask<'static>,
    accepted: Arc<Accepted>,
}

/// What a request shows to be let in.
pub(super) trait Credentials: Send + Sync {
    /// The headers of one request.
    fn headers(&self) -> HeaderMap;
}

/// The API key of the configuration, if it has one.
pub(super) struct ApiKey(HeaderMap);

/// The API's place and its credentials.
struct Endpoint {
    base: String,
    query: Vec<(String, String)>,
    credentials: Box<dyn Credentials>,
    /// The library's trait demands a key. Ours is in a header, where it is marked as sensitive and cannot panic.
    no_key: SecretString,
}

/// Sends one request, once.
#[derive(Clone)]
struct Transport {
    http: HttpClient,
    exchange: Arc<Exchange>,
    demand: Demand,
}

// === impl Provider ===

impl Provider {
    pub(super) fn new(config: &config::Llm, credentials: Box<dyn Credentials>) -> Result<Self, BuildError> {
        let http = network().http(Some(config.connect_timeout));
        let unsent = network().request_maker().map_err(|error| BuildError::Http(innermost(&error)))?;
        let endpoint = Arc::new(Endpoint::new(config, credentials)?);
        Ok(Self { http, unsent, endpoint, accepted: Arc::new(Accepted::new(config)) })
    }

    /// Sends a request and waits for the head of the answer. All that becomes known goes into `exchange` at once.
    pub(super) async fn ask(&self, ask: &Ask<'_>, exchange: Arc<Exchange>) -> Result<Reply, Fault> {
        let demand = Demand::new();
        let transport =
            Transport { http: self.http.clone(), exchange: exchange.clone(), demand: demand.clone() };
        let endpoint: Arc<dyn OpenAiConfig> = self.endpoint.clone();
        let client = async_openai::Client::build(self.unsent.clone(), endpoint).with_http_service(transport);
        let fields = self.accepted.fields();
        let opened = client.chat().create_stream_byot(Body::new(ask, fields)).await;
        if let Some(refusal) = exchange.refusal.get() {
            return Err(self.refused(fields, ask, refusal));
        }
        // The library passes errors on as text only.
        let stream =
            opened.map_err(|error| exchange.broken.get().cloned().unwrap_or_else(|| fault(error)))?;
        let sent = Sent { fields, ask: ask.without_words(), accepted: self.accepted.clone() };
        Ok(Reply { stream, exchange, demand, is_asked: false, unreported: Some(sent) })
    }

    fn refused(&self, sent: Fields, ask: &Ask<'_>, refusal: &Refusal) -> Fault {
        let is_adapted = self.accepted.refused(sent, ask, refusal.status, refusal.said.as_ref());
        Fault { is_adapted, ..refusal.fault() }
    }
}

fn fault(error: OpenAIError) -> Fault {
    match error {
        OpenAIError::Boxed(error) => Fault::with_detail(Kind::ConnectionLost, error.to_string()),
        OpenAIError::Reqwest(error) => body_fault(error),
        // The library quotes content that it fails to read, and that may be the conversation.
        _ => Kind::MalformedStream.into(),
    }
}

/// The reason why no head of an answer came.
fn send_fault(url: &Url, error: &SendError) -> Fault {
    let kind = match error.kind() {
        SendErrorKind::ConnectTimeout => return Kind::ConnectTimeout.into(),
        SendErrorKind::Certificate => Kind::Certificate,
        SendErrorKind::Connect => Kind::Connect,
        SendErrorKind::Lost => Kind::ConnectionLost,
    };
    Fault::with_detail(kind, network().cause(url, error))
}

/// The reason why the body of an answer broke off.
fn body_fault(error: reqwest::Error) -> Fault {
    let detail = match error.url().cloned() {
        Some(url) => network().cause(&url, &error.without_url()),
        None => innermost(&error),
    };
    Fault::with_detail(Kind::ConnectionLost, detail)
}

// === impl Exchange ===

impl Exchange {
    /// None before the head of an answer has come.
    pub(super) fn head(&self) -> Option<&Head> {
        self.head.get()
    }

    /// The first content that was no event.
    pub(super) fn stray(&self) -> Option<&str> {
        self.stray.get().map(String::as_str)
    }

    /// The names of all fields that could not be read.
    pub(super) fn skipped(&self) -> Skipped {
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn skip(&self, field: &'static str) {
        self.skipped.lock().unwrap_or_else(PoisonError::into_inner).insert(field);
    }
}

// === impl Head ===

impl Head {
    pub(super) fn request_id(&self) -> Option<&str> {
        self.request_id.as_deref()
    }
}

// === impl Reply ===

impl Reply {
    /// The next part of the reply. None when the stream has ended. Safe to drop and call again.
    pub(super) async fn next(&mut self) -> Option<Result<Chunk, Fault>> {
        if !std::mem::replace(&mut self.is_asked, true) {
            self.demand.ask();
        }
        let item = self.stream.next().await;
        self.is_asked = false;
        match item {
            Some(Ok(raw)) => Some(self.decode(&raw)),
            Some(Err(_)) => Some(Err(self.broken())),
            // A panic of the library's task ends its channel in the same way as the end of a reply.
            None => self.exchange.broken.get().cloned().map(Err),
        }
    }

    fn decode(&mut self, raw: &RawValue) -> Result<Chunk, Fault> {
        let mut chunk = Chunk::decode(raw.get())?;
        if let Some(sent) = self.unreported.take() {
            sent.learn(&mut chunk);
        }
        chunk.skipped.iter().for_each(|field| self.exchange.skip(field));
        Ok(chunk)
    }

    /// Whether the provider has said `[DONE]`.
    pub(super) fn is_done(&self) -> bool {
        self.exchange.done.load(Ordering::Acquire)
    }

    fn broken(&self) -> Fault {
        self.exchange.broken.get().cloned().unwrap_or_else(|| Kind::MalformedStream.into())
    }
}

// === impl Sent ===

impl Sent {
    /// Some servers refuse a field in the first event of a stream that began with status 200.
    fn learn(self, chunk: &mut Chunk) {
        let Some(fault) = &mut chunk.fault else { return self.accepted.answered() };
        let status = match fault.kind {
            Kind::Reported(status) => status,
            Kind::RequestRefused => 400,
            _ => return,
        };
        fault.is_adapted = self.accepted.refused(self.fields, &self.ask, status, chunk.said.as_ref());
    }
}

// === impl ApiKey ===

impl ApiKey {
    pub(super) fn of(config: &config::Llm) -> Result<Self, BuildError> {
        let key = config.api_key.as_ref().filter(|key| !key.is_empty());
        let bearer = key.map(|key| bearer(key).ok_or(BuildError::ApiKey)).transpose()?;
        Ok(Self(bearer.map(|bearer| (AUTHORIZATION, bearer)).into_iter().collect()))
    }
}

impl Credentials for ApiKey {
    fn headers(&self) -> HeaderMap {
        self.0.clone()
    }
}

/// None when no header can hold the token.
pub(super) fn bearer(token: &Secret) -> Option<HeaderValue> {
    let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).ok()?;
    bearer.set_sensitive(true);
    Some(bearer)
}

// === impl Endpoint ===

impl Endpoint {
    fn new(config: &config::Llm, credentials: Box<dyn Credentials>) -> Result<Self, BuildError> {
        if !matches!(config.base_url.scheme(), "http" | "https") || !config.base_url.has_host() {
            return Err(BuildError::BaseUrl(shown(&config.base_url)));
        }
        let mut base = config.base_url.clone();
        let query = base.query_pairs().into_owned().collect();
        base.set_query(None);
        base.set_fragment(None);
        let base = base.as_str().trim_end_matches('/').to_owned();
        Ok(Self { base, query, credentials, no_key: SecretString::default() })
    }
}

impl OpenAiConfig for Endpoint {
    fn headers(&self) -> HeaderMap {
        self.credentials.headers()
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    fn query(&self) -> Vec<(&str, &str)> {
        self.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
    }

    fn api_base(&self) -> &str {
        &self.base
    }

    fn api_key(&self) -> &SecretString {
        &self.no_key
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").finish_non_exhaustive()
    }
}

// === impl Transport ===

impl tower_service::Service<HttpRequestFactory> for Transport {
    type Response = reqwest::Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: HttpRequestFactory) -> Self::Future {
        let transport = self.clone();
        Box::pin(transport.send(request))
    }
}

impl Transport {
    async fn send(self, request: HttpRequestFactory) -> Result<reqwest::Response, OpenAIError> {
        let request = request.build().await?;
        let url = request.url().clone();
        let response = match self.http.send(request).await {
            Ok(response) => response,
            Err(error) => {
                let _ = self.exchange.broken.set(send_fault(&url, &error));
                return Err(OpenAIError::Boxed("there is no answer".into()));
            }
        };
        let status = response.status();
        let head = Head { status: status.as_u16(), request_id: request_id(response.headers()) };
        let _ = self.exchange.head.set(head);
        if refusal::is_refusal(&response) {
            let _ = self.exchange.refusal.set(refusal::read(response).await);
            return Err(OpenAIError::Boxed("the answer is no reply".into()));
        }
        let body = guard::guarded(response.bytes_stream(), self.exchange, self.demand);
        let mut guarded = http::Response::new(reqwest::Body::wrap_stream(body));
        *guarded.status_mut() = status;
        Ok(guarded.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(base_url: &str) -> config::Llm {
        config::Llm {
            api_key: Some(Secret::new("sk-1")),
            temperature: Some(0.7),
            max_tokens: Some(100),
            ..config::Llm::at(base_url)
        }
    }

    #[test]
    fn a_key_that_no_header_can_hold_is_refused_and_not_shown() {
        let config = config::Llm { api_key: Some(Secret::new("sk-1\n")), ..config("http://localhost/v1") };
        let error = ApiKey::of(&config).err().unwrap().to_string();
        assert!(error.contains("[llm] api_key") && !error.contains("sk-1"), "{error}");
    }

    #[test]
    fn only_http_urls_are_called() {
        let config = config("ftp://host/v1");
        let key = ApiKey::of(&config).unwrap();
        let error = Provider::new(&config, Box::new(key)).unwrap_err().to_string();
        assert!(error.contains("base_url") && error.contains("ftp://host/v1"), "{error}");
    }

    #[test]
    fn a_query_of_the_base_url_goes_along_with_each_call() {
        let config = config("http://host/v1/?api-version=3");
        let endpoint = Endpoint::new(&config, Box::new(ApiKey::of(&config).unwrap())).unwrap();
        assert_eq!(endpoint.url("/chat/completions"), "http://host/v1/chat/completions");
        assert_eq!(endpoint.query(), [("api-version", "3")]);
    }
}
