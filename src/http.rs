//! The endpoints: health and status for everybody, metrics and the record of sessions for whom `access` lets through.
//!
//! | path | answer |
//! |---|---|
//! | `/`, `/healthz` | 200 `OK` while the worker lives; its connection to LiveKit does not matter |
//! | `/readyz` | 200 `OK` while registered and not draining, else 503 and the reason |
//! | `/worker` | the worker as LiveKit Cloud reads it, [`WorkerInfo`] as JSON |
//! | `/metrics` | [`Metrics`] in Prometheus' text format |
//! | `/sessions`, `/api/sessions` | the local record, see [`crate::record`] |
//! | `/sign-in`, `/sessions.js` | what the pages need |
//!
//! - `routes`: which path is whose. `access`: who is let through
//! - `record`: the questions to the record, and the JSON. `query`: what a URL asks for
//! - `headers`: what every answer carries
//! - `pages`: for people. `html`: text that cannot be forgotten to be escaped

mod access;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod headers;
mod html;
mod pages;
mod query;
mod record;
mod routes;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

pub use self::access::Access;
pub use self::record::Sessions;
pub use self::routes::guarded;
use crate::metrics::{self, Metrics};
use crate::worker::{Health, WorkerInfo};

/// From the first byte of a request, or from the last answer, to the end of the request's head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_HEADER_BYTES: usize = 16 * 1024;
/// More clients than this wait in the listener's backlog.
const MAX_CONNECTIONS: usize = 64;
/// How long answers that are under way may take when we stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(1);
/// A client that takes its answers slowly, or not at all, keeps its place for no longer than both of these.
const LIMITS: Limits = Limits { lifetime: Duration::from_secs(30), last_answer: Duration::from_secs(10) };
const ACCEPT_RETRY: Duration = Duration::from_millis(200);

#[derive(Debug, Error)]
#[error(
    "cannot listen on {address} for the health endpoints: {reason}; choose another address with http.listen (VOICED_HTTP__LISTEN)"
)]
pub struct BindError {
    address: SocketAddr,
    reason: io::Error,
}

/// How long a connection may take up one of the few places.
#[derive(Clone, Copy)]
struct Limits {
    /// Then it takes no more requests; whoever has more of them connects again.
    lifetime: Duration,
    /// For what is left of the answer under way by then.
    last_answer: Duration,
}

#[derive(Clone)]
struct Worker {
    agent_name: Arc<str>,
    health: watch::Receiver<Health>,
}

/// Port 0 picks a free one.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|reason| BindError { address, reason })
}

/// The open endpoints of the worker that sends `health`; [`guarded`] are the others.
pub fn router(agent_name: &str, health: watch::Receiver<Health>) -> Router {
    Router::new()
        .route("/", get(healthz))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/worker", get(worker))
        .with_state(Worker { agent_name: agent_name.into(), health })
}

/// Serves `router` until `stop`. Not axum's own server, which gives a client all the time in the world to send its request.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let router = headers::on_every_answer(router);
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let connections = TaskTracker::new();
    let accept = async {
        while let Ok(permit) = permits.clone().acquire_owned().await {
            let stream = accept(&listener).await;
            let connection = serve_connection(stream, router.clone(), stop.clone(), LIMITS);
            connections.spawn(async move {
                connection.await;
                drop(permit);
            });
        }
    };
    tokio::select! {
        () = accept => {}
        () = stop.cancelled() => {}
    }
    connections.close();
    let _ = tokio::time::timeout(STOP_TIMEOUT, connections.wait()).await;
}

/// Errors here are the client's, or a lack of file descriptors that passes; either is said once, however long it lasts.
async fn accept(listener: &TcpListener) -> TcpStream {
    let mut is_said = false;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                if !std::mem::replace(&mut is_said, true) {
                    warn!(%error, "cannot accept a connection to the health endpoints; trying again");
                }
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

async fn serve_connection<S>(stream: S, router: Router, stop: CancellationToken, limits: Limits)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
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

/// Returns when a connection should take no more requests.
async fn closing(stop: &CancellationToken, lifetime: Duration) {
    tokio::select! {
        () = stop.cancelled() => {}
        () = tokio::time::sleep(lifetime) => {}
    }
}

async fn healthz(State(worker): State<Worker>) -> (StatusCode, &'static str) {
    if worker.is_alive() {
        (StatusCode::OK, "OK")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "the worker has ended")
    }
}

async fn readyz(State(worker): State<Worker>) -> (StatusCode, String) {
    let health = worker.health.borrow();
    if !worker.is_alive() {
        (StatusCode::SERVICE_UNAVAILABLE, "the worker has ended".to_owned())
    } else if health.is_ready() {
        (StatusCode::OK, "OK".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, health.reason.clone())
    }
}

async fn worker(State(worker): State<Worker>) -> Json<WorkerInfo> {
    Json(WorkerInfo::new(&worker.agent_name, &worker.health.borrow()))
}

fn prometheus(metrics: &Metrics) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, metrics::TEXT_FORMAT)], metrics.text())
}

// === impl BindError ===

impl BindError {
    /// Somebody else listens there.
    pub(crate) fn is_taken(&self) -> bool {
        self.reason.kind() == io::ErrorKind::AddrInUse
    }
}

// === impl Worker ===

impl Worker {
    /// The worker's loop holds the sender for as long as it runs.
    fn is_alive(&self) -> bool {
        self.health.has_changed().is_ok()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_client_that_never_reads_its_answer_loses_its_place() {
        let (mut client, server) = tokio::io::duplex(256);
        let router = Router::new().route("/", get(async || "x".repeat(1 << 20)));
        client.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let brief = Duration::from_millis(5);
        let limits = Limits { lifetime: brief, last_answer: brief };
        let served = serve_connection(server, router, CancellationToken::new(), limits);
        tokio::time::timeout(Duration::from_secs(60), served).await.expect("the connection ends");
    }
}
