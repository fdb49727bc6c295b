//! A gate in front of a real collector that fails in every way a receiver can, and records what it let through.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;

/// How the gate behaves from now on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Everything goes through.
    None,
    /// Nothing is ever answered.
    Hang,
    Status(u16),
    /// All but the first trace of each batch go through, and the sender is told so.
    Partial,
    /// Everything goes through, and the sender is told that nothing did.
    TakeAndFail,
}

pub(crate) struct Gate {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// A batch that the collector took.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    /// Equal for two batches that were sent with the same bytes, also where the collector got only a part of one.
    pub(crate) content: u64,
    pub(crate) spans: BTreeSet<Vec<u8>>,
}

struct Shared {
    collector: String,
    client: reqwest::Client,
    fault: Mutex<Fault>,
    passed: Mutex<Vec<Passed>>,
}

impl Gate {
    pub(crate) async fn start(collector: String) -> Self {
        let shared = Arc::new(Shared {
            collector,
            client: reqwest::Client::new(),
            fault: Mutex::new(Fault::None),
            passed: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        // The collector has a limit of its own.
        let limit = DefaultBodyLimit::disable();
        let router = Router::new().route("/v1/traces", post(knock)).layer(limit).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/v1/traces", self.address)
    }

    pub(crate) fn set(&self, fault: Fault) {
        *lock(&self.shared.fault) = fault;
    }

    pub(crate) fn passed(&self) -> Vec<Passed> {
        lock(&self.shared.passed).clone()
    }
}

async fn knock(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    let fault = *lock(&shared.fault);
    let sent = content(&body);
    match fault {
        Fault::None => forward(&shared, &headers, body, sent).await,
        Fault::Hang => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
        Fault::Status(status) => (StatusCode::from_u16(status).unwrap(), "chaos").into_response(),
        Fault::Partial => partial(&shared, headers, body, sent).await,
        Fault::TakeAndFail => {
            forward(&shared, &headers, body, sent).await;
            (StatusCode::SERVICE_UNAVAILABLE, "the answer was lost").into_response()
        }
    }
}

/// Hands the batch to the collector, and its answer to the sender. A collector that is down becomes a bad gateway.
/// `sent` identifies the bytes that the sender sent, of which `body` may be a part.
async fn forward(shared: &Shared, headers: &HeaderMap, body: Bytes, sent: u64) -> Response {
    let mut request = shared.client.post(&shared.collector).body(body.clone());
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE, header::CONTENT_ENCODING] {
        if let Some(value) = headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let Ok(answer) = request.send().await else { return StatusCode::BAD_GATEWAY.into_response() };
    let status = answer.status();
    if status.is_success() {
        let spans = spans(&decode(headers, &body)).map(|span| span.span_id.clone()).collect();
        lock(&shared.passed).push(Passed { content: sent, spans });
    }
    (status, answer.bytes().await.unwrap_or_default()).into_response()
}

async fn partial(shared: &Shared, mut headers: HeaderMap, body: Bytes, sent: u64) -> Response {
    let mut request = decode(&headers, &body);
    let Some(unwanted) = spans(&request).next().map(|span| span.trace_id.clone()) else {
        return forward(shared, &headers, body, sent).await;
    };
    let before = spans(&request).count();
    for scope in request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans) {
        scope.spans.retain(|span| span.trace_id != unwanted);
    }
    let rejected_spans = (before - spans(&request).count()) as i64;
    headers.remove(header::CONTENT_ENCODING);
    let answer = forward(shared, &headers, request.encode_to_vec().into(), sent).await;
    if !answer.status().is_success() {
        return answer;
    }
    let error_message = "chaos".to_owned();
    let partial_success = Some(ExportTracePartialSuccess { rejected_spans, error_message });
    ExportTraceServiceResponse { partial_success }.encode_to_vec().into_response()
}

fn content(body: &Bytes) -> u64 {
    let mut hasher = DefaultHasher::new();
    body.hash(&mut hasher);
    hasher.finish()
}

fn decode(headers: &HeaderMap, body: &[u8]) -> ExportTraceServiceRequest {
    let mut plain = Vec::new();
    match headers.get(header::CONTENT_ENCODING) {
        Some(_) => drop(GzDecoder::new(body).read_to_end(&mut plain).unwrap()),
        None => plain = body.to_vec(),
    }
    ExportTraceServiceRequest::decode(plain.as_slice()).unwrap()
}

fn spans(request: &ExportTraceServiceRequest) -> impl Iterator<Item = &Span> {
    request.resource_spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
