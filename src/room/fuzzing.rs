//! Fuzzing: texts that people write, with attributes of their choice, packets of chat, and answers of the room service.

use std::collections::HashMap;

use livekit::data_stream::api::OperationType;
use livekit_protocol::data_packet::Value;
use livekit_protocol::{DataPacket, UserPacket};
use prost::Message;

use super::text::{CHAT_TOPIC, Header, Reading, TRANSCRIPTION_TOPIC, classify};
use super::{envelope, packet, roster};
use crate::fuzzing::{choice, piece, text as words};

/// Bytes that peers and servers of WebRTC send.
pub(crate) use livekit::webrtc::fuzzing as webrtc;
pub(crate) use roster::fuzzing as service;

const MAX_BYTES: usize = 1 << 20;

/// A topic, an operation, attributes, and a text.
pub(crate) fn text(mut bytes: &[u8]) {
    let choices = choice(&mut bytes).unwrap_or_default();
    let topic = [CHAT_TOPIC, TRANSCRIPTION_TOPIC, "another"][usize::from(choices % 3)];
    let operations =
        [OperationType::Create, OperationType::Update, OperationType::Delete, OperationType::Reaction];
    let operation = operations[usize::from(choices >> 6)];
    let mut attributes = HashMap::new();
    for _ in 0..choice(&mut bytes).unwrap_or_default() % 8 {
        let (name, value) = (piece(&mut bytes).unwrap_or_default(), piece(&mut bytes).unwrap_or_default());
        attributes.insert(words(name), words(value));
    }
    let _ = envelope::destinations(&attributes);
    let header = Header {
        topic: topic.to_owned(),
        sender: "ada".to_owned(),
        id: "ST_1".to_owned(),
        attributes,
        operation,
        reply_to: None,
        among: None,
    };
    let written = words(bytes);
    match classify(header, written.clone()) {
        Reading::Turn(turn) => {
            assert_eq!((turn.text.expose(), operation), (&*written, OperationType::Create));
        }
        Reading::Correction(_) | Reading::Reaction => assert_ne!(operation, OperationType::Create),
        Reading::Interim => assert_eq!(topic, TRANSCRIPTION_TOPIC),
        Reading::Refused { .. } => panic!("a whole text is not refused"),
    }
}

/// A message of a data channel, and the same bytes as a chat message that ada sends.
pub(crate) fn packet(bytes: &[u8]) {
    let _ = opened(bytes.to_vec());
    let user = UserPacket {
        payload: bytes.to_vec(),
        topic: Some(packet::CHAT_PACKET_TOPIC.to_owned()),
        ..UserPacket::default()
    };
    let sent = DataPacket {
        participant_identity: "ada".to_owned(),
        value: Some(Value::User(user)),
        ..DataPacket::default()
    };
    let Some(letter) = opened(sent.encode_to_vec()) else {
        panic!("a packet on the topic of chat is wrapped")
    };
    assert_eq!(letter.sender, "ada");
    match packet::read(letter, None, MAX_BYTES) {
        Some(Reading::Turn(turn)) => assert!(turn.text.len() <= bytes.len(), "nothing is made up"),
        Some(reading) => assert_eq!(reading.sender(), "ada"),
        None => {}
    }
}

/// The letter that we get of a message through the SDK.
fn opened(message: Vec<u8>) -> Option<envelope::Letter> {
    let exposed = DataPacket::decode(&*envelope::expose(message)).ok()?;
    match exposed.value? {
        Value::User(user) => envelope::open(user.topic.as_deref(), &user.payload),
        _ => None,
    }
}
