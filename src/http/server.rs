//! The server. It is not axum's own, which lets a client take unlimited time to send its request.
//!
//! `places` decides which connection is closed when more clients come than there is room for.

use std::convert::Infallible;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use super::origin::Origin;
use super::places::{Place, Places, Taken};
use super::{headers, host, untaken};
use crate::metrics::Metrics;

/// From the first byte of a request, or from the last answer, to the end of the request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// How long answers that are under way may take when the server stops.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// A client that takes its answers slowly, or not at all, keeps its place for no longer than both of these.
const LIMITS: Limits = Limits { lifetime: Duration::from_secs(30), last_answer: Duration::from_secs(10) };
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

/// How long a connection may take up one of the few places.
#[derive(Clone, Copy)]
struct Limits {
    /// After this long a connection takes no more requests; a client that has more of them connects again.
    lifetime: Duration,
    /// The time for the rest of the answer that is under way by then.
    last_answer: Duration,
}

/// A connection's bytes; reports to its place when all of an answer has gone out.
struct Watched<S> {
    stream: S,
    place: Place,
}

/// Serves `router` until `stop`.
pub async fn serve(listener: TcpListener, router: Router, metrics: Metrics, stop: CancellationToken) {
    let router = untaken::bounded(host::checked(router), metrics.clone());
    let router = headers::on_every_answer(router);
    let places = Places::new(metrics);
    let connections = TaskTracker::new();
    let accept = async {
        loop {
            let (stream, origin) = accept(&listener).await;
            let Some(taken) = places.take(origin).await else { return };
            connections.spawn(attend(stream, router.clone(), stop.clone(), taken));
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop.cancelled() => {}
    }
    connections.close();
    let _ = tokio::time::timeout(STOP_TIMEOUT, connections.wait()).await;
}

/// Errors here are the client's, or a lack of file descriptors that passes; either is logged once, however long it
/// lasts.
async fn accept(listener: &TcpListener) -> (TcpStream, Origin) {
    let mut is_said = false;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => return (stream, Origin::of(address.ip())),
            Err(error) => {
                if !std::mem::replace(&mut is_said, true) {
                    warn!(%error, "cannot accept a connection to the health endpoints; trying again");
                }
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// Serves a connection until it ends, or has to make room.
async fn attend(stream: TcpStream, router: Router, stop: CancellationToken, taken: Taken) {
    let place = taken.place();
    tokio::select! {
        () = serve_connection(stream, router, place, stop, LIMITS) => {}
        () = place.told_to_leave() => {}
    }
}

async fn serve_connection<S>(
    stream: S,
    router: Router,
    place: &Place,
    stop: CancellationToken,
    limits: Limits,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let router = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(
            TokioIo::new(Watched { stream, place: place.clone() }),
            service_fn(|request| answer(router.clone(), place.clone(), request)),
        );
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => Ok(served),
        () = closing(&stop, limits.lifetime) => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(limits.last_answer, connection).await
        }
    };
    match served {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a client of the health endpoints went away"),
        Err(_) => debug!("a client of the health endpoints did not take its answer"),
    }
}

async fn answer(
    router: TowerToHyperService<Router>,
    place: Place,
    mut request: Request<Incoming>,
) -> Result<Response, Infallible> {
    if !place.asked() {
        // `hyper` takes many requests of one connection in a row; the first requests of other clients come before them.
        tokio::task::yield_now().await;
    }
    request.extensions_mut().insert(place.origin());
    let answer = router.call(request).await;
    place.answered();
    answer
}

/// Returns at the time from which a connection should take no more requests.
async fn closing(stop: &CancellationToken, lifetime: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(lifetime) => {}
    }
}

// === impl Watched ===

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_read(cx, into)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// `hyper` flushes once it has written all its bytes.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let watched = self.get_mut();
        let flushed = Pin::new(&mut watched.stream).poll_flush(cx);
        if flushed.is_ready() {
            watched.place.flushed();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_client_that_never_reads_its_answer_loses_its_place() {
        let (mut client, server) = tokio::io::duplex(256);
        let router = Router::new().route("/", get(async || "x".repeat(1 << 20)));
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let brief = Duration::from_millis(5);
        let limits = Limits { lifetime: brief, last_answer: brief };
        let places = Places::new(Metrics::default());
        let taken = places.take(Origin::of([127, 0, 0, 1].into())).await.unwrap();
        let served = serve_connection(server, router, taken.place(), CancellationToken::new(), limits);
        tokio::time::timeout(Duration::from_secs(60), served).await.expect("the connection ends");
    }
}
