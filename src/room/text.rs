//! Incoming text streams: reading them within bounds, and telling a turn from everything else.

use std::collections::HashMap;
use std::time::Duration;

use conversation::{Correction, Text, Utterance, Way};
use futures::{Stream, StreamExt};
use livekit::data_stream::api::{OperationType, StreamError, StreamReader, TextStreamReader};
use thiserror::Error;
use tokio::time::Instant;

use super::Unread;
use super::envelope::{self, Destinations};

/// The topic on which people write to an agent.
pub const CHAT_TOPIC: &str = "lk.chat";
/// The topic on which speech is transcribed, and on which agents answer.
pub const TRANSCRIPTION_TOPIC: &str = "lk.transcription";
/// Set to "true" on a transcription that will not change any more.
pub const FINAL_ATTRIBUTE: &str = "lk.transcription_final";
/// The id that a segment keeps from its first interim version to the final one.
pub const SEGMENT_ATTRIBUTE: &str = "lk.segment_id";
/// The W3C Trace Context of the text's author.
/// Names the track on which the words are heard.
pub(super) const TRACK_ATTRIBUTE: &str = "lk.transcribed_track_id";
const TRACEPARENT_ATTRIBUTE: &str = "traceparent";

/// A stream with no chunk for this long is given up; its place is needed for others.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// A stream that has not ended by then is given up, whatever comes: people write a message or say a sentence in less.
const WHOLE_TIMEOUT: Duration = Duration::from_secs(300);
const LIMITS: Limits = Limits { idle: IDLE_TIMEOUT, whole: WHOLE_TIMEOUT };

/// A text stream that a participant opened in the room.
pub struct IncomingText {
    reader: TextStreamReader,
    topic: String,
    sender: String,
    /// Set by the room once it knows the sender.
    pub(super) from_person: bool,
    /// Set by the room, as [`Utterance::among`].
    pub(super) among: Option<Vec<String>>,
}

/// How long a stream is read.
#[derive(Clone, Copy)]
struct Limits {
    idle: Duration,
    whole: Duration,
}

/// The description that a text stream gives of itself, as it stands at its end.
pub(super) struct Header {
    pub(super) topic: String,
    pub(super) sender: String,
    pub(super) id: String,
    pub(super) attributes: HashMap<String, String>,
    pub(super) operation: OperationType,
    /// The stream that this one refers to.
    pub(super) reply_to: Option<String>,
    pub(super) among: Option<Vec<String>>,
}

/// The content of a whole text stream.
#[derive(Debug)]
pub enum Reading {
    Turn(Utterance),
    Correction(Correction),
    /// An interim transcription: more of it will come in another stream.
    Interim,
    /// A participant's reaction to a message.
    Reaction,
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
    #[error("it had not ended after {} s", WHOLE_TIMEOUT.as_secs())]
    TooSlow,
    #[error("the stream broke off: {0}")]
    Broken(String),
    #[error("it is no chat message; as data packets these are JSON objects with a text in \"message\"")]
    NoChatMessage,
    #[error("too many texts are waiting for their senders to join")]
    TooManyStrangers,
    #[error("its sender did not join")]
    Stranger,
}

// === impl Reading ===

impl Reading {
    /// The author's identity; empty where it does not matter.
    pub(crate) fn sender(&self) -> &str {
        match self {
            Self::Turn(utterance) => &utterance.speaker,
            Self::Correction(correction) => &correction.speaker,
            Self::Refused { sender, .. } => sender,
            Self::Interim | Self::Reaction => "",
        }
    }
}

// === impl IncomingText ===

impl IncomingText {
    pub(super) fn new(reader: TextStreamReader, topic: String, sender: String) -> Self {
        Self { reader, topic, sender, from_person: false, among: None }
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

    /// The report on a text that is not for us; None when no person wrote it.
    pub(crate) fn unread(&self) -> Option<Unread> {
        if self.from_person { Unread::topic(&self.topic) } else { None }
    }

    /// The text's destinations.
    pub(super) fn destinations(&self) -> Destinations {
        envelope::destinations(&self.reader.info().attributes())
    }

    /// An attribute of the stream as far as it is known; closing a stream can add some.
    pub fn attribute(&self, key: &str) -> Option<String> {
        self.reader.info().attributes().get(key).cloned()
    }

    /// The next piece of text; None at the end.
    pub async fn chunk(&mut self) -> Option<Result<Text, TextError>> {
        match tokio::time::timeout(IDLE_TIMEOUT, self.reader.next()).await {
            Ok(Some(Ok(text))) => Some(Ok(text.into())),
            Ok(Some(Err(error))) => Some(Err(error.into())),
            Ok(None) => None,
            Err(_) => Some(Err(TextError::Idle)),
        }
    }

    /// Reads to the end and classifies the text.
    pub async fn read(mut self, max_bytes: usize) -> Reading {
        if matches!(self.reader.info().operation_type, OperationType::Delete | OperationType::Reaction) {
            let header = self.header();
            self.discard();
            return classify(header, String::new());
        }
        match collect(&mut self.reader, max_bytes, LIMITS).await {
            Ok(text) => classify(self.header(), text),
            Err(why) => self.refuse(why),
        }
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

    fn header(&self) -> Header {
        let info = self.reader.info();
        Header {
            topic: self.topic.clone(),
            sender: self.sender.clone(),
            id: envelope::id_of_stream(&info.id).to_owned(),
            attributes: info.attributes(),
            operation: info.operation_type,
            reply_to: info.reply_to_stream_id.clone(),
            among: self.among.clone(),
        }
    }
}

/// The whole text of a stream.
async fn collect(
    chunks: &mut (impl Stream<Item = Result<String, StreamError>> + Unpin),
    max_bytes: usize,
    limits: Limits,
) -> Result<String, TextError> {
    let end = Instant::now() + limits.whole;
    let mut text = String::new();
    loop {
        let idle = Instant::now() + limits.idle;
        match tokio::time::timeout_at(idle.min(end), chunks.next()).await {
            Ok(Some(chunk)) => text.push_str(&chunk?),
            Ok(None) => return Ok(text),
            Err(_) if end <= idle => return Err(TextError::TooSlow),
            Err(_) => return Err(TextError::Idle),
        }
        if text.len() > max_bytes {
            return Err(TextError::TooLong);
        }
    }
}

/// The classification of a text whose stream has ended.
pub(super) fn classify(mut header: Header, text: String) -> Reading {
    // A transcription that closes without the attribute is final too: some clients never send it.
    let interim = header.attributes.get(FINAL_ATTRIBUTE).is_some_and(|value| value != "true");
    if header.topic == TRANSCRIPTION_TOPIC && interim {
        return Reading::Interim;
    }
    match header.operation {
        OperationType::Create => Reading::Turn(turn(header, text)),
        OperationType::Update => {
            let ids = header.ids();
            Reading::Correction(Correction::to(header.sender, ids, text.into()))
        }
        OperationType::Delete => {
            let ids = header.ids();
            Reading::Correction(Correction { speaker: header.sender, ids, text: None })
        }
        OperationType::Reaction => Reading::Reaction,
    }
}

fn turn(mut header: Header, text: String) -> Utterance {
    let is_chat = header.topic == CHAT_TOPIC;
    Utterance {
        text: text.into(),
        segment: header.id(),
        traceparent: header.attributes.remove(TRACEPARENT_ATTRIBUTE),
        // The whole room has heard what was spoken.
        among: header.among.filter(|_| is_chat),
        way: if is_chat { Way::Stream } else { Way::Transcription },
        speaker: header.sender,
    }
}

// === impl Header ===

impl Header {
    /// The id that the text keeps, whichever way it comes.
    fn id(&mut self) -> Option<String> {
        let segment = self.attributes.remove(SEGMENT_ATTRIBUTE).filter(|segment| !segment.is_empty());
        segment.or_else(|| Some(std::mem::take(&mut self.id))).filter(|id| !id.is_empty())
    }

    /// The ids of what the text may be about. SDKs let an edit have the id of what it edits, or refer to it.
    fn ids(&mut self) -> Vec<String> {
        self.id().into_iter().chain(self.reply_to.take()).collect()
    }
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

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    const BRIEF: Limits = Limits { idle: Duration::from_millis(200), whole: Duration::from_millis(500) };

    /// One letter per interval, this many of them.
    fn drip(every: Duration, letters: usize) -> impl Stream<Item = Result<String, StreamError>> {
        stream::unfold(letters, move |left| async move {
            tokio::time::sleep(every).await;
            (left > 0).then(|| (Ok("x".to_owned()), left - 1))
        })
    }

    async fn read(every: u64, letters: usize, max_bytes: usize) -> Result<String, TextError> {
        let mut chunks = Box::pin(drip(Duration::from_millis(every), letters));
        collect(&mut chunks, max_bytes, BRIEF).await
    }

    #[tokio::test]
    async fn a_stream_that_drips_without_end_is_given_up_as_is_a_silent_one() {
        assert_eq!(read(1, 9, 10).await.unwrap(), "xxxxxxxxx");
        let began = Instant::now();
        assert!(matches!(read(20, usize::MAX, usize::MAX).await, Err(TextError::TooSlow)));
        assert!(began.elapsed() >= BRIEF.whole);
        assert!(matches!(read(10_000, 1, 10).await, Err(TextError::Idle)));
    }

    #[tokio::test]
    async fn a_text_is_refused_at_the_first_byte_too_many() {
        assert_eq!(read(0, 10, 10).await.unwrap().len(), 10);
        assert!(matches!(read(0, usize::MAX, 10).await, Err(TextError::TooLong)));
    }
}
