//! The HTTP routes.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

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
use crate::named::Named;
use crate::record::{Journal, Open, Recorded, TimedOut};
use crate::script::{Ending, Script, Step};
use crate::talk;

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

#[derive(Debug)]
struct Shared {
    script: Mutex<Script>,
    named: Mutex<Named>,
    journal: Journal,
    connections: Arc<AtomicU64>,
    answers: AtomicU64,
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

// === impl Shared ===

impl Shared {
    fn new(script: Script) -> Self {
        Self {
            script: Mutex::new(script),
            named: Mutex::default(),
            journal: Journal::default(),
            connections: Arc::default(),
            answers: AtomicU64::new(0),
        }
    }

    fn step(&self, headers: &HeaderMap, request: &Value) -> Step {
        let model = request["model"].as_str().unwrap_or_default();
        let mut script = lock(&self.script);
        if let Some(refusal) = refusal(&script, headers, request, model) {
            return refusal;
        }
        if let Some(step) = script.steps.pop_front() {
            return step;
        }
        let said =
            talk::last_user_text(request["messages"].as_array().map(Vec::as_slice).unwrap_or_default());
        if let Some(rule) = script.rules.iter().find(|rule| said.contains(&rule.contains)) {
            return rule.step.clone();
        }
        lock(&self.named).step(model).unwrap_or_else(|| script.otherwise.clone())
    }
}

/// The error that any provider returns for this request, whatever the script says.
fn refusal(script: &Script, headers: &HeaderMap, request: &Value, model: &str) -> Option<Step> {
    let no_messages = || {
        let step = Step::status(400).error("invalid_request", "The request has no list of messages.");
        (!request["messages"].is_array()).then_some(step)
    };
    let refused_field = || {
        let field = script.refused_fields.iter().find(|field| !request[field.as_str()].is_null())?;
        let message = format!("Unsupported parameter: '{field}' is not supported with this model.");
        Some(Step::status(400).error("unsupported_parameter", message))
    };
    let wrong = wrong_key(script, headers).or_else(no_messages).or_else(refused_field);
    wrong.or_else(|| unknown_model(script, model))
}

fn wrong_key(script: &Script, headers: &HeaderMap) -> Option<Step> {
    let wanted = format!("Bearer {}", script.api_key.as_ref()?);
    let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let step = Step::status(401).error("invalid_api_key", "Incorrect API key provided.");
    (given != Some(wanted.as_bytes())).then_some(step)
}

fn unknown_model(script: &Script, name: &str) -> Option<Step> {
    let known = script.models.is_empty() || script.models.iter().any(|known| known == name);
    let message = format!("The model `{name}` does not exist or you do not have access to it.");
    (!known).then(|| Step::status(404).error("model_not_found", message))
}

fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/v1/chat/completions", post(chat_completions))
        .route("/v1/models", get(models))
        .route("/v1/models/{*name}", get(model))
        .layer(DefaultBodyLimit::max(MAX_REQUEST_BYTES))
        .with_state(shared)
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

fn refused(step: &Step) -> Response {
    (status(step), Json(error_object(step))).into_response()
}

fn status(step: &Step) -> StatusCode {
    StatusCode::from_u16(step.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

async fn chat_completions(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let step = shared.step(&headers, &request);
    let number = shared.answers.fetch_add(1, Ordering::Relaxed) as usize;
    let answer = Answer::new(step, &request, number);
    let open = shared.journal.open(readable(&headers), request, connection.number);
    respond(answer, connection, open, number).await
}

async fn respond(answer: Answer, connection: ConnectionHandle, open: Open, number: usize) -> Response {
    tokio::time::sleep(Duration::from_millis(answer.step.delay_ms)).await;
    match answer.step.ending {
        Ending::Hang => std::future::pending().await,
        Ending::Drop => connection.reset(),
        _ => {}
    }
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

/// The step's headers, and a request id in OpenAI's format.
fn response_headers(step: &Step, number: usize) -> HeaderMap {
    let request_id = ("x-request-id".to_owned(), format!("req_scripted_{number}"));
    let named = step.headers.iter().map(|(name, value)| (name.clone(), value.clone()));
    std::iter::once(request_id)
        .chain(named)
        .filter_map(|(name, value)| {
            Some((name.parse::<HeaderName>().ok()?, HeaderValue::from_str(&value).ok()?))
        })
        .collect()
}

fn readable(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
