//! The HTTP routes.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, body::Bytes};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use crate::answer::{Answer, error_object};
use crate::listener::{ConnectionHandle, Door};
use crate::log::entries;
use crate::record::{Open, Recorded, TimedOut};
use crate::script::{Ending, Script, Step};
use crate::shared::{Shared, lock, unknown_model, wrong_key};
use crate::speech::SpeechStep;
use crate::{speech, transcription};

/// A larger request is refused with 413.
const MAX_REQUEST_BYTES: usize = 16 << 20;

/// The time limit of `wait`.
const WAIT_LIMIT: Duration = Duration::from_secs(30);

/// A running server. It ends when this is dropped.
#[derive(Debug)]
pub struct ScriptedModel {
    address: SocketAddr,
    shared: Arc<Shared>,
    serving: JoinHandle<io::Result<()>>,
}

// === impl ScriptedModel ===

impl ScriptedModel {
    /// Serves `script` on a free port of 127.0.0.1.
    pub async fn start(script: Script) -> io::Result<Self> {
        Self::listen(SocketAddr::from(([127, 0, 0, 1], 0)), script).await
    }

    pub async fn listen(address: SocketAddr, script: Script) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::new(script));
        let app = router(shared.clone()).into_make_service_with_connect_info::<ConnectionHandle>();
        let door = Door::new(listener, shared.connections.clone());
        let serving = tokio::spawn(async move { axum::serve(door, app).await });
        Ok(Self { address, shared, serving })
    }

    /// `http://127.0.0.1:PORT/v1`
    pub fn base_url(&self) -> String {
        format!("http://{}/v1", self.address)
    }

    /// The chat completion requests so far, in the order in which they came in.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.journal.requests()
    }

    /// The number of requests whose answer is still being sent.
    pub fn in_flight(&self) -> usize {
        self.shared.journal.in_flight()
    }

    /// TCP connections accepted so far.
    pub fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Adds steps behind the remaining ones.
    pub fn push(&self, steps: impl IntoIterator<Item = Step>) {
        lock(&self.shared.script).steps.extend(steps);
    }

    /// The requests for transcripts so far.
    pub fn transcriptions(&self) -> Vec<Recorded> {
        self.shared.transcriptions.requests()
    }

    /// The requests for speech so far.
    pub fn speeches(&self) -> Vec<Recorded> {
        self.shared.speeches.requests()
    }

    /// Adds steps for requests for transcripts.
    pub fn push_transcriptions(&self, steps: impl IntoIterator<Item = Step>) {
        lock(&self.shared.script).transcriptions.steps.extend(steps);
    }

    /// Adds steps for requests for speech.
    pub fn push_speeches(&self, steps: impl IntoIterator<Item = SpeechStep>) {
        lock(&self.shared.script).speeches.steps.extend(steps);
    }

    /// As `wait`, of the requests for transcripts.
    pub async fn wait_transcriptions(
        &self,
        wanted: impl Fn(&[Recorded]) -> bool,
    ) -> Result<Vec<Recorded>, TimedOut> {
        self.shared.transcriptions.wait(wanted, WAIT_LIMIT).await
    }

    /// As `wait`, of the requests for speech.
    pub async fn wait_speeches(
        &self,
        wanted: impl Fn(&[Recorded]) -> bool,
    ) -> Result<Vec<Recorded>, TimedOut> {
        self.shared.speeches.wait(wanted, WAIT_LIMIT).await
    }

    /// Waits until the requests are as `wanted`.
    ///
    /// # Errors
    /// They are not within 30 seconds.
    pub async fn wait(&self, wanted: impl Fn(&[Recorded]) -> bool) -> Result<Vec<Recorded>, TimedOut> {
        self.shared.journal.wait(wanted, WAIT_LIMIT).await
    }
}

impl Drop for ScriptedModel {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat_completions))
        .route("/v1/audio/transcriptions", post(transcription::answer))
        .route("/v1/audio/speech", post(speech::answer))
        .route("/v1/log", get(log))
        .route("/v1/models", get(models))
        .route("/v1/models/{*name}", get(model))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(shared)
}

/// Every request with its times, for programs that measure.
async fn log(State(shared): State<Arc<Shared>>) -> Json<Vec<Value>> {
    let journals =
        [("chat", &shared.journal), ("transcription", &shared.transcriptions), ("speech", &shared.speeches)];
    Json(journals.iter().flat_map(|(endpoint, journal)| entries(endpoint, &journal.requests())).collect())
}

async fn models(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let script = lock(&shared.script);
    if let Some(refusal) = wrong_key(&script, &headers) {
        return refused(&refusal);
    }
    let any = ["scripted".to_owned()];
    let known = if script.models.is_empty() { any.as_slice() } else { &script.models };
    let data: Vec<Value> = known.iter().map(|name| described(&script, name)).collect();
    Json(json!({"object": "list", "data": data})).into_response()
}

async fn model(State(shared): State<Arc<Shared>>, Path(name): Path<String>, headers: HeaderMap) -> Response {
    let script = lock(&shared.script);
    match wrong_key(&script, &headers).or_else(|| unknown_model(&script, &name)) {
        Some(refusal) => refused(&refusal),
        None => Json(described(&script, &name)).into_response(),
    }
}

/// A model in OpenAI's format.
fn described(script: &Script, name: &str) -> Value {
    let shutdown_date = script.shutdown_dates.get(name);
    json!({"id": name, "object": "model", "created": 0, "owned_by": "scripted-model", "shutdown_date": shutdown_date})
}

pub(crate) fn refused(step: &Step) -> Response {
    (status(step), Json(error_object(step))).into_response()
}

pub(crate) fn status(step: &Step) -> StatusCode {
    StatusCode::from_u16(step.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn chat_completions(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let came = Instant::now();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let step = shared.step(&headers, &request);
    let number = shared.number();
    let answer = Answer::new(step, &request, number);
    let open = shared.journal.open(&headers, request, connection.number, came);
    respond(answer, connection, open, number).await
}

async fn respond(answer: Answer, connection: ConnectionHandle, open: Open, number: usize) -> Response {
    begin(&answer.step, &connection).await;
    let headers = response_headers(&answer.step, number);
    let mut response = if answer.step.body.is_some() {
        (status(&answer.step), answer.streamed(connection, open)).into_response()
    } else if answer.step.status != 200 {
        open.answered();
        refused(&answer.step)
    } else if answer.wants_stream {
        ([(header::CONTENT_TYPE, "text/event-stream")], answer.streamed(connection, open)).into_response()
    } else {
        open.answered();
        Json(answer.whole()).into_response()
    };
    response.headers_mut().extend(headers);
    response
}

/// What happens in front of an answer.
pub(crate) async fn begin(step: &Step, connection: &ConnectionHandle) {
    tokio::time::sleep(Duration::from_millis(step.delay_ms)).await;
    match step.ending {
        Ending::Hang => std::future::pending().await,
        Ending::Drop => connection.reset(),
        _ => {}
    }
}

/// The step's headers, and a request id in OpenAI's format.
pub(crate) fn response_headers(step: &Step, number: usize) -> HeaderMap {
    let request_id = ("x-request-id".to_owned(), format!("req_scripted_{number}"));
    let named = step.headers.iter().map(|(name, value)| (name.clone(), value.clone()));
    std::iter::once(request_id)
        .chain(named)
        .filter_map(|(name, value)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(&value).ok()?))
        })
        .collect()
}
