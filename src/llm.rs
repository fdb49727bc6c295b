//! The model behind one small trait: the answerers of turns.
//!
//! [`answerer`] chooses one. [`OpenAi`] is the only type of them: streamed chat completions of an OpenAI-compatible
//! provider, such as LiveKit Inference. A question becomes a `request`, which makes one `attempt` after the other as
//! `machine` decides, until one passes words on.
//!
//! # Layout
//! - `request`: `llm_request`, the asynchronous shell around `machine`; `attempt`: `llm_request_run`.
//! - `machine`: when to try, wait and give up, without clocks and sockets.
//! - `openai`: the seam to the provider and the only place that names `async-openai`. `livekit`: the tokens that
//!   LiveKit Inference wants.
//! - `words`: the part of a reply that is passed on, and when; `thinking`: the part of it that is thought. `warmth`:
//!   whether a model may have to be loaded first.
//! - `usage`: measured or estimated tokens. `error`, `excerpt`: the reports to the operator, and the words that are
//!   kept   out of them.

mod attempt;
#[cfg(test)]
mod corpus_tests;
mod error;
mod excerpt;
mod livekit;
mod machine;
mod openai;
mod request;
mod thinking;
mod usage;
mod warmth;
mod words;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use conversation::{Failure, Message, Text, TurnOutcome, Usage};
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use warmth::Warmth;
use words::{Habit, Memory};

use crate::attributes::{self as key, Attribute, Value};
use crate::config::{self, LlmProvider};
use crate::metrics::{LlmMetrics, Metrics};
use redaction::RecordedMessages;

use crate::telemetry::spans::{RequestStart, TurnContext};

pub use error::BuildError;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) use openai::fuzzing;

/// One turn, put to an answerer.
pub struct Question {
    /// The instructions, the history and, last, the user's latest message.
    pub messages: Arc<[Message]>,
    /// The turn's span: the parent of all spans that answering makes.
    pub context: TurnContext,
    /// Cancelled when the user interrupts or the session ends. The answerer stops at once, and still returns the text
    /// that it has sent so far with its usage.
    pub cancel: CancellationToken,
}

/// The outcome of a question.
#[derive(Clone, Debug)]
pub struct Answer {
    pub outcome: TurnOutcome,
    /// Everything that was sent as deltas, whatever the outcome, without `thought_bytes`.
    pub text: Text,
    pub usage: Usage,
    /// From the question to the first delta. None when nothing was said.
    pub time_to_first_token: Option<Duration>,
    /// The model as it named itself, else the one that was asked for. None when none was.
    pub model: Option<String>,
    /// Attempts made, the first included. Empty when cancelled before the first; at most `llm.max_attempts`, and a few
    /// more in which the provider only refused optional fields.
    pub attempts: Vec<AttemptReport>,
    /// Why the model stopped, in the provider's word.
    pub finish_reason: Option<String>,
    /// The number of bytes at the beginning of the deltas that turned out to be thoughts; they are not in `text`.
    pub thought_bytes: usize,
    /// The fields of the provider's stream that could not be read, by name.
    pub skipped: BTreeSet<&'static str>,
}

/// The record of one attempt at a question.
#[derive(Clone, Debug)]
pub struct AttemptReport {
    pub started: Instant,
    pub ended: Instant,
    /// None when no answer came.
    pub http_status: Option<u16>,
    /// None: it went well or was interrupted.
    pub failure: Option<Failure>,
}

/// The answerer of a turn: the LLM call today; tools, other models or the operator's own logic later.
pub trait Answerer: Send + Sync + 'static {
    /// Answers one turn. Deltas go into `deltas` as they come; waiting for room in it is the back-pressure of a slow
    /// room. A closed `deltas` is a cancellation.
    fn answer(&self, question: Question, deltas: mpsc::Sender<Text>) -> BoxFuture<'static, Answer>;
}

/// The answerer that the configuration chooses, counted by `metrics`.
///
/// # Errors
/// Those of [`OpenAi::new`], or the provider's credentials cannot be used.
pub fn answerer(config: &config::Config, metrics: &Metrics) -> Result<Arc<dyn Answerer>, BuildError> {
    Ok(match config.llm.provider {
        LlmProvider::Openai => Arc::new(OpenAi::counted(&config.llm, metrics)?),
        LlmProvider::Livekit => Arc::new(livekit::answerer(config, metrics)?),
    })
}

/// Streamed chat completions of an OpenAI-compatible provider. Clones share the connections.
#[derive(Clone, Debug)]
pub struct OpenAi {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: Arc<config::Llm>,
    provider: openai::Provider,
    /// The base URL as it may be shown.
    url: String,
    cut_replies: AtomicU64,
    habits: Memory,
    warmth: Warmth,
    metrics: LlmMetrics,
}

// === impl OpenAi ===

impl OpenAi {
    /// # Errors
    /// The key cannot be sent, the URL cannot be called, or HTTPS cannot be set up.
    pub fn new(config: &config::Llm) -> Result<Self, BuildError> {
        Self::counted(config, &Metrics::default())
    }

    /// As `new`, and counted by `metrics`.
    pub fn counted(config: &config::Llm, metrics: &Metrics) -> Result<Self, BuildError> {
        Self::with(config, metrics, Box::new(openai::ApiKey::of(config)?))
    }

    /// The same with other credentials than the configuration's key.
    fn with(
        config: &config::Llm,
        metrics: &Metrics,
        credentials: Box<dyn openai::Credentials>,
    ) -> Result<Self, BuildError> {
        let shared = Shared {
            provider: openai::Provider::new(config, credentials)?,
            url: outbound::web::shown(&config.base_url),
            config: Arc::new(config.clone()),
            cut_replies: AtomicU64::new(0),
            habits: Memory::of(&config.model),
            warmth: Warmth::default(),
            metrics: metrics.llm(&config.model, &config.base_url),
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl Answerer for OpenAi {
    fn answer(&self, question: Question, deltas: mpsc::Sender<Text>) -> BoxFuture<'static, Answer> {
        Box::pin(request::answer(self.shared.clone(), question, deltas))
    }
}

// === impl Shared ===

impl Shared {
    fn request_start<'a>(&'a self, messages: &'a RecordedMessages) -> RequestStart<'a> {
        let url = &self.config.base_url;
        RequestStart {
            messages,
            model: &self.config.model,
            server_address: url.host_str().unwrap_or_default(),
            server_port: url.port_or_known_default().unwrap_or_default(),
            parameters: self.parameters(),
        }
    }

    /// The span's attributes for what the configuration asks the model for.
    fn parameters(&self) -> Vec<Attribute> {
        let set = [
            (key::GEN_AI_REQUEST_TEMPERATURE, self.config.temperature.map(Value::from)),
            (key::GEN_AI_REQUEST_TOP_P, self.config.top_p.map(Value::from)),
            (key::GEN_AI_REQUEST_MAX_TOKENS, self.config.max_tokens.map(Value::from)),
        ];
        set.into_iter().filter_map(|(key, value)| Some((key, value?))).collect()
    }

    /// The way in which the model begins its replies; None where thoughts are said as well.
    fn habit(&self) -> Option<Habit> {
        (!self.config.show_thinking).then(|| self.habits.habit())
    }

    /// Counts one more cut reply, and returns their number.
    fn count_cut_reply(&self) -> u64 {
        self.metrics.reply_cut();
        self.cut_replies.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_names_the_parameters_that_are_set() {
        let plain = config::Llm::at("http://llm.test/v1");
        let of = |config: &config::Llm| OpenAi::new(config).unwrap().shared.parameters();
        assert_eq!(of(&plain), []);
        let set = config::Llm { top_p: Some(0.9), max_tokens: Some(50), ..plain };
        let expected = [("gen_ai.request.top_p", 0.9.into()), ("gen_ai.request.max_tokens", 50_u32.into())];
        assert_eq!(of(&set), expected);
    }
}
