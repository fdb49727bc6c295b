//! The two ends of a session.

use std::fmt;

use tokio::sync::mpsc;

use super::{Event, Mark};

/// The inputs that wait for a provider: ten seconds of frames of 20 ms.
const INPUTS: usize = 512;
/// Of those, the places that no frame takes, so that a verdict always has one.
const FOR_VERDICTS: usize = 32;
/// The events that wait for the caller.
const EVENTS: usize = 256;

/// The caller's end: audio goes in here. Nothing waits; a provider that does not keep up loses frames, which are counted.
#[derive(Debug)]
pub struct Sink {
    inputs: mpsc::Sender<Input>,
    dropped: u64,
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
pub fn channel() -> (Sink, Events, Inputs, EventSender) {
    let (inputs, taken) = mpsc::channel(INPUTS);
    let (sender, events) = mpsc::channel(EVENTS);
    (Sink { inputs, dropped: 0 }, Events(events), Inputs(taken), EventSender(sender))
}

// === impl Sink ===

impl Sink {
    /// Samples of one channel, at the rate of the session, of any number. False: they are dropped, since the session has
    /// ended or its provider does not keep up.
    pub fn audio(&mut self, frame: &[i16]) -> bool {
        let has_room = self.inputs.capacity() > FOR_VERDICTS;
        let taken = has_room && self.inputs.try_send(Input::Audio(frame.into())).is_ok();
        self.dropped += if taken { 0 } else { frame.len() as u64 };
        taken
    }

    /// A verdict about the audio so far. False: the session has ended.
    pub fn mark(&mut self, mark: Mark) -> bool {
        self.inputs.try_send(Input::Mark(mark)).is_ok()
    }

    /// Asks for the text so far as a final one. False: the session has ended.
    pub fn finalize(&mut self) -> bool {
        self.inputs.try_send(Input::Finalize).is_ok()
    }

    /// No more audio comes; what was put in is still heard. Dropping the sink does the same.
    pub fn close(self) {}

    /// Samples that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
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

    #[tokio::test]
    async fn a_full_sink_drops_frames_and_still_takes_verdicts() {
        let (mut sink, _events, mut inputs, _sender) = channel();
        let taken = (0..INPUTS).filter(|_| sink.audio(&[0; 320])).count();
        assert_eq!(taken, INPUTS - FOR_VERDICTS);
        assert_eq!(sink.dropped(), 320 * FOR_VERDICTS as u64);
        assert!(sink.mark(Mark::Ended) && sink.finalize());
        sink.close();
        let mut last = None;
        while let Some(input) = inputs.next().await {
            last = Some(input);
        }
        assert_eq!(last, Some(Input::Finalize));
    }

    #[tokio::test]
    async fn a_sink_whose_session_has_ended_says_so() {
        let (mut sink, _events, inputs, _sender) = channel();
        drop(inputs);
        assert!(!sink.audio(&[0; 320]) && !sink.mark(Mark::Began) && !sink.finalize());
    }
}
