//! The recorded form of a turn.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conversation::{Failure, TurnOutcome, Usage};
use redaction::Recorded;
use thiserror::Error;

/// One turn: complete in itself, so that its end can be written whether or not its beginning was.
#[derive(Clone, Debug)]
pub struct Turn {
    /// The id of the turn's root span, which names the turn in the record.
    pub span_id: String,
    pub trace_id: String,
    /// The room's SID.
    pub session: String,
    pub room: String,
    /// The agent's name.
    pub agent: String,
    /// The identity of the speaker.
    pub speaker: String,
    /// Counted from 0 in each session.
    pub index: u64,
    /// Microseconds since 1970. A spoken turn starts where its trace does: at its last speech, or at its first request.
    pub started_us: i64,
    pub question: Recorded,
    /// None: it is under way, as far as the record knows.
    pub end: Option<End>,
}

/// The end of a turn.
#[derive(Clone, Debug)]
pub struct End {
    pub outcome: TurnOutcome,
    /// None: the time is unknown; the process was killed.
    pub ended_us: Option<i64>,
    pub answer: Recorded,
    pub model: Option<String>,
    /// Why the model stopped, in the provider's word.
    pub finish_reason: Option<String>,
    pub usage: Usage,
    /// From the question to the first word of the model.
    pub ttft_us: Option<i64>,
    /// From the end of the question to the first word in the room, or to the first sound.
    pub e2e_us: Option<i64>,
    pub speech: Speech,
    pub attempts: Vec<Attempt>,
}

/// What was measured of a turn that was spoken, or whose reply was. None: it was not, or its ends do not fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Speech {
    /// The last moment of the person's speech, in microseconds since 1970.
    pub last_speech_us: Option<i64>,
    /// From the last speech to the last transcript.
    pub transcription_delay_us: Option<i64>,
    /// From the last speech to the end of the turn.
    pub end_of_turn_delay_us: Option<i64>,
    /// From the first text for the voice to its first sound.
    pub tts_ttfb_us: Option<i64>,
    /// The length of the person's speech.
    pub heard_us: Option<i64>,
    /// The length of the reply's sound that was played.
    pub played_us: Option<i64>,
    /// The bytes of the reply that were heard when the person cut it short; None: they did not.
    pub cut_bytes: Option<u64>,
}

/// One try of one stage of a turn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    pub stage: Stage,
    /// Counted from 1 within its stage.
    pub number: u32,
    pub started_us: i64,
    pub ended_us: i64,
    /// When the first of what was asked for came: a word, or a sound.
    pub first_us: Option<i64>,
    pub http_status: Option<u16>,
    pub error: Option<Failure>,
}

/// The stages of a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Speech to text.
    Stt,
    Llm,
    /// Text to speech.
    Tts,
}

/// A turn's state in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Open,
    Answered,
    Interrupted,
    Failed,
    Aborted,
}

/// A text names no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a turn is one of {}", Status::ALL.map(Status::as_str).join(", "))]
pub struct UnknownStatus;

// === impl Turn ===

impl Turn {
    /// The turn with each of its texts cut after so many bytes.
    pub(super) fn cut_at(mut self, most: usize) -> Self {
        self.question = self.question.cut_at(most);
        self.end = self.end.map(|end| End { answer: end.answer.cut_at(most), ..end });
        self
    }

    pub(super) fn is_over(&self) -> bool {
        self.end.is_some()
    }

    /// The bytes of its texts.
    pub(super) fn text_bytes(&self) -> usize {
        let answer = self.end.as_ref().and_then(|end| end.answer.as_str());
        [self.question.as_str(), answer].into_iter().flatten().map(str::len).sum()
    }

    pub fn status(&self) -> Status {
        self.end.as_ref().map_or(Status::Open, |end| Status::from(&end.outcome))
    }

    /// From the question to the last word; None while it is not known.
    pub fn total_us(&self) -> Option<i64> {
        Some(self.end.as_ref()?.ended_us?.saturating_sub(self.started_us))
    }

    /// The failure, if there was one.
    pub fn failure(&self) -> Option<&Failure> {
        self.end.as_ref()?.outcome.failure()
    }
}

// === impl End ===

impl End {
    /// An end of which only the fact is known.
    pub fn unknown() -> Self {
        Self {
            outcome: TurnOutcome::Aborted(Failure::aborted("the work ended without a result")),
            ended_us: None,
            answer: Recorded::default(),
            model: None,
            finish_reason: None,
            usage: Usage::default(),
            ttft_us: None,
            e2e_us: None,
            speech: Speech::default(),
            attempts: Vec::new(),
        }
    }
}

// === impl Speech ===

impl Speech {
    /// Whether nothing was spoken.
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }
}

// === impl Stage ===

impl Stage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stt => "stt",
            Self::Llm => "llm",
            Self::Tts => "tts",
        }
    }

    pub(super) fn parse(text: &str) -> Self {
        match text {
            "stt" => Self::Stt,
            "tts" => Self::Tts,
            _ => Self::Llm,
        }
    }
}

// === impl Status ===

impl Status {
    pub const ALL: [Self; 5] = [Self::Open, Self::Answered, Self::Interrupted, Self::Failed, Self::Aborted];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Answered => "answered",
            Self::Interrupted => "interrupted",
            Self::Failed => "failed",
            Self::Aborted => "aborted",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }
}

impl From<&TurnOutcome> for Status {
    fn from(outcome: &TurnOutcome) -> Self {
        match outcome {
            TurnOutcome::Answered => Self::Answered,
            TurnOutcome::Interrupted => Self::Interrupted,
            TurnOutcome::Failed(_) => Self::Failed,
            TurnOutcome::Aborted(_) => Self::Aborted,
        }
    }
}

impl std::str::FromStr for Status {
    type Err = UnknownStatus;

    fn from_str(text: &str) -> Result<Self, UnknownStatus> {
        Self::parse(text).ok_or(UnknownStatus)
    }
}

// === time ===

/// The record's time: microseconds since 1970.
pub fn micros(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}

pub fn length_us(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}
