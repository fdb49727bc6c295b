//! What the routes share: the script, and the requests so far.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::{HeaderMap, HeaderValue, header};
use serde_json::Value;

use crate::named::Named;
use crate::record::Journal;
use crate::script::{Script, Step};
use crate::speech::SpeechStep;
use crate::talk;

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) script: Mutex<Script>,
    named: Mutex<Named>,
    pub(crate) journal: Journal,
    pub(crate) transcriptions: Journal,
    pub(crate) speeches: Journal,
    pub(crate) connections: Arc<AtomicU64>,
    answers: AtomicU64,
}

// === impl Shared ===

impl Shared {
    pub(crate) fn new(script: Script) -> Self {
        Self {
            script: Mutex::new(script),
            named: Mutex::default(),
            journal: Journal::default(),
            transcriptions: Journal::default(),
            speeches: Journal::default(),
            connections: Arc::default(),
            answers: AtomicU64::new(0),
        }
    }

    /// The step of a request for a chat completion.
    pub(crate) fn step(&self, headers: &HeaderMap, request: &Value) -> Step {
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

    /// The step of a request for a transcript with this model.
    pub(crate) fn transcription(&self, headers: &HeaderMap, model: &str) -> Step {
        let mut script = lock(&self.script);
        let refusal = wrong_key(&script, headers).or_else(|| unknown_model(&script, model));
        refusal.unwrap_or_else(|| script.transcriptions.next())
    }

    /// The step of a request for speech with this model.
    pub(crate) fn speech(&self, headers: &HeaderMap, model: &str) -> SpeechStep {
        let mut script = lock(&self.script);
        let refusal = wrong_key(&script, headers).or_else(|| unknown_model(&script, model));
        refusal.map_or_else(|| script.speeches.next(), SpeechStep::answered)
    }

    /// The number of the next answer.
    pub(crate) fn number(&self) -> usize {
        self.answers.fetch_add(1, Ordering::Relaxed) as usize
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

/// The refusal of a request without the right key.
pub(crate) fn wrong_key(script: &Script, headers: &HeaderMap) -> Option<Step> {
    let wanted = format!("Bearer {}", script.api_key.as_ref()?);
    let given = headers.get(header::AUTHORIZATION).map(HeaderValue::as_bytes);
    let step = Step::status(401).error("invalid_api_key", "Incorrect API key provided.");
    (given != Some(wanted.as_bytes())).then_some(step)
}

pub(crate) fn unknown_model(script: &Script, name: &str) -> Option<Step> {
    let known = script.models.is_empty() || script.models.iter().any(|known| known == name);
    let message = format!("The model `{name}` does not exist or you do not have access to it.");
    (!known).then(|| Step::status(404).error("model_not_found", message))
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
