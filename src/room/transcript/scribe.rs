//! What people said, written into the room in their names: `lk.transcription` with the speaker as its sender.

use std::collections::HashMap;

use conversation::Text;
use livekit::data_stream::api::SendTextOptions;
use livekit::prelude::LocalParticipant;
use tokio::sync::mpsc;
use tracing::Instrument;

use super::WriteError;
use super::segment::bounded;
use crate::room::text::{FINAL_ATTRIBUTE, SEGMENT_ATTRIBUTE, TRACK_ATTRIBUTE, TRANSCRIPTION_TOPIC};

/// Transcripts that wait to be written. More of them are dropped: they are for the eye only.
const WAITING: usize = 16;

/// Writes in the background.
pub(crate) struct Scribe(mpsc::Sender<Words>);

/// The text of an utterance so far.
pub(crate) struct Words {
    pub(crate) speaker: String,
    /// The SID of the speaker's microphone.
    pub(crate) track: String,
    /// The same for all texts of an utterance.
    pub(crate) segment: String,
    pub(crate) text: Text,
    pub(crate) is_final: bool,
}

// === impl Scribe ===

impl Scribe {
    pub(in crate::room) fn start(participant: LocalParticipant) -> Self {
        let (sender, mut waiting) = mpsc::channel(WAITING);
        let write = async move {
            while let Some(words) = waiting.recv().await {
                if let Err(error) = write(&participant, words).await {
                    tracing::debug!(%error, "a transcript could not be written to the room");
                }
            }
        };
        tokio::spawn(write.in_current_span());
        Self(sender)
    }

    pub(crate) fn write(&self, words: Words) {
        if self.0.try_send(words).is_err() {
            tracing::debug!("a transcript is dropped: the room is too slow for it");
        }
    }
}

async fn write(participant: &LocalParticipant, words: Words) -> Result<(), WriteError> {
    let is_final = if words.is_final { "true" } else { "false" };
    let attributes = HashMap::from([
        (SEGMENT_ATTRIBUTE.to_owned(), words.segment),
        (FINAL_ATTRIBUTE.to_owned(), is_final.to_owned()),
        (TRACK_ATTRIBUTE.to_owned(), words.track),
    ]);
    let options = SendTextOptions::new_with_topic(TRANSCRIPTION_TOPIC)
        .with_attributes(attributes)
        .with_sender_identity(words.speaker);
    bounded(participant.send_text(words.text.expose(), options)).await.map(drop)
}
