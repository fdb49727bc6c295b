//! How a session listens: texts are read beside it, counted where they are refused, and come to the machine in their order.

use std::time::Instant;

use crate::chat::{Utterance, Way};
use crate::metrics::Refusal;
use crate::room::Segment;
use crate::room::text::{IncomingText, Reading, TextError};
use crate::secret::Speech;

use super::Session;
use super::machine::Event;

/// How many text streams of one room may be arriving at the same time. More are refused and counted. A burst of some
/// hundred short texts must pass; the worst case is this many times `agent.max_turn_bytes` of memory.
const READERS: usize = 1024;

// === impl Session ===

impl Session<'_> {
    /// Starts reading a text stream, if it may be a turn.
    pub(super) fn listen(&mut self, text: Box<IncomingText>) {
        if !text.may_be_turn() {
            text.unread().into_iter().for_each(|unread| self.ledger.unread(unread));
            return text.discard();
        }
        if self.is_flooded(text.sender()) {
            return text.discard();
        }
        // Unconstrained, because tokio's cooperative budget would send a reader that is done to the back of the queue
        // behind later ones, and turns would change places.
        let reading = tokio::task::unconstrained(text.read(self.parts.agent.max_turn_bytes));
        self.readers.push(Box::pin(reading));
    }

    /// What came by a packet is read already, and takes its place behind the texts that are being read.
    pub(super) fn listen_to_packet(&mut self, reading: Reading) {
        if !self.is_flooded(reading.sender()) {
            self.readers.push(Box::pin(std::future::ready(reading)));
        }
    }

    /// Whether there is no place for another text, which is refused then.
    fn is_flooded(&mut self, sender: &str) -> bool {
        let flooded = self.readers.len() + self.heard.len() >= READERS;
        if flooded {
            let why = format!("more than {READERS} texts are arriving at once");
            self.ledger.refused(sender, Refusal::TooMany, &why);
        }
        flooded
    }

    pub(super) fn read(&mut self, reading: Reading) {
        match reading {
            Reading::Turn(utterance) => self.prepare(Some(utterance.text.clone()), Event::Heard(utterance)),
            Reading::Correction(correction) => {
                self.prepare(correction.text.clone(), Event::Corrected(correction));
            }
            Reading::Interim | Reading::Reaction => {}
            Reading::Refused { sender, why } => {
                self.ledger.refused(&sender, Refusal::from(&why), &why.to_string());
            }
        }
    }

    /// Lets an event come once its words are prepared for the record.
    fn prepare(&mut self, words: Option<Speech>, event: Event) {
        let (at, privacy) = (Instant::now(), self.parts.tracer.privacy().clone());
        self.heard.push_back(Box::pin(async move {
            if let Some(words) = words {
                privacy.prepare(&words).await;
            }
            (at, event)
        }));
    }

    /// Final segments that somebody transcribed in a person's name, and how many there were that are too long. Several in one
    /// packet are one utterance to the ear, but each keeps its own id.
    pub(super) fn transcribed(&mut self, speaker: &str, segments: Vec<Segment>, refused: usize) {
        for _ in 0..refused {
            self.ledger.refused(speaker, Refusal::TooLong, &TextError::TooLong.to_string());
        }
        for segment in segments.into_iter().filter(|segment| segment.is_final) {
            let utterance = Utterance {
                speaker: speaker.to_owned(),
                text: segment.text,
                segment: Some(segment.id).filter(|id| !id.is_empty()),
                way: Way::Speech,
                ..Utterance::default()
            };
            self.readers.push(Box::pin(std::future::ready(Reading::Turn(utterance))));
        }
    }
}

impl From<&TextError> for Refusal {
    fn from(why: &TextError) -> Self {
        match why {
            TextError::TooLong => Self::TooLong,
            TextError::NotUtf8 => Self::NotUtf8,
            TextError::Idle => Self::Idle,
            TextError::Broken(_) => Self::Broken,
            TextError::NoChatMessage => Self::NoChatMessage,
            TextError::TooManyStrangers => Self::TooMany,
            TextError::Stranger => Self::Stranger,
        }
    }
}
