//! `/v1/audio/speech`: what is answered to a text.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::answer::{self, Pauses};
use crate::listener::ConnectionHandle;
use crate::script::Step;
use crate::server::{begin, refused, response_headers, status};
use crate::shared::Shared;
use crate::wav;

/// The pitch of the tone.
const HERTZ: f64 = 440.0;
const AMPLITUDE: f64 = 8_000.0;

/// How one request for speech is answered.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SpeechStep {
    /// The HTTP side: status, headers, delay, a body unchanged; `after` counts pieces of audio before `ending`.
    pub answer: Step,
    pub sound: Sound,
    pub form: Form,
    pub rate: u32,
    /// The audio of one write, in milliseconds.
    pub piece_ms: u64,
    /// The pause before a piece as a part of its length: 0 as fast as possible, 1 real time, more: slower than that.
    pub pace: f64,
    /// One more pause, in milliseconds, behind `stall_after` pieces.
    pub stall_ms: u64,
    pub stall_after: usize,
}

/// What is heard.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sound {
    /// A tone of this many milliseconds for each character of the text.
    Tone(u64),
    Samples(Vec<i16>),
}

/// The form of an answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    #[default]
    Pcm,
    Wav,
    /// WAV whose header says no length, as a server writes it that streams.
    EndlessWav,
    /// Server-sent events.
    Events,
}

// === impl SpeechStep ===

impl Default for SpeechStep {
    fn default() -> Self {
        Self {
            answer: Step::default(),
            sound: Sound::Tone(60),
            form: Form::Pcm,
            rate: 24_000,
            piece_ms: 100,
            pace: 0.0,
            stall_ms: 0,
            stall_after: 0,
        }
    }
}

impl SpeechStep {
    /// The usual sound, with this HTTP side.
    pub fn answered(answer: Step) -> Self {
        Self { answer, ..Self::default() }
    }

    pub fn samples(samples: impl Into<Vec<i16>>) -> Self {
        Self { sound: Sound::Samples(samples.into()), ..Self::default() }
    }

    pub fn form(self, form: Form) -> Self {
        Self { form, ..self }
    }

    pub fn rate(self, rate: u32) -> Self {
        Self { rate, ..self }
    }

    pub fn pieces(self, piece_ms: u64, pace: f64) -> Self {
        Self { piece_ms, pace, ..self }
    }

    /// Stops for this long behind so many pieces, and goes on.
    pub fn stall(self, stall_after: usize, stall_ms: u64) -> Self {
        Self { stall_after, stall_ms, ..self }
    }

    pub fn answer(self, answer: Step) -> Self {
        Self { answer, ..self }
    }

    fn sounds(&self, text: &str) -> Vec<i16> {
        let length = match &self.sound {
            Sound::Samples(samples) => return samples.clone(),
            Sound::Tone(per_character) => text.chars().count() as u64 * per_character,
        };
        let turn = std::f64::consts::TAU * HERTZ / f64::from(self.rate);
        let samples = length * u64::from(self.rate) / 1000;
        (0..samples).map(|at| ((at as f64 * turn).sin() * AMPLITUDE) as i16).collect()
    }

    /// The writes of a body, and its type.
    fn body(&self, text: &str) -> (&'static str, VecDeque<Bytes>) {
        if let Some(body) = &self.answer.body {
            return ("application/octet-stream", answer::pieces_of(body, self.answer.split_bytes));
        }
        let samples = self.sounds(text);
        let raw: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
        match self.form {
            Form::Pcm => ("audio/pcm", self.pieces_of(&raw)),
            Form::Wav => ("audio/wav", self.pieces_of(&wav::encode(&samples, self.rate))),
            Form::EndlessWav => ("audio/wav", self.pieces_of(&endless(wav::encode(&samples, self.rate)))),
            Form::Events => ("text/event-stream", self.events(&raw)),
        }
    }

    fn pieces_of(&self, bytes: &[u8]) -> VecDeque<Bytes> {
        let size = match self.answer.split_bytes {
            0 => (self.piece_ms * u64::from(self.rate) / 1000 * 2) as usize,
            size => size,
        };
        let mut pieces = answer::pieces_of(bytes, size);
        pieces.truncate(self.answer.after.unwrap_or(usize::MAX));
        pieces
    }

    fn events(&self, bytes: &[u8]) -> VecDeque<Bytes> {
        let delta = |piece: Bytes| json!({"type": "speech.audio.delta", "audio": STANDARD.encode(piece)});
        let done = json!({"type": "speech.audio.done", "usage": {"total_tokens": 7}});
        let whole = self.answer.after.is_none().then_some(done);
        let events = self.pieces_of(bytes).into_iter().map(delta).chain(whole);
        events.map(|event| format!("data: {event}\n\n").into()).collect()
    }

    fn pauses(&self) -> Pauses {
        let each = self.answer.pause_ms + (self.piece_ms as f64 * self.pace) as u64;
        let stall = (self.stall_after, Duration::from_millis(self.stall_ms));
        Pauses { each: Duration::from_millis(each), stall: Some(stall) }
    }
}

/// The file with the lengths of a server that does not know them.
fn endless(mut file: Vec<u8>) -> Vec<u8> {
    file[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    file[40..44].copy_from_slice(&u32::MAX.to_le_bytes());
    file
}

pub(crate) async fn answer(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(connection): ConnectInfo<ConnectionHandle>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let came = Instant::now();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let step = shared.speech(&headers, request["model"].as_str().unwrap_or_default());
    let step = fault(&request).filter(|_| step.answer.status != 401).map_or(step, SpeechStep::answered);
    let open = shared.speeches.open(&headers, request.clone(), connection.number, came);
    let headers = response_headers(&step.answer, shared.number());
    begin(&step.answer, &connection).await;
    let mut response = if step.answer.status != 200 && step.answer.body.is_none() {
        open.answered();
        refused(&step.answer)
    } else {
        let (content_type, writes) = step.body(request["input"].as_str().unwrap_or_default());
        let content_type = [(header::CONTENT_TYPE, HeaderValue::from_static(content_type))];
        let body = answer::body(writes, step.pauses(), step.answer.ending, connection, open);
        (status(&step.answer), content_type, body).into_response()
    };
    response.headers_mut().extend(headers);
    response
}

/// The error that any provider returns for this request, whatever the script says.
fn fault(request: &Value) -> Option<Step> {
    let missing = ["input", "model", "voice"].into_iter().find(|field| !request[*field].is_string())?;
    Some(Step::status(400).error("invalid_request", format!("Missing required parameter: '{missing}'.")))
}
