//! Speech to text: the seam, and its providers.
//!
//! [`Hearing`] opens a session for a stream of audio. The caller holds a [`Sink`], into which it puts frames and the
//! verdicts of its voice activity detection, and [`Events`], out of which texts come. The session ends when the sink is
//! closed and everything in it is heard, or when the events are dropped.
//!
//! Providers differ in what they decide themselves, which [`Abilities`] tells. One with [`Endpointing::None`] gives a
//! text for each utterance that the caller marks by a [`Mark`]; one with [`Endpointing::Turn`] tells by
//! [`Event::EndOfTurn`] when the person has finished, and needs no marks. A caller that marks utterances in any case can
//! use all of them.
//!
//! # Layout
//! - `sink`: the two ends of a session, for callers and for providers
//! - `openai`: one request, an utterance to its transcript; `form`: its body; `transcript`: the answer
//! - `batch`: the session that is made of such requests

mod batch;
mod form;
mod openai;
mod sink;
pub(crate) mod transcript;

use std::time::Duration;

use conversation::Text;
use futures::future::BoxFuture;

pub use self::batch::Batch;
pub use self::openai::{Settings, Transcriber, Transcribing};
pub use self::sink::{EventSender, Events, Input, Inputs, Pieces, Sink, channel};
pub use self::transcript::Transcript;
use crate::report::Report;
use crate::trouble::Trouble;

/// A provider of transcripts.
pub trait Hearing: Send + Sync + 'static {
    fn abilities(&self) -> Abilities;

    /// Opens a session for audio of this rate, in samples a second. `language` is one for this session, in the form that
    /// the provider takes; None: the one of its settings.
    ///
    /// # Errors
    /// A provider that needs a connection has none.
    fn open(&self, rate: u32, language: Option<&str>) -> BoxFuture<'_, Result<(Sink, Events), Trouble>>;
}

/// What a provider does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// The rate that it takes without a conversion of its own.
    pub rate: u32,
    pub endpointing: Endpointing,
    /// It sends [`Event::Partial`].
    pub interim: bool,
    /// Its finals have [`Word`]s.
    pub word_times: bool,
    /// [`Sink::finalize`] brings the text so far at once.
    pub finalize: bool,
}

/// Who decides when an utterance has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpointing {
    /// The caller, by [`Mark`].
    None,
    /// The provider cuts speech into segments.
    Segment,
    /// The provider tells when a turn has ended.
    Turn,
}

/// A verdict of the caller's voice activity detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// An utterance began; the audio of the moments before it belongs to it.
    Began,
    /// The first silence: the utterance may have ended. Providers of single requests make one for each pause.
    Paused,
    /// It had not.
    Resumed,
    Ended,
}

/// What a provider heard.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The provider itself heard that speech began, at this time since the session's first sample where it says so.
    SpeechStarted { at: Option<Duration> },
    /// The text of the utterance so far; it may change.
    Partial { text: Text },
    /// The utterance has probably ended with this text. Never empty; what follows is `Resumed`, or a `Final` with the same
    /// text.
    EagerEnd { text: Text },
    /// It had not.
    Resumed,
    /// The text of an utterance, or of a part of one. Never empty.
    Final(Final),
    /// An utterance had no words.
    NothingSaid,
    /// The person has finished their turn.
    EndOfTurn { confidence: Option<f32> },
    /// Something to be paid for.
    Usage { audio: Duration, tokens: Option<u64> },
    /// A request has ended, or was dropped; or a connection, for providers that keep one.
    Request(Box<RequestReport>),
    /// An utterance is lost, or the session has ended where none follows.
    Failed(Trouble),
}

/// The account of a request, as an event. Accounts are equal when they are of the same request.
#[derive(Clone, Debug)]
pub struct RequestReport(pub Report);

/// A text that no longer changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Final {
    pub text: Text,
    /// Empty where the provider sends no times.
    pub words: Vec<Word>,
    /// The language that was heard, in the provider's word.
    pub language: Option<String>,
    /// Between 0 and 1.
    pub confidence: Option<f32>,
    pub request_id: Option<String>,
}

/// A word with its time, from the beginning of the utterance or of the session, as the provider counts.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub text: Text,
    pub start: Duration,
    pub end: Duration,
}

// === impl RequestReport ===

impl PartialEq for RequestReport {
    fn eq(&self, other: &Self) -> bool {
        self.0.started == other.0.started
    }
}
