//! An OTLP/HTTP receiver that can misbehave: Basic auth on OpenObserve's path, and faults on demand.

use std::io::Read;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use flate2::read::GzDecoder;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message;
use url::Url;

pub(crate) const PATH: &str = "/api/default/v1/traces";
/// `user:pass`; the base64 ends in `=` on purpose.
pub(crate) const AUTHORIZATION: &str = "Basic dXNlcjpwYXNz=";

/// How the receiver answers from now on.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    Accept,
    Status(u16, &'static str),
    /// 429 with this `Retry-After`.
    RetryAfter(&'static str),
    /// Answers with this status this many times, then accepts.
    StatusTimes(u16, usize),
    Partial(i64, &'static str),
    /// Accepts, and answers in JSON whatever the request's content type.
    Json(&'static str),
    WebPage,
    Redirect,
}

/// One authorised request.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    pub(crate) headers: HeaderMap,
    pub(crate) request: ExportTraceServiceRequest,
}

pub(crate) struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    mode: Mutex<Mode>,
    received: Mutex<Vec<Received>>,
    knocks: Mutex<usize>,
}

impl Receiver {
    /// Listens on a free port, on a thread of its own, until the test's process ends.
    pub(crate) fn start(mode: Mode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { mode: Mutex::new(mode), received: Mutex::default(), knocks: Mutex::default() });
        let others = PATH.replace("traces", "{signal}");
        let router = Router::new().route(PATH, post(receive)).route(&others, post(acknowledge));
        let router = router.with_state(shared.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> Url {
        self.at(PATH)
    }

    pub(crate) fn at(&self, path: &str) -> Url {
        format!("http://{}{path}", self.address).parse().unwrap()
    }

    pub(crate) fn set(&self, mode: Mode) {
        *lock(&self.shared.mode) = mode;
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        lock(&self.shared.received).clone()
    }

    /// The number of requests, refused ones included.
    pub(crate) fn knocks(&self) -> usize {
        *lock(&self.shared.knocks)
    }

    /// The names of all accepted spans.
    pub(crate) fn span_names(&self) -> Vec<String> {
        let received = self.received();
        let resources = received.iter().flat_map(|received| &received.request.resource_spans);
        let spans = resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans);
        spans.map(|span| span.name.clone()).collect()
    }
}

/// Accepts connections, reads, and never answers. Dropping the listener ends that.
pub(crate) fn hanging() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap()).parse().unwrap();
    (listener, url)
}

/// Closes every connection at once.
pub(crate) fn closing() -> Url {
    let (listener, url) = hanging();
    std::thread::spawn(move || listener.incoming().for_each(drop));
    url
}

/// Waits until `done`, long enough for the slowest machine; a test that waits longer hangs.
pub(crate) fn wait_until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, body: Bytes) -> Response {
    *lock(&shared.knocks) += 1;
    if headers.get(header::AUTHORIZATION).is_none_or(|value| value != AUTHORIZATION) {
        return (StatusCode::UNAUTHORIZED, "Unauthorized Access").into_response();
    }
    if headers.get(header::CONTENT_TYPE).is_none_or(|value| value != "application/x-protobuf") {
        return (StatusCode::BAD_REQUEST, "Bad Request: content type").into_response();
    }
    let mode = shared.next_mode();
    let partial = match mode {
        Mode::Accept | Mode::StatusTimes(..) => None,
        Mode::Status(status, body) => return (StatusCode::from_u16(status).unwrap(), body).into_response(),
        Mode::RetryAfter(wait) => return retry_after(wait),
        Mode::Partial(rejected_spans, message) => {
            Some(ExportTracePartialSuccess { rejected_spans, error_message: message.to_owned() })
        }
        Mode::Json(answer) => {
            let request = decode(&headers, &body);
            lock(&shared.received).push(Received { headers, request });
            return json(answer);
        }
        Mode::WebPage => return axum::response::Html("<html>").into_response(),
        Mode::Redirect => {
            return axum::response::Redirect::to("http://127.0.0.1:1/elsewhere").into_response();
        }
    };
    let request = decode(&headers, &body);
    lock(&shared.received).push(Received { headers, request });
    let reply = ExportTraceServiceResponse { partial_success: partial }.encode_to_vec();
    ([(header::CONTENT_TYPE, "application/x-protobuf")], reply).into_response()
}

/// Accepts metrics and logs, which no test here reads.
async fn acknowledge(State(shared): State<Arc<Shared>>) -> Response {
    *lock(&shared.knocks) += 1;
    match shared.next_mode() {
        Mode::Json(answer) => json(answer),
        Mode::RetryAfter(wait) => retry_after(wait),
        _ => StatusCode::OK.into_response(),
    }
}

fn retry_after(wait: &'static str) -> Response {
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, wait)], "later").into_response()
}

fn json(answer: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], answer).into_response()
}

fn decode(headers: &HeaderMap, body: &[u8]) -> ExportTraceServiceRequest {
    let gzip = headers.get(header::CONTENT_ENCODING).is_some_and(|encoding| encoding == "gzip");
    let mut plain = Vec::new();
    if gzip {
        GzDecoder::new(body).read_to_end(&mut plain).unwrap();
    } else {
        plain.extend_from_slice(body);
    }
    ExportTraceServiceRequest::decode(plain.as_slice()).unwrap()
}

impl Shared {
    fn next_mode(&self) -> Mode {
        let mut mode = lock(&self.mode);
        match *mode {
            Mode::StatusTimes(_, 0) => *mode = Mode::Accept,
            Mode::StatusTimes(status, times) => {
                *mode = Mode::StatusTimes(status, times - 1);
                return Mode::Status(status, "busy");
            }
            _ => {}
        }
        mode.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}
