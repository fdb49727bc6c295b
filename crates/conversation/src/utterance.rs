//! What a person said, and corrected.

use crate::Text;

/// An utterance of a person, once and whole.
#[derive(Clone, Debug, Default)]
pub struct Utterance {
    /// The participant identity of the speaker.
    pub speaker: String,
    pub text: Text,
    /// The id that makes it count once, whichever way it came.
    pub segment: Option<String>,
    /// W3C `traceparent` that came with the message.
    pub traceparent: Option<String>,
    /// The other recipients besides us; None when it was said to the room.
    pub among: Option<Vec<String>>,
    pub way: Way,
}

/// The way in which an utterance came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Speech that was transcribed.
    #[default]
    Transcription,
    /// A text stream.
    Stream,
    /// A data packet, by a frontend that may read chat in no other form.
    Packet,
}

/// A participant's change to a message that they sent before.
#[derive(Clone, Debug)]
pub struct Correction {
    pub speaker: String,
    /// The ids under which the message may have been sent. The first that is known counts.
    pub ids: Vec<String>,
    /// The new text; None when the message shall be gone.
    pub text: Option<Text>,
}

// === impl Utterance ===

impl Utterance {
    pub fn is_blank(&self) -> bool {
        self.text.expose().trim().is_empty()
    }
}

// === impl Correction ===

impl Correction {
    /// An empty text is a deletion.
    pub fn to(speaker: String, ids: Vec<String>, text: Text) -> Self {
        let text = Some(text).filter(|text| !text.expose().trim().is_empty());
        Self { speaker, ids, text }
    }
}
