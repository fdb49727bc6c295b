//! The HTTP client of every request that we make: HTTP/1.1, no redirects, nothing sent twice.
//!
//! It is `hyper`'s, with `reqwest`'s requests and answers. `reqwest`'s own client cannot report informational heads
//! (1xx), of which a server may send any number before its answer.

mod connector;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use http::header::{ACCEPT, PROXY_AUTHORIZATION, USER_AGENT};
use http::{HeaderValue, Uri};
use hyper_util::client::legacy;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use reqwest::{Body, Request, Response, ResponseBuilderExt};
use thiserror::Error;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;
use tokio::task::yield_now;
use url::Url;

use self::connector::Connector;
use super::Network;
use super::proxy::Proxies;
use super::trust;
use super::web::chain;

/// An idle connection is kept this long: the next request is then spared the TCP and TLS handshakes.
const KEEP_IDLE: Duration = Duration::from_secs(90);
/// A server that sends more informational heads than this is not taken to come to an answer.
const MAX_INFORMATIONAL: usize = 16;
/// A longer head of an answer is refused. `hyper` refuses one of more than a hundred headers, and trailers of more than
/// as many or of more than 16 KiB.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// A client with its pool of connections. Cheap to clone.
#[derive(Clone)]
pub struct HttpClient {
    inner: legacy::Client<Connector, Body>,
    proxies: Proxies,
    user_agent: HeaderValue,
}

/// The reason why there is no head of an answer.
#[derive(Debug, Error)]
pub enum SendError {
    #[error("the server sent {MAX_INFORMATIONAL} informational heads (1xx) and still no answer")]
    Informational,
    #[error("the request cannot be sent: {0}")]
    Request(reqwest::Error),
    /// The causes tell more than this.
    #[error(transparent)]
    Http(#[from] legacy::Error),
}

/// How far a request came that has no head of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendErrorKind {
    /// There was no connection in time.
    ConnectTimeout,
    /// The server's certificate is not to be trusted.
    Certificate,
    /// There was no connection.
    Connect,
    /// The connection broke off, or what came through it was no answer.
    Lost,
}

/// Counts informational heads, and reports when there are too many.
#[derive(Default)]
struct Heads {
    seen: AtomicUsize,
    too_many: Notify,
}

// === impl HttpClient ===

impl HttpClient {
    /// `connect_timeout` bounds TCP, the way through a proxy, and TLS together.
    pub(super) fn new(network: &Network, connect_timeout: Option<Duration>) -> Self {
        let connector = Connector::new(network.tls.clone(), network.proxies.clone(), connect_timeout);
        let mut builder = legacy::Client::builder(TokioExecutor::new());
        builder.timer(TokioTimer::new()).pool_timer(TokioTimer::new());
        builder.pool_idle_timeout(KEEP_IDLE).http1_max_buf_size(MAX_HEAD_BYTES);
        let user_agent = HeaderValue::from_static(network.names.user_agent);
        Self { inner: builder.build(connector), proxies: network.proxies.clone(), user_agent }
    }

    /// Sends a request and waits for the head of its answer, however long that takes. Dropping this closes the
    /// connection.
    ///
    /// The future is boxed: otherwise `hyper`'s client would be compiled once more in each crate that waits for it.
    pub fn send(&self, request: Request) -> BoxFuture<'_, Result<Response, SendError>> {
        Box::pin(self.sent(request))
    }

    async fn sent(&self, request: Request) -> Result<Response, SendError> {
        let url = request.url().clone();
        let request = http::Request::<Body>::try_from(request);
        let mut request = request.map_err(|error| SendError::Request(error.without_url()))?;
        let headers = request.headers_mut();
        headers.entry(USER_AGENT).or_insert_with(|| self.user_agent.clone());
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        if let Some(auth) = self.proxy_auth(&url) {
            headers.insert(PROXY_AUTHORIZATION, auth);
        }
        look_at_sockets().await;
        let heads = Arc::new(Heads::default());
        let counted = heads.clone();
        hyper::ext::on_informational(&mut request, move |_| counted.count());
        let answer = tokio::select! {
            biased;
            () = heads.too_many.notified() => return Err(SendError::Informational),
            answer = self.inner.request(request) => answer?,
        };
        Ok(as_reqwest(answer, url))
    }

    /// Within a tunnel the proxy was given its credentials at the beginning.
    fn proxy_auth(&self, url: &Url) -> Option<HeaderValue> {
        let proxy = self.proxies.of(url).filter(|_| url.scheme() == "http")?;
        let mut auth = proxy.basic_auth()?.clone();
        auth.set_sensitive(true);
        Some(auth)
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("proxies", &self.proxies).finish_non_exhaustive()
    }
}

fn as_reqwest(answer: http::Response<hyper::body::Incoming>, url: Url) -> Response {
    let (parts, body) = answer.into_parts();
    let mut answer = http::Response::new(Body::wrap(body));
    if let Ok(with_url) = http::Response::builder().url(url).body(()) {
        answer.extensions_mut().extend(with_url.into_parts().0.extensions);
    }
    *answer.status_mut() = parts.status;
    *answer.version_mut() = parts.version;
    *answer.headers_mut() = parts.headers;
    answer.into()
}

// === impl Heads ===

impl Heads {
    fn count(&self) {
        if self.seen.fetch_add(1, Ordering::Relaxed) + 1 > MAX_INFORMATIONAL {
            self.too_many.notify_one();
        }
    }
}

// === impl SendError ===

impl SendError {
    pub fn kind(&self) -> SendErrorKind {
        match self {
            Self::Http(error) if error.is_connect() && self.is_late() => SendErrorKind::ConnectTimeout,
            Self::Http(error) if error.is_connect() && trust::is_distrust(self) => SendErrorKind::Certificate,
            Self::Http(error) if error.is_connect() => SendErrorKind::Connect,
            _ => SendErrorKind::Lost,
        }
    }

    fn is_late(&self) -> bool {
        let is_late = |error: &io::Error| error.kind() == io::ErrorKind::TimedOut;
        chain(self).any(|error| error.downcast_ref().is_some_and(is_late))
    }
}

/// Whether the answer began with what is no HTTP.
pub(super) fn is_no_http(error: &(dyn std::error::Error + 'static)) -> bool {
    let no_http = |error: &hyper::Error| error.is_parse() && !error.is_parse_too_large();
    chain(error).any(|error| error.downcast_ref().is_some_and(no_http))
}

/// Lets a runtime of one thread look at its sockets, which it does only while it runs: else a pooled connection that the
/// server has closed since the last request would be taken for an open one, and the request would be lost on it.
async fn look_at_sockets() {
    if Handle::current().runtime_flavor() == RuntimeFlavor::CurrentThread {
        yield_now().await;
    }
}

/// `url` in the form that a connector takes.
fn as_url(uri: &Uri) -> Option<Url> {
    Url::parse(&uri.to_string()).ok()
}
