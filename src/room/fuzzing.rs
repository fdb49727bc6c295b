//! Fuzzing: texts that people write, with attributes of their choice, and answers of the room service.

use std::collections::HashMap;

use super::roster;
use super::text::{CHAT_TOPIC, Header, Reading, TRANSCRIPTION_TOPIC, classify};
use crate::fuzzing::{choice, piece, text as words};

/// What peers and servers of WebRTC send.
pub(crate) use livekit::webrtc::fuzzing as webrtc;
pub(crate) use roster::fuzzing as service;

/// A topic, attributes, and what was written.
pub(crate) fn text(mut bytes: &[u8]) {
    let topic = match choice(&mut bytes).unwrap_or_default() % 3 {
        0 => CHAT_TOPIC,
        1 => TRANSCRIPTION_TOPIC,
        _ => "another",
    };
    let mut attributes = HashMap::new();
    for _ in 0..choice(&mut bytes).unwrap_or_default() % 8 {
        let (name, value) = (piece(&mut bytes).unwrap_or_default(), piece(&mut bytes).unwrap_or_default());
        attributes.insert(words(name), words(value));
    }
    let header =
        Header { topic: topic.to_owned(), sender: "ada".to_owned(), id: "ST_1".to_owned(), attributes };
    let written = words(bytes);
    match classify(header, written.clone()) {
        Reading::Turn(turn) => assert_eq!(turn.text.expose(), written),
        Reading::Interim => assert_eq!(topic, TRANSCRIPTION_TOPIC),
        Reading::Refused { .. } => panic!("a whole text is not refused"),
    }
}
