//! The three spans of a turn: `livekit.llm_call` > `llm_request` > one `llm_request_run` per attempt.
//!
//! Parents are passed as values, never through a thread-local. A span that is dropped without `end` is closed as
//! ERROR `aborted`, so a panic or a cancelled task does not lose its turn.

mod clock;
mod content;
mod open;
mod speech;

use std::sync::Arc;
use std::time::{Duration, Instant};

use conversation::{Failure, Message, TurnOutcome, Usage};
use redaction::{CaptureContent, Privacy, Recorded, RecordedMessages};

use self::clock::Clock;
use self::open::OpenSpan;
pub use self::speech::{SpeechPart, SpeechRequest, SpeechUsage, SpokenFigures};
use super::attributes::{self as key, Attribute, Value};
use super::otel::{Kind, Parent, SpanSource};
use super::traceparent::TraceParent;

/// The root span of a turn.
pub const TURN: &str = "livekit.llm_call";
/// The span of an LLM request with all its attempts.
pub const REQUEST: &str = "llm_request";
/// The span of one attempt.
pub const ATTEMPT: &str = "llm_request_run";
/// The span of a request for a transcript, and of one attempt at it.
pub const STT_REQUEST: &str = "stt_request";
pub const STT_ATTEMPT: &str = "stt_request_run";
/// The span of a request for the speech of a piece of the reply, and of one attempt at it.
pub const TTS_REQUEST: &str = "tts_request";
pub const TTS_ATTEMPT: &str = "tts_request_run";
/// The spans of a turn, from the outside in.
#[cfg(test)]
pub(crate) const KINDS: [&str; 7] =
    [TURN, REQUEST, ATTEMPT, STT_REQUEST, STT_ATTEMPT, TTS_REQUEST, TTS_ATTEMPT];
/// The one span of `voiced check`. It is no turn: a search for [`TURN`] does not find it.
pub const PROBE: &str = "voiced.check";

/// The root's token counts when the turn was left open.
const NOTHING_SAID: [Attribute; 2] =
    [(key::LIVEKIT_INPUT_TOKENS, Value::Int(0)), (key::LIVEKIT_OUTPUT_TOKENS, Value::Int(0))];

/// The usage of a failed request. Without it OpenObserve would count the prompt's tokens itself, and a price for them.
const NOTHING_USED: [Attribute; 4] = [
    (key::GEN_AI_USAGE_INPUT_TOKENS, Value::Int(0)),
    (key::GEN_AI_USAGE_OUTPUT_TOKENS, Value::Int(0)),
    (key::GEN_AI_USAGE_TOTAL_TOKENS, Value::Int(0)),
    (key::GEN_AI_USAGE_COST, Value::Double(0.0)),
];

/// The attributes of every span of a session.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// `session.id` and `gen_ai.conversation.id`: the room's SID.
    pub id: String,
    /// `user.id`: the identity of the speaker.
    pub user: String,
}

/// The start of a turn.
pub struct TurnStart<'a> {
    /// Counted from 0 in each session.
    pub index: u64,
    pub question: &'a Recorded,
    /// W3C `traceparent` of the caller, if the job or message carried one. An invalid one is ignored.
    pub traceparent: Option<&'a str>,
    /// When the turn began, where that was before now: at the last moment of its speech.
    pub began: Option<Instant>,
}

/// The end of a turn.
pub struct TurnEnd<'a> {
    pub outcome: TurnOutcome,
    pub answer: &'a Recorded,
    pub usage: Usage,
    /// What calls cost that were made before the turn had ended, and in vain.
    pub discarded: Usage,
    /// From the end of the user's message to the first word of the reply in the room.
    pub e2e_latency: Option<Duration>,
    pub spoken: SpokenFigures,
}

/// The start of an LLM request.
pub struct RequestStart<'a> {
    pub messages: &'a RecordedMessages,
    /// The model asked for.
    pub model: &'a str,
    /// Host and port of the base URL: `server.address`, `server.port`, `gen_ai.system`.
    pub server_address: &'a str,
    pub server_port: u16,
    /// What the model is asked for besides, under the keys `gen_ai.request.…`.
    pub parameters: Vec<Attribute>,
}

/// The end of an LLM request.
pub struct RequestEnd<'a> {
    /// None: the request went well or was interrupted.
    pub failure: Option<&'a Failure>,
    pub text: &'a Recorded,
    pub usage: Usage,
    pub time_to_first_chunk: Option<Duration>,
    pub response_model: Option<&'a str>,
    pub response_id: Option<&'a str>,
    /// Empty when interrupted before the model finished.
    pub finish_reasons: &'a [String],
}

/// The end of one attempt.
pub struct AttemptEnd<'a> {
    /// None: the attempt went well or was interrupted.
    pub failure: Option<&'a Failure>,
    pub http_status: Option<u16>,
    pub provider_request_id: Option<&'a str>,
}

/// Makes the spans of turns. Cheap to clone. The default one makes valid trace ids, for logs, and records nothing.
#[derive(Clone, Debug)]
pub struct Tracer {
    source: SpanSource,
    privacy: Privacy,
}

/// The open root span of a turn, `livekit.llm_call`.
pub struct TurnSpan {
    span: OpenSpan,
}

/// The turn's span as a parent, for the code that makes spans below it.
#[derive(Clone, Debug)]
pub struct TurnContext {
    turn: Arc<Turn>,
    parent: Parent,
}

/// The open `llm_request` span.
pub struct RequestSpan {
    span: OpenSpan,
}

/// The open `llm_request_run` span of one attempt.
pub struct AttemptSpan {
    span: OpenSpan,
}

/// The common part of one turn's spans.
#[derive(Debug)]
struct Turn {
    source: SpanSource,
    privacy: Privacy,
    conversation: Conversation,
    clock: Clock,
}

// === impl Tracer ===

impl Default for Tracer {
    fn default() -> Self {
        Self::silent(CaptureContent::Off.into())
    }
}

impl Tracer {
    /// Makes valid trace ids and records nothing.
    pub(crate) fn silent(privacy: Privacy) -> Self {
        Self::new(SpanSource::silent(), privacy)
    }

    pub(super) fn new(source: SpanSource, privacy: Privacy) -> Self {
        Self { source, privacy }
    }

    /// The rules by which turns are recorded, for the code that records them elsewhere.
    pub fn privacy(&self) -> &Privacy {
        &self.privacy
    }

    pub fn turn(&self, conversation: &Conversation, start: TurnStart<'_>) -> TurnSpan {
        let mut span = self.root(conversation, start.traceparent, start.began);
        span.ask(start.index, start.question);
        span
    }

    /// Opens a turn that is answered before it is known to have ended; [`TurnSpan::ask`] follows.
    pub fn preemptive_turn(
        &self,
        conversation: &Conversation,
        traceparent: Option<&str>,
        began: Option<Instant>,
    ) -> TurnSpan {
        let span = self.root(conversation, traceparent, began);
        span.span.opened();
        span
    }

    fn root(
        &self,
        conversation: &Conversation,
        traceparent: Option<&str>,
        began: Option<Instant>,
    ) -> TurnSpan {
        let clock = began.map_or_else(Clock::start, Clock::started_at);
        let turn = self.begin(conversation, clock);
        let caller = traceparent.and_then(TraceParent::parse);
        let root = self.source.root(TURN, caller, turn.clock.start_of_turn());
        TurnSpan { span: OpenSpan::new(Arc::new(turn), root, &NOTHING_SAID) }
    }

    /// Records a span that is no turn, to see whether it arrives. Returns its trace id, to find it by. It belongs to no
    /// conversation: OpenObserve lists every span that names one among its sessions.
    pub(crate) fn probe(&self) -> String {
        let clock = Clock::start();
        let span = self.source.root(PROBE, None, clock.now());
        let trace_id = span.parent().trace_id();
        span.end(None, clock.now());
        trace_id
    }

    fn begin(&self, conversation: &Conversation, clock: Clock) -> Turn {
        Turn {
            source: self.source.clone(),
            conversation: Conversation {
                id: conversation.id.clone(),
                user: self.privacy.user(&conversation.user),
            },
            privacy: self.privacy.clone(),
            clock,
        }
    }
}

// === impl TurnSpan ===

impl TurnSpan {
    /// The trace id as 32 hex digits, for logs.
    pub fn trace_id(&self) -> String {
        self.span.parent().trace_id()
    }

    /// The root span's id as 16 hex digits, for logs and the local record: no two turns share one.
    pub fn span_id(&self) -> String {
        self.span.parent().span_id()
    }

    /// The turn has this number, and asks this.
    pub fn ask(&mut self, index: u64, question: &Recorded) {
        self.span.set(key::LIVEKIT_TURN_INDEX, index);
        self.span.set_if(key::LIVEKIT_QUESTION, question.as_str());
        self.span.opened();
    }

    pub fn context(&self) -> TurnContext {
        TurnContext { turn: self.span.turn().clone(), parent: self.span.parent() }
    }

    pub fn end(mut self, end: TurnEnd<'_>) {
        let span = &mut self.span;
        span.set(key::LIVEKIT_INPUT_TOKENS, end.usage.input);
        span.set(key::LIVEKIT_OUTPUT_TOKENS, end.usage.output);
        span.set_if(key::LIVEKIT_USAGE_ESTIMATED, end.usage.estimated.then_some(true));
        if end.discarded != Usage::default() {
            span.set(key::LIVEKIT_DISCARDED_INPUT_TOKENS, end.discarded.input);
            span.set(key::LIVEKIT_DISCARDED_OUTPUT_TOKENS, end.discarded.output);
        }
        span.set_if(key::LIVEKIT_ANSWER_PREVIEW, end.answer.as_str().map(content::preview));
        span.set_if(key::LK_E2E_LATENCY, end.e2e_latency.map(|latency| latency.as_secs_f64()));
        end.spoken.put(span);
        match end.outcome {
            TurnOutcome::Answered => self.span.end(None),
            TurnOutcome::Interrupted => {
                span.set(key::LK_INTERRUPTED, true);
                self.span.end(None);
            }
            TurnOutcome::Failed(failure) | TurnOutcome::Aborted(failure) => self.span.end(Some(&failure)),
        }
    }
}

// === impl TurnContext ===

impl TurnContext {
    pub fn trace_id(&self) -> String {
        self.parent.trace_id()
    }

    pub fn privacy(&self) -> &Privacy {
        &self.turn.privacy
    }

    pub fn request(&self, start: RequestStart<'_>) -> RequestSpan {
        let child = self.turn.source.child(&self.parent, REQUEST, Kind::Client, self.turn.clock.now());
        let mut span = OpenSpan::new(self.turn.clone(), child, &NOTHING_USED);
        span.set(key::GEN_AI_OPERATION_NAME, "chat");
        span.set(key::GEN_AI_PROVIDER_NAME, "openai");
        span.set(key::GEN_AI_SYSTEM, start.server_address);
        span.set(key::SERVER_ADDRESS, start.server_address);
        span.set(key::SERVER_PORT, start.server_port);
        span.set(key::GEN_AI_REQUEST_MODEL, start.model);
        span.set(key::GEN_AI_REQUEST_STREAM, true);
        span.extend(&start.parameters);
        if let Some(messages) = start.messages.as_slice().filter(|_| span.is_recording()) {
            span.set(key::LLM_INPUT, content::json_array(messages.iter().map(Message::wire)));
            span.set(key::GEN_AI_INPUT_MESSAGES, content::json_array(messages.iter().map(Message::parts)));
        }
        span.opened();
        RequestSpan { span }
    }
}

// === impl RequestSpan ===

impl RequestSpan {
    /// The span id as 16 hex digits, for logs.
    pub fn span_id(&self) -> String {
        self.span.parent().span_id()
    }

    /// Opens the span of one attempt. `index` counts from 0.
    pub fn attempt(&self, index: u32) -> AttemptSpan {
        let turn = self.span.turn();
        let child = turn.source.child(&self.span.parent(), ATTEMPT, Kind::Internal, turn.clock.now());
        let mut span = OpenSpan::new(turn.clone(), child, &[]);
        span.set(key::LK_RETRY_COUNT, index);
        span.opened();
        AttemptSpan { span }
    }

    pub fn end(mut self, end: RequestEnd<'_>) {
        let span = &mut self.span;
        match end.failure {
            // A reply that broke off has cost tokens all the same.
            Some(_) if end.usage == Usage::default() => span.extend(&NOTHING_USED),
            _ => set_usage(span, end.usage),
        }
        span.set_if(key::GEN_AI_RESPONSE_MODEL, end.response_model);
        span.set_if(key::GEN_AI_RESPONSE_ID, end.response_id);
        let reasons = Some(end.finish_reasons).filter(|reasons| !reasons.is_empty());
        span.set_if(key::GEN_AI_RESPONSE_FINISH_REASONS, reasons);
        let first = end.time_to_first_chunk.map(|time| time.as_secs_f64());
        span.set_if(key::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, first);
        let is_shown = |text: &&str| reasons.is_some() || !text.is_empty();
        if let Some(text) = end.text.as_str().filter(is_shown).filter(|_| span.is_recording()) {
            span.set(key::GEN_AI_OUTPUT_MESSAGES, content::output_messages(text, finish_reason(&end)));
            span.set(key::LLM_OUTPUT_CONTENT, text);
        }
        self.span.end(end.failure);
    }
}

fn set_usage(span: &mut OpenSpan, usage: Usage) {
    span.set(key::GEN_AI_USAGE_INPUT_TOKENS, usage.input);
    span.set(key::GEN_AI_USAGE_OUTPUT_TOKENS, usage.output);
    span.set_if(key::GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, usage.cached_input);
    span.set_if(key::LIVEKIT_USAGE_ESTIMATED, usage.estimated.then_some(true));
}

/// The convention requires a reason in each output message; where the model gave none, the reply was cut short.
fn finish_reason<'a>(end: &RequestEnd<'a>) -> &'a str {
    let cut_short = if end.failure.is_some() { "error" } else { "interrupted" };
    end.finish_reasons.first().map_or(cut_short, String::as_str)
}

// === impl AttemptSpan ===

impl AttemptSpan {
    pub fn end(mut self, end: AttemptEnd<'_>) {
        self.span.set_if(key::HTTP_RESPONSE_STATUS_CODE, end.http_status);
        let ids = end.provider_request_id.map(|id| Value::Texts(vec![id.to_owned()]));
        self.span.set_if(key::LK_PROVIDER_REQUEST_IDS, ids);
        self.span.end(end.failure);
    }
}
