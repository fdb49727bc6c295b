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

/// The times of a turn that was spoken, or whose reply was. None: it was not, or its ends do not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpokenTimes {
    pub transcription_delay: Option<Duration>,
    pub end_of_turn_delay: Option<Duration>,
    pub tts_ttfb: Option<Duration>,
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

// === impl SpokenTimes ===

impl SpokenTimes {
    pub(super) fn put(self, span: &mut OpenSpan) {
        let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
        span.set_if(key::LK_TRANSCRIPTION_DELAY, seconds(self.transcription_delay));
        span.set_if(key::LK_END_OF_TURN_DELAY, seconds(self.end_of_turn_delay));
        span.set_if(key::LK_TTS_TTFB, seconds(self.tts_ttfb));
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
