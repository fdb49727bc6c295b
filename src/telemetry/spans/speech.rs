//! The spans of hearing and speaking below a turn: requests that are over, with their attempts.

use std::time::Duration;

use conversation::Attempt;
use speech_services::{Outcome, Report};

use super::open::OpenSpan;
use super::{STT_ATTEMPT, STT_REQUEST, TTS_ATTEMPT, TTS_REQUEST, TurnContext};
use crate::telemetry::attributes::{self as key, Value};
use crate::telemetry::otel::Kind;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SpeechPart {
    Stt,
    Tts,
}

/// A request for a transcript or for speech.
pub struct SpeechRequest<'a> {
    pub part: SpeechPart,
    pub model: &'a str,
    pub server_address: &'a str,
    pub server_port: u16,
    pub report: &'a Report,
}

/// The figures of a turn that was spoken, or whose reply was. None: it was not, or its ends do not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpokenFigures {
    /// From the last speech to the last transcript.
    pub transcription_delay: Option<Duration>,
    /// From the last speech to the end of the turn.
    pub end_of_turn_delay: Option<Duration>,
    /// From the first text for the voice to its first sound.
    pub tts_ttfb: Option<Duration>,
    /// The length of the person's speech.
    pub heard: Option<Duration>,
    /// The length of the reply's sound that was played.
    pub played: Option<Duration>,
    /// The bytes of the reply that were heard when the person cut it short.
    pub cut: Option<usize>,
    pub stt: Option<SpeechUsage>,
    pub tts: Option<SpeechUsage>,
}

/// What the requests to one service came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpeechUsage {
    pub audio: Duration,
    pub characters: u64,
    /// None: the provider did not count them.
    pub tokens: Option<u64>,
}

// === impl SpeechPart ===

impl SpeechPart {
    fn request(self) -> &'static str {
        match self {
            Self::Stt => STT_REQUEST,
            Self::Tts => TTS_REQUEST,
        }
    }

    fn attempt(self) -> &'static str {
        match self {
            Self::Stt => STT_ATTEMPT,
            Self::Tts => TTS_ATTEMPT,
        }
    }
}

// === impl SpeechUsage ===

impl SpeechUsage {
    /// Counts a request.
    pub fn add(&mut self, report: &Report) {
        self.audio += report.audio;
        self.characters += report.characters;
        self.tokens = match (self.tokens, report.tokens) {
            (Some(tokens), Some(more)) => Some(tokens + more),
            (tokens, more) => tokens.or(more),
        };
    }
}

// === impl SpokenFigures ===

impl SpokenFigures {
    pub(super) fn put(self, span: &mut OpenSpan) {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        span.set_if(key::LK_TRANSCRIPTION_DELAY, seconds(self.transcription_delay));
        span.set_if(key::LK_END_OF_TURN_DELAY, seconds(self.end_of_turn_delay));
        span.set_if(key::LK_TTS_TTFB, seconds(self.tts_ttfb));
        span.set_if(key::LIVEKIT_INPUT_AUDIO_DURATION, seconds(self.heard));
        span.set_if(key::LIVEKIT_OUTPUT_AUDIO_DURATION, seconds(self.played));
        span.set_if(key::LIVEKIT_STT_AUDIO_DURATION, seconds(self.stt.map(|usage| usage.audio)));
        span.set_if(key::LIVEKIT_STT_TOKENS, self.stt.and_then(|usage| usage.tokens));
        span.set_if(key::LIVEKIT_TTS_CHARACTERS, self.tts.map(|usage| usage.characters));
        span.set_if(key::LIVEKIT_TTS_TOKENS, self.tts.and_then(|usage| usage.tokens));
        span.set_if(key::LK_PLAYOUT_POSITION, seconds(self.played.filter(|_| self.cut.is_some())));
        span.set_if(key::LIVEKIT_CUT_BYTES, self.cut.map(|bytes| bytes as u64));
    }
}

// === impl TurnContext ===

impl TurnContext {
    /// Records a request that is over.
    pub fn speech(&self, request: &SpeechRequest<'_>) {
        let report = request.report;
        let clock = &self.turn.clock;
        let name = request.part.request();
        let child = self.turn.source.child(&self.parent, name, Kind::Client, clock.at(report.started));
        let mut span = OpenSpan::new(self.turn.clone(), child, &[]);
        span.set(key::GEN_AI_REQUEST_MODEL, request.model);
        span.set(key::SERVER_ADDRESS, request.server_address);
        span.set(key::SERVER_PORT, request.server_port);
        span.set(key::LIVEKIT_AUDIO_DURATION, report.audio.as_secs_f64());
        span.set(key::LIVEKIT_CHARACTERS, report.characters);
        span.set_if(key::LIVEKIT_TOKENS, report.tokens);
        if request.part == SpeechPart::Tts {
            let first = report.time_to_first_byte.map(|time| time.as_secs_f64());
            span.set_if(key::GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK, first);
        }
        for (attempt, index) in report.attempts.iter().zip(0_u32..) {
            self.speech_attempt(&span, request.part, attempt, index);
        }
        let failure = match &report.outcome {
            Outcome::Failed(failure) => Some(failure),
            Outcome::Complete | Outcome::Interrupted => None,
        };
        span.end_at(failure, clock.at(report.ended));
    }

    fn speech_attempt(&self, request: &OpenSpan, part: SpeechPart, attempt: &Attempt, index: u32) {
        let clock = &self.turn.clock;
        let start = clock.at(attempt.started);
        let child = self.turn.source.child(&request.parent(), part.attempt(), Kind::Internal, start);
        let mut span = OpenSpan::new(self.turn.clone(), child, &[]);
        span.set(key::LK_RETRY_COUNT, index);
        span.set_if(key::HTTP_RESPONSE_STATUS_CODE, attempt.http_status);
        let ids = attempt.request_id.clone().map(|id| Value::Texts(vec![id]));
        span.set_if(key::LK_PROVIDER_REQUEST_IDS, ids);
        span.end_at(attempt.failure.as_ref(), clock.at(attempt.ended));
    }
}
