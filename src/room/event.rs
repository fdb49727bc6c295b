//! The events of a room that matter to a conversation.

use std::fmt;

use conversation::Text;
use livekit::prelude::TranscriptionSegment;

use super::audio::Microphone;
use super::text::{CHAT_TOPIC, IncomingText, Reading, TextError};

pub enum RoomEvent {
    /// A person is about to be here, and misses words that are said now.
    PersonComing(String),
    PersonJoined(String),
    PersonLeft(String),
    /// An agent is here, or announced its state (`lk.agent.state`; empty when it has told none).
    Agent {
        identity: String,
        state: String,
    },
    AgentLeft(String),
    /// A participant opened a text stream.
    Text(Box<IncomingText>),
    /// A person wrote a data packet of chat.
    Chat(Reading),
    /// A text was refused before it was read.
    Refused {
        sender: String,
        why: TextError,
    },
    /// Something came that is not for us.
    Unread(Unread),
    /// Segments of a legacy `Transcription` packet in a person's name.
    Transcript {
        speaker: String,
        segments: Vec<Segment>,
        /// How many more segments there were that are too long.
        refused: usize,
    },
    /// The person whom we hear has a microphone.
    Microphone(Box<Microphone>),
    /// The connection is lost and being restored; text that is written meanwhile waits or is lost.
    Reconnecting,
    /// The connection is back. `rejoined`: as a new participant under our identity, to whom the server brings nothing
    /// of what was said meanwhile; the others saw us leave and come.
    Reconnected {
        rejoined: bool,
    },
    /// The room is over for us; nothing comes after this.
    Closed(String),
    /// The connection broke and the SDK has given up restoring it; nothing comes after this.
    Lost(String),
}

/// One segment of a legacy transcription.
pub struct Segment {
    pub id: String,
    pub text: Text,
    pub is_final: bool,
}

/// Content that may have been meant for us and is not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unread {
    /// Text or data on a topic that is not read.
    Topic(String),
    /// No visible participant sent it.
    NoSender,
    /// A file on the topic of chat.
    File,
}

// === impl Segment ===

impl From<TranscriptionSegment> for Segment {
    fn from(segment: TranscriptionSegment) -> Self {
        Self { id: segment.id, text: segment.text.into(), is_final: segment.r#final }
    }
}

// === impl Unread ===

impl Unread {
    /// Topics of LiveKit's own protocols, other than chat, carry no lost text.
    pub(crate) fn topic(topic: &str) -> Option<Self> {
        (!topic.starts_with("lk.")).then(|| Self::Topic(topic.chars().take(64).collect()))
    }

    /// Whether both are of the same kind, and reported alike.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        std::mem::discriminant(self) == std::mem::discriminant(other)
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(topic) => write!(
                f,
                "data or text on topic {topic:?} is not read; the agent reads text streams on {CHAT_TOPIC:?} and chat \
                 messages as data packets"
            ),
            Self::NoSender => f.write_str(
                "a message without a sender is not read: it came through the server's API or from a hidden participant, \
                 and the agent answers people whom it can see",
            ),
            Self::File => write!(f, "files on {CHAT_TOPIC:?} are not read; the text beside them is"),
        }
    }
}
