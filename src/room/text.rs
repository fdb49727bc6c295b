//! Incoming text streams: reading them within bounds, and telling a turn from everything else.

use std::collections::HashMap;
use std::time::Duration;

use futures::StreamExt;
use livekit::data_stream::api::{StreamError, StreamReader, TextStreamReader};
use thiserror::Error;

use crate::chat::Utterance;
use crate::secret::Speech;

/// The topic on which people write to an agent.
pub const CHAT_TOPIC: &str = "lk.chat";
/// The topic on which speech is transcribed, and on which agents answer.
pub const TRANSCRIPTION_TOPIC: &str = "lk.transcription";
/// Set to "true" on a transcription that will not change any more.
pub const FINAL_ATTRIBUTE: &str = "lk.transcription_final";
/// The id that a segment keeps from its first interim version to the final one.
pub const SEGMENT_ATTRIBUTE: &str = "lk.segment_id";
/// W3C Trace Context of who wrote the text.
const TRACEPARENT_ATTRIBUTE: &str = "traceparent";

/// A stream with no chunk for this long is given up; its place is needed for others.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);

/// A text stream that somebody opened in the room.
pub struct IncomingText {
    reader: TextStreamReader,
    topic: String,
    sender: String,
    /// Set by the room once it knows the sender.
    pub(super) from_person: bool,
}

/// What a text stream says of itself, at its end.
pub(super) struct Header {
    pub(super) topic: String,
    pub(super) sender: String,
    pub(super) id: String,
    pub(super) attributes: HashMap<String, String>,
}

/// What a whole text stream turned out to be.
#[derive(Debug)]
pub enum Reading {
    Turn(Utterance),
    /// An interim transcription: more of it will come in another stream.
    Interim,
    Refused {
        sender: String,
        why: TextError,
    },
}

/// Why a text was not taken.
#[derive(Debug, Error)]
pub enum TextError {
    #[error("it is longer than [agent] max_turn_bytes")]
    TooLong,
    #[error("it is not UTF-8")]
    NotUtf8,
    #[error("nothing came for {} s", IDLE_TIMEOUT.as_secs())]
    Idle,
    #[error("the stream broke off: {0}")]
    Broken(String),
}

// === impl IncomingText ===

impl IncomingText {
    pub(super) fn new(reader: TextStreamReader, topic: String, sender: String) -> Self {
        Self { reader, topic, sender, from_person: false }
    }

    pub fn topic(&self) -> &str {
        &self.topic
    }

    pub fn sender(&self) -> &str {
        &self.sender
    }

    /// Whether this may be a turn: written by a person, on a topic for that.
    pub fn may_be_turn(&self) -> bool {
        self.from_person && [CHAT_TOPIC, TRANSCRIPTION_TOPIC].contains(&self.topic.as_str())
    }

    /// An attribute of the stream as far as it is known; closing a stream can add some.
    pub fn attribute(&self, key: &str) -> Option<String> {
        self.reader.info().attributes().get(key).cloned()
    }

    /// The next piece of text; None at the end.
    pub async fn chunk(&mut self) -> Option<Result<Speech, TextError>> {
        match tokio::time::timeout(IDLE_TIMEOUT, self.reader.next()).await {
            Ok(Some(Ok(text))) => Some(Ok(text.into())),
            Ok(Some(Err(error))) => Some(Err(error.into())),
            Ok(None) => None,
            Err(_) => Some(Err(TextError::Idle)),
        }
    }

    /// Reads to the end and says what it was.
    pub async fn read(mut self, max_bytes: usize) -> Reading {
        let mut text = String::new();
        while let Some(chunk) = self.chunk().await {
            match chunk {
                Ok(chunk) if text.len() + chunk.len() <= max_bytes => text.push_str(chunk.expose()),
                Ok(_) => return self.refuse(TextError::TooLong),
                Err(why) => return self.refuse(why),
            }
        }
        classify(self.header(), text)
    }

    /// Ends the stream on our side without reading it.
    pub fn discard(self) {
        self.reader.closer().close();
    }

    fn refuse(self, why: TextError) -> Reading {
        let sender = self.sender.clone();
        self.discard();
        Reading::Refused { sender, why }
    }

    fn header(self) -> Header {
        let info = self.reader.info();
        let attributes = info.attributes().clone();
        Header { id: info.id.clone(), attributes, topic: self.topic, sender: self.sender }
    }
}

/// What a text is whose stream has ended.
pub(super) fn classify(header: Header, text: String) -> Reading {
    let Header { topic, sender, id, mut attributes } = header;
    // A transcription that closes without the attribute is final too: some clients never send it.
    let interim = attributes.get(FINAL_ATTRIBUTE).is_some_and(|value| value != "true");
    if topic == TRANSCRIPTION_TOPIC && interim {
        return Reading::Interim;
    }
    Reading::Turn(Utterance {
        speaker: sender,
        text: text.into(),
        segment: Some(attributes.remove(SEGMENT_ATTRIBUTE).unwrap_or(id)),
        traceparent: attributes.remove(TRACEPARENT_ATTRIBUTE),
    })
}

impl From<StreamError> for TextError {
    fn from(error: StreamError) -> Self {
        match error {
            StreamError::PayloadTooLarge | StreamError::HeaderTooLarge => TextError::TooLong,
            StreamError::Utf8(_) => TextError::NotUtf8,
            other => TextError::Broken(other.to_string()),
        }
    }
}
