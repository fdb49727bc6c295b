//! How a session listens: texts are read beside it, counted where they are refused, and handed to the machine in their
//! order.

use conversation::{Utterance, Way};
use redaction::Recorded;

use crate::metrics::Refusal;
use crate::room::Segment;
use crate::room::text::{IncomingText, Reading, TextError};

use super::Session;
use super::arrivals::{Full, Read};
use super::machine::{Event, UserTurn};

// === impl Session ===

impl Session<'_> {
    /// Starts reading a text stream, if it may be a turn.
    pub(super) fn listen(&mut self, text: Box<IncomingText>) {
        if !text.may_be_turn() {
            text.unread().into_iter().for_each(|unread| self.ledger.unread(unread));
            return text.discard();
        }
        // Streams that have ended take no place of the open ones.
        while let Some(read) = self.arrivals.read_by_now() {
            self.read(read);
        }
        let sender = text.sender().to_owned();
        match self.arrivals.admit_open(&sender) {
            Ok(()) => self.arrivals.read(sender, text.read(self.parts.agent.max_turn_bytes)),
            Err(full) => {
                text.discard();
                self.refuse(&sender, full);
            }
        }
    }

    /// A text that came by a packet is read already, and takes its place behind the texts that are being read.
    pub(super) fn listen_to_packet(&mut self, reading: Reading) {
        let sender = reading.sender().to_owned();
        self.take_whole(&sender, reading);
    }

    pub(super) fn read(&mut self, Read { sender, reading, .. }: Read) {
        match reading {
            Reading::Turn(utterance) => {
                let privacy = self.parts.tracer.privacy().clone();
                self.arrivals.record(sender, async move {
                    let recorded = privacy.record(&utterance.text).await;
                    Event::UserTurn(UserTurn { utterance, recorded })
                });
            }
            Reading::Correction(correction) => {
                let privacy = self.parts.tracer.privacy().clone();
                self.arrivals.record(sender, async move {
                    let recorded = match &correction.text {
                        Some(text) => privacy.record(text).await,
                        None => Recorded::default(),
                    };
                    Event::Corrected(correction, recorded)
                });
            }
            Reading::Interim | Reading::Reaction => self.arrivals.forget(&sender),
            Reading::Refused { sender: writer, why } => {
                self.arrivals.forget(&sender);
                self.ledger.refused(&writer, Refusal::from(&why), &why.to_string());
            }
        }
    }

    /// Final segments that a transcriber published in a person's name, and how many there were that are too long.
    /// Several in one packet are one utterance to the ear, but each keeps its own id, and its place among the texts.
    pub(super) fn transcribed(&mut self, speaker: &str, segments: Vec<Segment>, refused: usize) {
        for _ in 0..refused {
            self.ledger.refused(speaker, Refusal::TooLong, &TextError::TooLong.to_string());
        }
        for segment in segments.into_iter().filter(|segment| segment.is_final) {
            let utterance = Utterance {
                speaker: speaker.to_owned(),
                text: segment.text,
                segment: Some(segment.id).filter(|id| !id.is_empty()),
                way: Way::Transcription,
                ..Utterance::default()
            };
            self.take_whole(speaker, Reading::Turn(utterance));
        }
    }

    /// Whether the text has a place among those that arrive.
    pub(super) fn take_whole(&mut self, sender: &str, reading: Reading) -> bool {
        let taken = self.arrivals.take_whole(sender, reading);
        taken.inspect_err(|full| self.refuse(sender, *full)).is_ok()
    }

    fn refuse(&mut self, sender: &str, full: Full) {
        self.ledger.refused(sender, Refusal::TooMany, &full.to_string());
    }
}

impl From<&TextError> for Refusal {
    fn from(why: &TextError) -> Self {
        match why {
            TextError::TooLong => Self::TooLong,
            TextError::NotUtf8 => Self::NotUtf8,
            TextError::Idle => Self::Idle,
            TextError::TooSlow => Self::TooSlow,
            TextError::Broken(_) => Self::Broken,
            TextError::NoChatMessage => Self::NoChatMessage,
            TextError::TooManyStrangers => Self::TooMany,
            TextError::Stranger => Self::Stranger,
        }
    }
}
