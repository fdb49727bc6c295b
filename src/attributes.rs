//! Every attribute key that a span may carry, once, and the types of their values.
//!
//! Sources: **seed**, the columns OpenObserve's LiveKit page promises (`livekit_question` is the column of
//! `livekit.question`); **GenAI**, the OpenTelemetry semantic conventions for generative AI, and **semconv** the
//! general ones (1.42); **LiveKit**, the attributes of LiveKit's own agents. The crate of semantic conventions marks
//! the GenAI keys deprecated because they moved to a repository of their own, so they are spelled out here.

/// Seed: the user's question.
pub const LIVEKIT_QUESTION: &str = "livekit.question";
/// Seed: prompt tokens of the turn. Int.
pub const LIVEKIT_INPUT_TOKENS: &str = "livekit.input_tokens";
/// Seed: completion tokens of the turn. Int.
pub const LIVEKIT_OUTPUT_TOKENS: &str = "livekit.output_tokens";
/// Seed: the first [`ANSWER_PREVIEW_CHARS`] characters of the reply.
pub const LIVEKIT_ANSWER_PREVIEW: &str = "livekit.answer_preview";
/// Ours: the turn's place in its session, from 0. Int.
pub const LIVEKIT_TURN_INDEX: &str = "livekit.turn_index";
/// Ours: true when the provider reported no usage and the token counts are estimates. Bool.
pub const LIVEKIT_USAGE_ESTIMATED: &str = "livekit.usage_estimated";

/// LiveKit: from the end of the user's message to the first word of the reply. Double, seconds.
pub const LK_E2E_LATENCY: &str = "lk.e2e_latency";
/// LiveKit: true when the user cut the reply short. Bool.
pub const LK_INTERRUPTED: &str = "lk.interrupted";
/// LiveKit: the number of the attempt, from 0. Int.
pub const LK_RETRY_COUNT: &str = "lk.retry_count";
/// LiveKit: the ids under which the provider knows the call. Strings.
pub const LK_PROVIDER_REQUEST_IDS: &str = "lk.provider_request_ids";

/// GenAI: the id that a session view groups by; on every span.
pub const GEN_AI_CONVERSATION_ID: &str = "gen_ai.conversation.id";
/// Semconv: the same id under the name that OpenObserve and Phoenix prefer.
pub const SESSION_ID: &str = "session.id";
/// Semconv: the speaker.
pub const USER_ID: &str = "user.id";
/// Semconv: an HTTP status or a class of error.
pub const ERROR_TYPE: &str = "error.type";
/// Semconv. Int.
pub const HTTP_RESPONSE_STATUS_CODE: &str = "http.response.status_code";
/// Semconv: the host of the LLM's base URL.
pub const SERVER_ADDRESS: &str = "server.address";
/// Semconv. Int.
pub const SERVER_PORT: &str = "server.port";

/// GenAI: always `chat`. OpenObserve's LLM views filter on it.
pub const GEN_AI_OPERATION_NAME: &str = "gen_ai.operation.name";
/// GenAI: `openai`, the API that is spoken.
pub const GEN_AI_PROVIDER_NAME: &str = "gen_ai.provider.name";
/// Seed: the host of the base URL. GenAI deprecates it for [`GEN_AI_PROVIDER_NAME`]; it feeds the seed's column.
pub const GEN_AI_SYSTEM: &str = "gen_ai.system";
/// GenAI and seed: the model asked for.
pub const GEN_AI_REQUEST_MODEL: &str = "gen_ai.request.model";
/// GenAI. Bool.
pub const GEN_AI_REQUEST_STREAM: &str = "gen_ai.request.stream";
/// GenAI. Double.
pub const GEN_AI_REQUEST_TEMPERATURE: &str = "gen_ai.request.temperature";
/// GenAI. Int.
pub const GEN_AI_REQUEST_MAX_TOKENS: &str = "gen_ai.request.max_tokens";
/// GenAI and seed: the model that answered.
pub const GEN_AI_RESPONSE_MODEL: &str = "gen_ai.response.model";
/// GenAI: the completion's id.
pub const GEN_AI_RESPONSE_ID: &str = "gen_ai.response.id";
/// GenAI. Strings.
pub const GEN_AI_RESPONSE_FINISH_REASONS: &str = "gen_ai.response.finish_reasons";
/// GenAI: time to first token. Double, seconds.
pub const GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: &str = "gen_ai.response.time_to_first_chunk";
/// GenAI and seed: prompt tokens, cached ones included. Int.
pub const GEN_AI_USAGE_INPUT_TOKENS: &str = "gen_ai.usage.input_tokens";
/// GenAI and seed: completion tokens. Int.
pub const GEN_AI_USAGE_OUTPUT_TOKENS: &str = "gen_ai.usage.output_tokens";
/// OpenObserve: derived from the two above, so it is sent only as the 0 of a failed call. Int.
pub const GEN_AI_USAGE_TOTAL_TOKENS: &str = "gen_ai.usage.total_tokens";
/// GenAI: the part of the prompt that the provider had cached. Int.
pub const GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: &str = "gen_ai.usage.cache_read.input_tokens";
/// OpenObserve: derived from its price list, so it is sent only as the 0 of a failed call. Double.
pub const GEN_AI_USAGE_COST: &str = "gen_ai.usage.cost";
/// GenAI: JSON, `[{"role":…,"parts":[{"type":"text","content":…}]}]`.
pub const GEN_AI_INPUT_MESSAGES: &str = "gen_ai.input.messages";
/// GenAI: JSON like the input's, with a `finish_reason` in each message.
pub const GEN_AI_OUTPUT_MESSAGES: &str = "gen_ai.output.messages";
/// Seed: JSON, `[{"role":…,"content":…}]`.
pub const LLM_INPUT: &str = "llm.input";
/// Seed: the whole reply.
pub const LLM_OUTPUT_CONTENT: &str = "llm.output.content";

/// Length of [`LIVEKIT_ANSWER_PREVIEW`] in Unicode scalar values.
pub const ANSWER_PREVIEW_CHARS: usize = 80;

/// A span's attribute: a key of this file and its value.
pub type Attribute = (&'static str, Value);

/// The types of value that the contract uses.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Text(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    Texts(Vec<String>),
}

// === impl Value ===

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<u64> for Value {
    /// OTLP has signed integers only; no count of ours comes near the difference.
    fn from(number: u64) -> Self {
        Self::Int(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

impl From<u32> for Value {
    fn from(number: u32) -> Self {
        Self::Int(number.into())
    }
}

impl From<u16> for Value {
    fn from(number: u16) -> Self {
        Self::Int(number.into())
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&[String]> for Value {
    fn from(texts: &[String]) -> Self {
        Self::Texts(texts.to_vec())
    }
}
