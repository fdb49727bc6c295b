//! Chat by data packets, as LiveKit's frontends wrote it before there were text streams, and as they still read it.
//!
//! A message comes as JSON on a topic, as a `ChatMessage` of the protocol, or as both under one id; newer frontends
//! send the JSON as a copy of their text stream, marked as such. The agent's chat goes out in both forms with the
//! marks of such copies, so that each version of LiveKit's frontends shows one of them, and those that read
//! transcriptions show none.

use std::time::{SystemTime, UNIX_EPOCH};

use bounded::text::within_bytes;
use conversation::{Correction, Text, Utterance, Way};
use livekit_protocol::ChatMessage;
use serde_json::{Map, Value, json};

use super::envelope::{Content, Letter};
use super::text::{Reading, TextError};

/// The topic of chat messages as JSON.
pub(super) const CHAT_PACKET_TOPIC: &str = "lk-chat-topic";
/// The topic on which they are edited.
pub(super) const CHAT_UPDATE_TOPIC: &str = "lk-chat-update-topic";

/// Set by frontends since March 2025 on the copy of a text stream.
const COPY_OF_STREAM: &str = "ignoreLegacy";
/// Set by frontends from September 2024 until then on the copy of a `ChatMessage`.
const COPY_OF_MESSAGE: &str = "ignore";

/// Bytes of text in a packet. It has to fit into a message of 64 KiB even where JSON writes each byte as six.
const MAX_PART: usize = 10_000;

/// A message of chat, in whichever form it came.
struct Post {
    id: Option<String>,
    text: Option<String>,
    edited: bool,
    deleted: bool,
}

/// A piece of the agent's text for older frontends: the payload for [`CHAT_PACKET_TOPIC`], and the same as a message.
pub(super) struct Copy {
    pub(super) payload: Vec<u8>,
    pub(super) message: ChatMessage,
}

/// Reads a packet of chat. None when it only copies a text that comes another way. `among` are its other destinations.
pub(super) fn read(letter: Letter, among: Option<Vec<String>>, max_bytes: usize) -> Option<Reading> {
    let sender = letter.sender;
    match post(letter.content) {
        Ok(post) => post?.reading(sender, among, max_bytes),
        Err(why) => Some(Reading::Refused { sender, why }),
    }
}

/// The agent's text under `id`, in pieces that each fit into a packet.
pub(super) fn copies(id: &str, text: &str) -> Vec<Copy> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_millis()).unwrap_or(i64::MAX);
    numbered(id, text).into_iter().map(|(id, text)| Copy::new(id, now, text)).collect()
}

/// Pieces of a text that each fit into a packet, at least one, with ids of their own.
pub(super) fn numbered<'a>(id: &str, text: &'a str) -> Vec<(String, &'a str)> {
    let id = |number| if number == 0 { id.to_owned() } else { format!("{id}-{}", number + 1) };
    parts(text).into_iter().enumerate().map(|(number, text)| (id(number), text)).collect()
}

// === impl Post ===

impl Post {
    fn of_json(message: &Map<String, Value>) -> Self {
        let edited = message.get("editTimestamp").and_then(Value::as_f64).is_some_and(|at| at != 0.0);
        Self {
            id: message.get("id").and_then(id_of),
            text: message.get("message").and_then(Value::as_str).map(str::to_owned),
            edited,
            deleted: is_set(message, "deleted"),
        }
    }

    fn reading(self, speaker: String, among: Option<Vec<String>>, max_bytes: usize) -> Option<Reading> {
        let ids = self.id.iter().cloned().collect();
        if self.deleted {
            return Some(Reading::Correction(Correction { speaker, ids, text: None }));
        }
        let why = match self.text {
            Some(text) if text.len() > max_bytes => TextError::TooLong,
            Some(text) if self.edited => {
                return Some(Reading::Correction(Correction::to(speaker, ids, text.into())));
            }
            Some(text) => return Some(Reading::Turn(self::turn(speaker, self.id, among, text.into()))),
            None => TextError::NoChatMessage,
        };
        Some(Reading::Refused { sender: speaker, why })
    }
}

impl From<ChatMessage> for Post {
    fn from(message: ChatMessage) -> Self {
        Self {
            id: Some(message.id).filter(|id| !id.is_empty()),
            edited: message.edit_timestamp.is_some_and(|at| at != 0),
            deleted: message.deleted,
            text: Some(message.message),
        }
    }
}

// === impl Copy ===

impl Copy {
    fn new(id: String, timestamp: i64, text: &str) -> Self {
        let mut payload = json!({ "id": id, "timestamp": timestamp, "message": text });
        payload[COPY_OF_MESSAGE] = true.into();
        payload[COPY_OF_STREAM] = true.into();
        let message = ChatMessage { id, timestamp, message: text.to_owned(), ..Default::default() };
        Self { payload: payload.to_string().into_bytes(), message }
    }
}

/// None for a copy.
fn post(content: Content) -> Result<Option<Post>, TextError> {
    let (topic, payload) = match content {
        Content::Message(message) => return Ok(Some(message.into())),
        Content::Data { topic, payload } => (topic, payload),
    };
    let payload = std::str::from_utf8(&payload).map_err(|_| TextError::NotUtf8)?;
    let message: Map<String, Value> = serde_json::from_str(payload).map_err(|_| TextError::NoChatMessage)?;
    if is_set(&message, COPY_OF_STREAM) || is_set(&message, COPY_OF_MESSAGE) {
        return Ok(None);
    }
    let mut post = Post::of_json(&message);
    post.edited |= topic == CHAT_UPDATE_TOPIC;
    Ok(Some(post))
}

fn turn(speaker: String, id: Option<String>, among: Option<Vec<String>>, text: Text) -> Utterance {
    Utterance { speaker, text, segment: id, among, way: Way::Packet, ..Default::default() }
}

/// Some programs number their messages.
fn id_of(id: &Value) -> Option<String> {
    match id {
        Value::String(id) if !id.is_empty() => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

fn is_set(message: &Map<String, Value>, key: &str) -> bool {
    message.get(key) == Some(&Value::Bool(true))
}

/// Pieces of at most `MAX_PART` bytes, cut where words end if they do.
fn parts(mut text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    while text.len() > MAX_PART {
        let longest = within_bytes(text, MAX_PART);
        let space = longest.rfind(char::is_whitespace).filter(|end| *end > 0);
        let (part, rest) = text.split_at(space.unwrap_or(longest.len()));
        parts.push(part);
        text = rest;
    }
    parts.push(text);
    parts
}

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
