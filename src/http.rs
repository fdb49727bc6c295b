//! The endpoints: health and status for every client, metrics and the record of sessions for those that `access`
//! admits.
//!
//! | path | answer |
//! |---|---|
//! | `/`, `/healthz` | 200 `OK` while the worker lives; its connection to LiveKit does not matter |
//! | `/readyz` | 200 `OK` while registered and not draining, else 503 and the reason |
//! | `/worker` | the worker in the form that LiveKit Cloud reads, [`WorkerInfo`] as JSON |
//! | `/metrics` | [`Metrics`] in Prometheus' text format |
//! | `/sessions`, `/api/sessions` | the local record, see [`turn_store`] |
//! | `/sign-in`, `/sessions.js` | the sign-in and the script of the pages |
//!
//! - `server`: connections. `places`: which connection gives way when there are too many; `origin`: where a client is
//!   from
//! - `routes`: the paths. `access`: the clients that are let through. `guesses`: the wait after a wrong token
//! - `host`: the host that a request is for. `seldom`: lines of the log that strangers cause
//! - `record`: the questions to the record, and the JSON. `query`: the query of a URL
//! - `headers`: the headers of every answer. `untaken`: the limit of answers that wait for their clients
//! - `pages`: for people. `html`: text that cannot be left unescaped by mistake

mod access;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod guesses;
mod headers;
mod host;
mod origin;
mod pages;
mod places;
mod query;
mod record;
mod routes;
mod seldom;
mod server;
mod untaken;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use agent_worker::{Health, WorkerInfo};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use thiserror::Error;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;

pub use self::access::Access;
pub use self::record::Sessions;
pub use self::routes::guarded;
pub use self::server::serve;
use crate::metrics::{self, Metrics};

/// How much of its answers a client may leave unread in the kernel, in bytes; Linux takes twice as much. The default
/// would be 4 MiB a connection; requests sent ahead without reading their answers would take seconds to fill that.
const SEND_BUFFER: u32 = 64 * 1024;
/// The backlog of `TcpListener::bind`.
const BACKLOG: u32 = 1024;

#[derive(Debug, Error)]
#[error(
    "cannot listen on {address} for the health endpoints: {reason}; choose another address with http.listen (VOICED_HTTP__LISTEN)"
)]
pub struct BindError {
    address: SocketAddr,
    reason: io::Error,
}

#[derive(Clone)]
struct Worker {
    agent_name: Arc<str>,
    health: watch::Receiver<Health>,
}

/// Port 0 picks a free one.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    listen(address).map_err(|reason| BindError { address, reason })
}

/// Accepted connections have the listener's options.
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
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
    Json(WorkerInfo::new(&worker.agent_name, env!("CARGO_PKG_VERSION"), &worker.health.borrow()))
}

fn prometheus(metrics: &Metrics) -> impl IntoResponse + use<> {
    ([(header::CONTENT_TYPE, metrics::TEXT_FORMAT)], metrics.text())
}

// === impl BindError ===

impl BindError {
    /// Another process listens there.
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
