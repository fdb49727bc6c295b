//! The questions to the record, and their answers.
//!
//! Percentiles are by nearest rank: of n values in ascending order the p-th percentile is the one at rank
//! ceil(p × n ÷ 100), counted from 1. It is always a value that was measured. Turns without the value, such as one that
//! failed before its first word, do not count.

use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use super::Names;
use super::turn::{Status, Turn};

/// The sessions to look for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    pub window: Window,
    /// The room's name; `*` stands for any text.
    pub room: Option<String>,
    /// Only sessions with a turn of this status.
    pub status: Option<Status>,
}

/// A session is in the window when a turn of it may have begun in it: its latest began not before `since_us`, its first
/// one before `until_us`. Its figures are those of all its turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    pub since_us: Option<i64>,
    pub until_us: Option<i64>,
}

/// A place in a list, named by the entry that stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    pub started_us: i64,
    pub id: String,
}

/// Sessions, the newest first.
#[derive(Clone, Debug)]
pub struct Found {
    pub sessions: Vec<Session>,
    /// The place behind which the next page begins.
    pub next: Option<Place>,
    /// The number of sessions on all pages.
    pub count: u64,
    /// The figures of all of their turns.
    pub totals: Figures,
}

#[derive(Clone, Debug)]
pub struct Session {
    pub id: String,
    pub room: String,
    pub agent: String,
    /// When its first turn began.
    pub started_us: i64,
    /// When its last turn ended, or began if it has not ended.
    pub ended_us: i64,
    pub figures: Figures,
}

/// The figures of many turns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    pub turns: u64,
    pub open: u64,
    pub answered: u64,
    pub interrupted: u64,
    pub failed: u64,
    pub aborted: u64,
    /// Attempts at all of these turns.
    pub attempts: u64,
    pub input_tokens: u64,
    pub output_tokens: u64,
    pub cached_tokens: u64,
    /// Some of the tokens are estimated.
    pub usage_estimated: bool,
    /// From the question to the first word in the room, or to the first sound.
    pub e2e: Spread,
    /// From the question to the model's first word.
    pub ttft: Spread,
    pub speech: SpeechFigures,
}

/// The figures of the turns that were spoken, or whose replies were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpeechFigures {
    pub turns: u64,
    /// The length of what people said.
    pub heard_us: i64,
    /// The length of the replies' sound that was played.
    pub played_us: i64,
    /// From the last speech to the last transcript.
    pub transcription_delay: Spread,
    /// From the last speech to the end of the turn.
    pub end_of_turn_delay: Spread,
    /// From the first text for the voice to its first sound.
    pub tts_ttfb: Spread,
}

/// Percentiles in microseconds; None when nothing was measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spread {
    pub p50_us: Option<i64>,
    pub p95_us: Option<i64>,
}

/// The turns of a session to look for.
#[derive(Clone, Debug)]
pub struct Turns {
    pub direction: Direction,
    pub limit: usize,
    /// Longer texts are cut at this many characters.
    pub max_text: usize,
    /// There are fewer turns where their texts exceed this many bytes; a single turn may have more.
    pub max_bytes: usize,
}

#[derive(Clone, Debug)]
pub enum Direction {
    /// The first ones behind a place, or of all.
    After(Option<Place>),
    /// The last ones before a place, or of all.
    Before(Option<Place>),
}

/// Turns of one session, in the order they began.
#[derive(Clone, Debug)]
pub struct FoundTurns {
    pub turns: Vec<Turn>,
    /// There are more in the direction that was asked for.
    pub more: bool,
}

/// The reason why the record cannot be read.
#[derive(Clone, Debug, Error)]
pub enum ReadError {
    #[error(
        "there is no record at {}: `{}` writes one; {} says where",
        .0.display(), .1.start, .1.path_in_full
    )]
    Missing(PathBuf, &'static Names),
    #[error("nothing is recorded: {} is off, or there is no directory for it", .0.path)]
    Off(&'static Names),
    #[error("no session's id begins with {id:?}; `{}` lists them", .names.sessions)]
    UnknownSession { id: String, names: &'static Names },
    #[error("several sessions' ids begin with {0:?}: {1}; give more of the id")]
    Ambiguous(String, String),
    #[error("the record was not read within {0:?}: ask for less of it, by since, until or room")]
    TooSlow(Duration),
    #[error("{0}")]
    Unusable(String),
}

// === impl Place ===

impl Place {
    pub fn of(turn: &Turn) -> Self {
        Self { started_us: turn.started_us, id: turn.span_id.clone() }
    }

    /// The place as it is written in a URL.
    pub fn token(&self) -> String {
        format!("{}-{}", self.started_us, self.id)
    }

    pub fn parse(token: &str) -> Option<Self> {
        let (started_us, id) = token.split_once('-')?;
        Some(Self { started_us: started_us.parse().ok()?, id: id.to_owned() })
    }
}

// === impl Figures ===

impl Figures {
    /// Turns that ended without an answer though the user did not cause that.
    pub fn errors(&self) -> u64 {
        self.failed + self.aborted
    }
}

// === impl Session ===

impl Session {
    pub fn length_us(&self) -> i64 {
        self.ended_us.saturating_sub(self.started_us)
    }
}
