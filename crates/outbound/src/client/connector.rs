//! From a URL to a connection: by TCP, through a proxy where there is one, and by TLS for `https`.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_rustls::{HttpsConnector, MaybeHttpsStream};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use super::as_url;
use crate::proxy::{Proxies, tunnel};

/// A server that vanished is noticed after some of these.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 3;
/// Sent bytes without an acknowledgement for this long end a connection.
const UNACKNOWLEDGED: Duration = Duration::from_secs(30);

type BoxError = Box<dyn Error + Send + Sync>;

#[derive(Clone)]
pub(super) struct Connector {
    https: HttpsConnector<Dialer>,
    timeout: Option<Duration>,
}

/// Reaches the server or its proxy.
#[derive(Clone)]
pub(super) struct Dialer {
    direct: HttpConnector,
    proxies: Proxies,
}

/// A connection, to the server or to a proxy that must be given the target with each request.
pub(super) struct Way {
    tcp: TokioIo<TcpStream>,
    is_proxied: bool,
}

// === impl Connector ===

impl Connector {
    pub(super) fn new(tls: Arc<ClientConfig>, proxies: Proxies, timeout: Option<Duration>) -> Self {
        let mut direct = HttpConnector::new();
        direct.enforce_http(false);
        direct.set_nodelay(true);
        direct.set_keepalive(Some(KEEPALIVE));
        direct.set_keepalive_interval(Some(KEEPALIVE));
        direct.set_keepalive_retries(Some(KEEPALIVE_PROBES));
        direct.set_tcp_user_timeout(Some(UNACKNOWLEDGED));
        Self { https: HttpsConnector::from((Dialer { direct, proxies }, tls)), timeout }
    }
}

impl Service<Uri> for Connector {
    type Response = MaybeHttpsStream<Way>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.https.poll_ready(context)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.https.call(target);
        let Some(timeout) = self.timeout else { return connecting };
        Box::pin(async move {
            let late = |_| io::Error::new(io::ErrorKind::TimedOut, "connecting took too long");
            tokio::time::timeout(timeout, connecting).await.map_err(late)?
        })
    }
}

// === impl Dialer ===

impl Dialer {
    async fn dial(mut self, target: Uri) -> Result<Way, BoxError> {
        match as_url(&target).and_then(|url| self.proxies.of(&url)) {
            None => Ok(Way { tcp: self.direct.call(target).await?, is_proxied: false }),
            Some(proxy) if target.scheme_str() == Some("https") => {
                Ok(Way { tcp: tunnel(&proxy, self.direct).call(target).await?, is_proxied: false })
            }
            Some(proxy) => Ok(Way { tcp: self.direct.call(proxy.uri().clone()).await?, is_proxied: true }),
        }
    }
}

impl Service<Uri> for Dialer {
    type Response = Way;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Way, BoxError>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.direct.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        Box::pin(self.clone().dial(target))
    }
}

// === impl Way ===

impl Connection for Way {
    fn connected(&self) -> Connected {
        self.tcp.connected().proxy(self.is_proxied)
    }
}

impl Read for Way {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_read(context, into)
    }
}

impl Write for Way {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(context)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write_vectored(context, parts)
    }
}
