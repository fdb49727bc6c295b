//! `/v1/audio/transcriptions`: what is answered to audio.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::answer::{self, Pauses};
use crate::listener::ConnectionHandle;
use crate::multipart::fields;
use crate::script::{Reply, Step, Usage};
use crate::server::{begin, refused, response_headers, status};
use crate::shared::Shared;
use crate::wav;

/// Quieter audio is silence to the demo's recogniser.
const AUDIBLE: i16 = 500;

pub(crate) async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let came = Instant::now();
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let (request, fault) = match read(content_type.unwrap_or_default(), &body) {
        Ok(request) => (request, None),
        Err(fault) => (Value::Null, Some(Step::status(400).error("invalid_request", fault))),
    };
    let step = shared.transcription(&headers, request["model"].as_str().unwrap_or_default());
    // A wrong request is refused whatever the script says.
    let step = if step.status == 401 { step } else { fault.unwrap_or(step) };
    let open = shared.transcriptions.open(&headers, request.clone(), connection.number, came);
    let headers = response_headers(&step, shared.number());
    begin(&step, &connection).await;
    let mut response = if step.status != 200 && step.body.is_none() {
        open.answered();
        refused(&step)
    } else {
        let (content_type, content) = content(&step, &request);
        let pauses = Pauses { each: Duration::from_millis(step.pause_ms), ..Pauses::default() };
        let writes = answer::pieces_of(&content, step.split_bytes);
        let body = answer::body(writes, pauses, step.ending, connection, open);
        (status(&step), [(header::CONTENT_TYPE, content_type)], body).into_response()
    };
    response.headers_mut().extend(headers);
    response
}

/// The fields of a form, with what its audio is. The reason why it is no request.
fn read(content_type: &str, body: &[u8]) -> Result<Value, String> {
    let fields = fields(content_type, body).ok_or("The request is no multipart form.")?;
    let mut request = Map::new();
    for field in &fields {
        let Some(name) = &field.file_name else {
            request.insert(field.name.clone(), String::from_utf8_lossy(field.content).into());
            continue;
        };
        if field.name != "file" || !name.ends_with(".wav") {
            return Err(
                "The form has another file than `file`, or one whose name does not end with .wav.".to_owned()
            );
        }
        let (samples, rate) = wav::decode(field.content)?;
        let peak = samples.iter().map(|sample| sample.saturating_abs()).max().unwrap_or_default();
        request.extend([("file".to_owned(), name.as_str().into()), ("rate".to_owned(), rate.into())]);
        request.extend([("samples".to_owned(), samples.len().into()), ("peak".to_owned(), peak.into())]);
    }
    match ["file", "model"].iter().find(|name| !request.contains_key(**name)) {
        Some(missing) => Err(format!("Missing required parameter: '{missing}'.")),
        None => Ok(request.into()),
    }
}

/// The body of an answer with its type. The step's own headers come later, and win.
fn content(step: &Step, request: &Value) -> (HeaderValue, Vec<u8>) {
    if let Some(body) = &step.body {
        return (HeaderValue::from_static("application/octet-stream"), body.clone());
    }
    let text = match &step.reply {
        Reply::Text(text) => text.clone(),
        _ if request["peak"].as_i64().unwrap_or_default() < i64::from(AUDIBLE) => String::new(),
        _ => "hello".to_owned(),
    };
    let mut answer = json!({"text": text});
    match &step.usage {
        Usage::None => {}
        Usage::Exact { input, output, .. } => {
            answer["usage"] = json!({"type": "tokens", "input_tokens": input, "output_tokens": output,
                "total_tokens": input + output});
        }
        Usage::Counted => {
            let samples = request["samples"].as_f64().unwrap_or_default();
            let seconds = (samples / request["rate"].as_f64().unwrap_or(1.0)).ceil();
            answer["usage"] = json!({"type": "duration", "seconds": seconds});
        }
    }
    (HeaderValue::from_static("application/json"), answer.to_string().into_bytes())
}
