//! Text to speech: the seam, and its provider.
//!
//! [`Speaking::speak`] begins a request at once, whether its [`Utterance`] is read or not: the speech of the next sentence
//! can be asked for while this one plays. What comes waits for the reader up to a bound, and then the provider. Dropping
//! the utterance ends the request.
//!
//! # Layout
//! - `openai`: the request and its attempts; `sound`: the bytes of an answer as samples, whatever their form;
//!   `event_stream`: server-sent events

mod event_stream;
mod openai;
pub(crate) mod sound;

use std::time::Duration;

use conversation::Text;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

pub use self::openai::{OpenAi, Settings};
use crate::report::{Account, Record, Report};
use crate::trouble::Trouble;

/// The events that wait for their reader: of audio, a megabyte.
const EVENTS: usize = 64;

/// A provider of speech.
pub trait Speaking: Send + Sync + 'static {
    fn abilities(&self) -> Abilities;

    /// Begins to have a text spoken. To be called within a runtime of tokio.
    fn speak(&self, text: &Text, voice: &Voice) -> Utterance;
}

/// What a provider does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Abilities {
    /// The usual rate of its audio; each event tells its own.
    pub rate: u32,
    /// It sends [`Event::Words`].
    pub word_times: bool,
}

/// How one text is to be spoken, where that differs from the provider's settings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Voice {
    pub name: Option<String>,
    pub language: Option<String>,
    /// 1 is the voice's own.
    pub speed: Option<f32>,
    /// The manner, in words, for models that take them.
    pub instructions: Option<Text>,
}

/// What came of a text.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The next samples of one channel.
    Audio(Sound),
    /// The times of words, from the beginning of the utterance.
    Words(Vec<Word>),
    /// All audio came. None is right for a text without letters or digits.
    Done { audio: Duration },
    /// The utterance is broken off, after this much audio.
    Failed { trouble: Trouble, audio: Duration },
}

#[derive(Clone, PartialEq, Eq)]
pub struct Sound {
    pub samples: Vec<i16>,
    /// Samples a second. The same in a whole utterance.
    pub rate: u32,
}

/// A spoken word with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Word {
    pub text: Text,
    pub start: Duration,
    pub end: Duration,
}

/// A text that is being spoken. Dropping it ends the request.
#[derive(Debug)]
pub struct Utterance {
    events: mpsc::Receiver<Event>,
    record: Record,
    task: AbortHandle,
}

// === impl Utterance ===

impl Utterance {
    /// `speak` sends the events, and keeps the record.
    pub(crate) fn begin<F>(record: Record, speak: impl FnOnce(mpsc::Sender<Event>) -> F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (sender, events) = mpsc::channel(EVENTS);
        let task = tokio::spawn(speak(sender)).abort_handle();
        Self { events, record, task }
    }

    /// The next event; the last one is `Done` or `Failed`. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// The account of the request as far as it has come.
    pub fn report(&self) -> Report {
        self.record.report()
    }

    /// The same, for who does not hold the utterance.
    pub fn account(&self) -> Account {
        Account::new(&self.record)
    }
}

impl Drop for Utterance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

// === impl Sound ===

impl Sound {
    pub fn length(&self) -> Duration {
        wav::length(self.samples.len(), self.rate)
    }
}

impl std::fmt::Debug for Sound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} samples at {} Hz", self.samples.len(), self.rate)
    }
}
