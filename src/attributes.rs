//! Every attribute key that a span may carry, once, and the types of their values. `docs/traces.md` is written from here.
//!
//! Sources: **seed**, the columns OpenObserve's LiveKit page promises (`livekit_question` is the column of
//! `livekit.question`); **GenAI**, the OpenTelemetry semantic conventions for generative AI, and **semconv** the
//! general ones (1.42); **LiveKit**, the attributes of LiveKit's own agents. The crate of semantic conventions marks
//! the GenAI keys deprecated because they moved to a repository of their own, so they are spelled out here.

/// A key that a span may carry.
#[cfg(test)]
struct Definition {
    key: &'static str,
    spans: &'static [&'static str],
    /// The lines of its documentation.
    doc: &'static [&'static str],
}

/// The keys, each with its source, its meaning and the spans that carry it.
macro_rules! attributes {
    ($($(#[doc = $doc:literal])+ $id:ident = $key:literal on $($span:ident)|+;)*) => {
        $($(#[doc = $doc])+ pub const $id: &str = $key;)*

        #[cfg(test)]
        const ALL: &[Definition] = &[$(Definition { key: $key, spans: &[$(spans::$span),+], doc: &[$($doc),+] },)*];
    };
}

attributes! {
    /// Seed: the user's question.
    LIVEKIT_QUESTION = "livekit.question" on TURN;
    /// Seed: prompt tokens of the turn. Int.
    LIVEKIT_INPUT_TOKENS = "livekit.input_tokens" on TURN;
    /// Seed: completion tokens of the turn. Int.
    LIVEKIT_OUTPUT_TOKENS = "livekit.output_tokens" on TURN;
    /// Ours: prompt tokens of calls that were made before a spoken turn had ended, and whose answers were not used. Int.
    LIVEKIT_DISCARDED_INPUT_TOKENS = "livekit.discarded_input_tokens" on TURN;
    /// Ours: completion tokens of the same. Int.
    LIVEKIT_DISCARDED_OUTPUT_TOKENS = "livekit.discarded_output_tokens" on TURN;
    /// Seed: the first 80 characters of the reply.
    LIVEKIT_ANSWER_PREVIEW = "livekit.answer_preview" on TURN;
    /// Ours: the turn's place in its session, from 0. Int.
    LIVEKIT_TURN_INDEX = "livekit.turn_index" on TURN;
    /// Ours: true when the provider reported no usage and the token counts are estimates. Bool.
    LIVEKIT_USAGE_ESTIMATED = "livekit.usage_estimated" on TURN | REQUEST;

    /// LiveKit: from the end of the user's message or speech to the first word of the reply, or to its first sound. Double, seconds.
    LK_E2E_LATENCY = "lk.e2e_latency" on TURN;
    /// LiveKit: from the last moment of the user's speech to its last transcript. Double, seconds.
    LK_TRANSCRIPTION_DELAY = "lk.transcription_delay" on TURN;
    /// LiveKit: from the last moment of the user's speech to the end of the turn. Double, seconds.
    LK_END_OF_TURN_DELAY = "lk.end_of_turn_delay" on TURN;
    /// LiveKit: from the first text sent to the voice to its first sound. Double, seconds.
    LK_TTS_TTFB = "lk.tts_ttfb" on TURN;
    /// Ours: the length of the user's speech. Double, seconds.
    LIVEKIT_INPUT_AUDIO_DURATION = "livekit.input_audio_duration" on TURN;
    /// Ours: the length of the reply's sound that was played. Double, seconds.
    LIVEKIT_OUTPUT_AUDIO_DURATION = "livekit.output_audio_duration" on TURN;
    /// Ours: the sound of the turn's requests for transcripts, in sum. Double, seconds.
    LIVEKIT_STT_AUDIO_DURATION = "livekit.stt_audio_duration" on TURN;
    /// Ours: the tokens of these requests, where the provider counted them. Int.
    LIVEKIT_STT_TOKENS = "livekit.stt_tokens" on TURN;
    /// Ours: the characters of the turn's requests for speech, in sum. Int.
    LIVEKIT_TTS_CHARACTERS = "livekit.tts_characters" on TURN;
    /// Ours: the tokens of these requests, where the provider counted them. Int.
    LIVEKIT_TTS_TOKENS = "livekit.tts_tokens" on TURN;
    /// Ours: the length of the sound that was transcribed, or that came of the text. Double, seconds.
    LIVEKIT_AUDIO_DURATION = "livekit.audio_duration" on STT_REQUEST | TTS_REQUEST;
    /// Ours: the characters of the transcript, or of the text that was spoken. Int.
    LIVEKIT_CHARACTERS = "livekit.characters" on STT_REQUEST | TTS_REQUEST;
    /// Ours: the tokens that the speech provider counted. Int.
    LIVEKIT_TOKENS = "livekit.tokens" on STT_REQUEST | TTS_REQUEST;
    /// LiveKit: true when the user cut the reply short. Bool.
    LK_INTERRUPTED = "lk.interrupted" on TURN;
    /// LiveKit: the length of the reply's sound that was played when the user cut it short. Double, seconds.
    LK_PLAYOUT_POSITION = "lk.playout.position" on TURN;
    /// Ours: the bytes of the reply that were heard by then. Int.
    LIVEKIT_CUT_BYTES = "livekit.cut_bytes" on TURN;
    /// LiveKit: the number of the attempt, from 0. Int.
    LK_RETRY_COUNT = "lk.retry_count" on ATTEMPT | STT_ATTEMPT | TTS_ATTEMPT;
    /// LiveKit: the ids under which the provider knows the call. Strings.
    LK_PROVIDER_REQUEST_IDS = "lk.provider_request_ids" on ATTEMPT | STT_ATTEMPT | TTS_ATTEMPT;

    /// GenAI: the id that a session view groups by, the room's SID.
    GEN_AI_CONVERSATION_ID = "gen_ai.conversation.id" on EVERY;
    /// Semconv: the conversation's id under the name that OpenObserve and Phoenix prefer.
    SESSION_ID = "session.id" on EVERY;
    /// Semconv: the speaker.
    USER_ID = "user.id" on EVERY;
    /// Semconv: an HTTP status or a class of error.
    ERROR_TYPE = "error.type" on EVERY;
    /// Semconv: the status of the provider's answer. Int.
    HTTP_RESPONSE_STATUS_CODE = "http.response.status_code" on ATTEMPT | STT_ATTEMPT | TTS_ATTEMPT;
    /// Semconv: the host of the LLM's base URL.
    SERVER_ADDRESS = "server.address" on REQUEST | STT_REQUEST | TTS_REQUEST;
    /// Semconv: the port of the base URL. Int.
    SERVER_PORT = "server.port" on REQUEST | STT_REQUEST | TTS_REQUEST;

    /// GenAI: always `chat`. OpenObserve's LLM views filter on it.
    GEN_AI_OPERATION_NAME = "gen_ai.operation.name" on REQUEST;
    /// GenAI: `openai`, the API that is spoken.
    GEN_AI_PROVIDER_NAME = "gen_ai.provider.name" on REQUEST;
    /// Seed: the host of the base URL. GenAI deprecates it for `gen_ai.provider.name`; it feeds the seed's column.
    GEN_AI_SYSTEM = "gen_ai.system" on REQUEST;
    /// GenAI and seed: the model asked for.
    GEN_AI_REQUEST_MODEL = "gen_ai.request.model" on REQUEST | STT_REQUEST | TTS_REQUEST;
    /// GenAI: always true. Bool.
    GEN_AI_REQUEST_STREAM = "gen_ai.request.stream" on REQUEST;
    /// GenAI: `llm.temperature`, where it is set. Double.
    GEN_AI_REQUEST_TEMPERATURE = "gen_ai.request.temperature" on REQUEST;
    /// GenAI: `llm.top_p`, where it is set. Double.
    GEN_AI_REQUEST_TOP_P = "gen_ai.request.top_p" on REQUEST;
    /// GenAI: `llm.max_tokens`, where it is set. Int.
    GEN_AI_REQUEST_MAX_TOKENS = "gen_ai.request.max_tokens" on REQUEST;
    /// GenAI and seed: the model that answered.
    GEN_AI_RESPONSE_MODEL = "gen_ai.response.model" on REQUEST;
    /// GenAI: the completion's id.
    GEN_AI_RESPONSE_ID = "gen_ai.response.id" on REQUEST;
    /// GenAI: why the model stopped, in the provider's words. Strings.
    GEN_AI_RESPONSE_FINISH_REASONS = "gen_ai.response.finish_reasons" on REQUEST;
    /// GenAI: time to first token. Double, seconds.
    GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK = "gen_ai.response.time_to_first_chunk" on REQUEST | TTS_REQUEST;
    /// GenAI and seed: prompt tokens, cached ones included. Int.
    GEN_AI_USAGE_INPUT_TOKENS = "gen_ai.usage.input_tokens" on REQUEST;
    /// GenAI and seed: completion tokens. Int.
    GEN_AI_USAGE_OUTPUT_TOKENS = "gen_ai.usage.output_tokens" on REQUEST;
    /// OpenObserve: derived from input and output tokens, so it is sent only as the 0 of a failed call. Int.
    GEN_AI_USAGE_TOTAL_TOKENS = "gen_ai.usage.total_tokens" on REQUEST;
    /// GenAI: the part of the prompt that the provider had cached. Int.
    GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS = "gen_ai.usage.cache_read.input_tokens" on REQUEST;
    /// OpenObserve: derived from its price list, so it is sent only as the 0 of a failed call. Double.
    GEN_AI_USAGE_COST = "gen_ai.usage.cost" on REQUEST;
    /// GenAI: JSON, `[{"role":…,"parts":[{"type":"text","content":…}]}]`.
    GEN_AI_INPUT_MESSAGES = "gen_ai.input.messages" on REQUEST;
    /// GenAI: JSON like the input's, with a `finish_reason` in each message.
    GEN_AI_OUTPUT_MESSAGES = "gen_ai.output.messages" on REQUEST;
    /// Seed: JSON, `[{"role":…,"content":…}]`.
    LLM_INPUT = "llm.input" on REQUEST;
    /// Seed: the whole reply.
    LLM_OUTPUT_CONTENT = "llm.output.content" on REQUEST;
}

#[cfg(test)]
pub(crate) fn keys() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|definition| definition.key)
}

/// Length of [`LIVEKIT_ANSWER_PREVIEW`], as its description says, in Unicode scalar values.
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

impl From<f32> for Value {
    /// The double that prints like the float: 0.7 as a float is 0.699999988 as a double.
    fn from(number: f32) -> Self {
        Self::Double(number.to_string().parse().unwrap_or_else(|_| f64::from(number)))
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

/// The spans, as `docs/traces.md` names them.
#[cfg(test)]
mod spans {
    pub(super) const EVERY: &str = "all";
    pub(super) const TURN: &str = "turn";
    pub(super) const REQUEST: &str = "request";
    pub(super) const ATTEMPT: &str = "attempt";
    pub(super) const STT_REQUEST: &str = "stt request";
    pub(super) const STT_ATTEMPT: &str = "stt attempt";
    pub(super) const TTS_REQUEST: &str = "tts request";
    pub(super) const TTS_ATTEMPT: &str = "tts attempt";
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table between the markers in docs/traces.md.
    fn table() -> String {
        let row = |Definition { key, spans, doc }: &Definition| {
            let meaning: String = doc.concat().trim().replace('|', "\\|");
            format!("| `{key}` | {} | {meaning} |\n", spans.join(", "))
        };
        let rows: String = ALL.iter().map(row).collect();
        format!("| attribute | spans | meaning |\n|---|---|---|\n{rows}")
    }

    #[test]
    fn the_document_of_the_traces_is_written_from_the_attributes() {
        const BEGIN: &str = "<!-- attributes: BLESS=1 cargo test -p voiced --lib attributes -->\n";
        const END: &str = "<!-- /attributes -->";
        crate::generated_table::assert_current("docs/traces.md", [BEGIN, END], &table());
    }

    #[test]
    fn a_preview_is_as_long_as_its_description_says() {
        let preview = ALL.iter().find(|definition| definition.key == LIVEKIT_ANSWER_PREVIEW).unwrap();
        assert!(preview.doc.concat().contains(&format!("first {ANSWER_PREVIEW_CHARS} characters")));
    }
}
