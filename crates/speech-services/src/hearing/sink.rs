//! The two ends of a session.

use std::collections::VecDeque;
use std::fmt;

use tokio::sync::mpsc;

use super::{Event, Mark};

/// The inputs that wait for a provider: ten seconds and more of pieces.
const INPUTS: usize = 256;
/// Of those, the places that no audio takes, so that a verdict always has one.
const FOR_VERDICTS: usize = 32;
/// The events that wait for the caller.
const EVENTS: usize = 256;

/// The caller's end: audio goes in here. Nothing waits; a provider that does not keep up loses audio, which is counted.
///
/// Frames go on in pieces, since each piece wakes the provider.
#[derive(Debug)]
pub struct Sink {
    inputs: mpsc::Sender<Input>,
    pieces: Pieces,
    /// Audio that did not go on yet.
    waiting: VecDeque<i16>,
    is_utterance: bool,
    dropped: u64,
}

/// How audio reaches a provider, in samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pieces {
    /// The length of a piece.
    pub length: usize,
    /// For a provider of whole utterances: the audio in front of an utterance that belongs to it. Audio between utterances
    /// does not reach the provider. None: all of it does.
    pub prefix: Option<usize>,
}

/// The caller's end: what was heard comes out of here.
#[derive(Debug)]
pub struct Events(mpsc::Receiver<Event>);

/// What comes out of a sink, for a provider.
#[derive(Clone, PartialEq, Eq)]
pub enum Input {
    /// Samples of one channel.
    Audio(Box<[i16]>),
    Mark(Mark),
    /// The text so far is wanted now.
    Finalize,
}

/// A provider's end of a sink. None after the last input: the sink was closed.
#[derive(Debug)]
pub struct Inputs(mpsc::Receiver<Input>);

/// A provider's end of the events.
#[derive(Clone, Debug)]
pub struct EventSender(mpsc::Sender<Event>);

/// The ends of a session: two for its caller, two for its provider.
pub fn channel(pieces: Pieces) -> (Sink, Events, Inputs, EventSender) {
    let (inputs, taken) = mpsc::channel(INPUTS);
    let (sender, events) = mpsc::channel(EVENTS);
    (Sink::new(inputs, pieces), Events(events), Inputs(taken), EventSender(sender))
}

// === impl Sink ===

impl Sink {
    fn new(inputs: mpsc::Sender<Input>, pieces: Pieces) -> Self {
        let waiting = VecDeque::with_capacity(pieces.length.max(pieces.prefix.unwrap_or_default()) * 2);
        Self { inputs, pieces, waiting, is_utterance: false, dropped: 0 }
    }

    /// Samples of one channel, at the rate of the session, of any number. False: they are dropped, since the session has
    /// ended or its provider does not keep up.
    pub fn audio(&mut self, frame: &[i16]) -> bool {
        self.waiting.extend(frame);
        match self.pieces.prefix.filter(|_| !self.is_utterance) {
            Some(prefix) => {
                let surplus = self.waiting.len().saturating_sub(prefix);
                self.waiting.drain(..surplus);
                !self.inputs.is_closed()
            }
            None if self.waiting.len() < self.pieces.length => !self.inputs.is_closed(),
            None => self.pass_on(),
        }
    }

    /// A verdict about the audio so far. False: the session has ended.
    pub fn mark(&mut self, mark: Mark) -> bool {
        match mark {
            Mark::Began | Mark::Resumed => self.is_utterance = true,
            Mark::Paused | Mark::Ended => {}
        }
        self.say(Input::Mark(mark));
        if mark == Mark::Ended {
            self.is_utterance = false;
        }
        !self.inputs.is_closed()
    }

    /// Asks for the text so far as a final one. False: the session has ended.
    pub fn finalize(&mut self) -> bool {
        self.say(Input::Finalize);
        !self.inputs.is_closed()
    }

    /// No more audio comes; what was put in is still heard. Dropping the sink does the same.
    pub fn close(self) {}

    fn say(&mut self, input: Input) {
        if self.pieces.prefix.is_none() || self.is_utterance {
            self.pass_on();
        }
        // There is always a place for it, unless the session has ended.
        let _ = self.inputs.try_send(input);
    }

    /// Passes the waiting audio on. False: it is dropped.
    fn pass_on(&mut self) -> bool {
        if self.waiting.is_empty() {
            return true;
        }
        let piece = Input::Audio((&*self.waiting.make_contiguous()).into());
        let has_room = self.inputs.capacity() > FOR_VERDICTS;
        let taken = has_room && self.inputs.try_send(piece).is_ok();
        self.dropped += if taken { 0 } else { self.waiting.len() as u64 };
        self.waiting.clear();
        taken
    }

    /// Samples that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        if self.pieces.prefix.is_none() || self.is_utterance {
            self.pass_on();
        }
    }
}

// === impl Events ===

impl Events {
    /// The next event. None: the session has ended. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<Event> {
        self.0.recv().await
    }
}

// === impl Input ===

impl fmt::Debug for Input {
    /// What people say is not printed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Audio(frame) => write!(f, "{} samples", frame.len()),
            Self::Mark(mark) => mark.fmt(f),
            Self::Finalize => f.write_str("Finalize"),
        }
    }
}

// === impl Inputs ===

impl Inputs {
    /// The next input. None: the sink was closed. Safe to drop and call again.
    pub async fn next(&mut self) -> Option<Input> {
        self.0.recv().await
    }
}

// === impl EventSender ===

impl EventSender {
    /// Waits for room. False: the caller has dropped the events, and the session is to end.
    pub async fn send(&self, event: Event) -> bool {
        self.0.send(event).await.is_ok()
    }

    /// Waits until the caller drops the events.
    pub async fn closed(&self) {
        self.0.closed().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAMES: Pieces = Pieces { length: 320, prefix: None };

    /// What a provider has got: lengths of audio and marks.
    fn got(inputs: &mut Inputs) -> Vec<Input> {
        std::iter::from_fn(|| inputs.0.try_recv().ok()).collect()
    }

    fn audio(samples: std::ops::Range<i16>) -> Input {
        Input::Audio(samples.collect())
    }

    #[tokio::test]
    async fn a_full_sink_drops_frames_and_still_takes_verdicts() {
        let (mut sink, _events, mut inputs, _sender) = channel(FRAMES);
        let taken = (0..INPUTS).filter(|_| sink.audio(&[0; 320])).count();
        assert_eq!(taken, INPUTS - FOR_VERDICTS);
        assert_eq!(sink.dropped(), 320 * FOR_VERDICTS as u64);
        assert!(sink.mark(Mark::Ended) && sink.finalize());
        sink.close();
        assert_eq!(got(&mut inputs).pop(), Some(Input::Finalize));
    }

    #[tokio::test]
    async fn a_sink_whose_session_has_ended_says_so() {
        let (mut sink, _events, inputs, _sender) = channel(FRAMES);
        drop(inputs);
        assert!(!sink.audio(&[0; 320]) && !sink.mark(Mark::Began) && !sink.finalize());
    }

    #[tokio::test]
    async fn frames_go_on_in_pieces_and_at_once_before_a_mark() {
        let (mut sink, _events, mut inputs, _sender) = channel(Pieces { length: 4, prefix: None });
        assert!(sink.audio(&[0, 1]));
        assert_eq!(got(&mut inputs), []);
        assert!(sink.audio(&[2, 3, 4]) && sink.audio(&[5]) && sink.mark(Mark::Paused));
        assert_eq!(got(&mut inputs), [audio(0..5), audio(5..6), Input::Mark(Mark::Paused)]);
        sink.audio(&[6]);
        sink.close();
        assert_eq!(got(&mut inputs), [audio(6..7)]);
    }

    #[tokio::test]
    async fn a_provider_of_utterances_gets_them_with_what_is_in_front() {
        let (mut sink, _events, mut inputs, _sender) = channel(Pieces { length: 4, prefix: Some(3) });
        (0..10).for_each(|sample| assert!(sink.audio(&[sample])));
        assert_eq!(got(&mut inputs), []);
        sink.mark(Mark::Began);
        assert_eq!(got(&mut inputs), [audio(7..10), Input::Mark(Mark::Began)]);
        sink.audio(&[10]);
        sink.mark(Mark::Ended);
        assert_eq!(got(&mut inputs), [audio(10..11), Input::Mark(Mark::Ended)]);
        sink.audio(&[11]);
        sink.close();
        assert_eq!(got(&mut inputs), [], "it is of no utterance");
    }
}
