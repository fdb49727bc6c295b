//! The parts of data packets that the SDK leaves out: their destinations, and their sender where the SDK has not been
//! told of the sender yet.
//!
//! The packets of chat come wrapped, each as it arrived within another packet that the SDK hands on. An attribute in
//! the header of a text stream names the stream's destinations. The ids of streams get their sender in front: the SDK
//! keeps the open streams of a room by their ids alone, so a participant who knows one could write into another's text.

use std::collections::HashMap;

use livekit_protocol::data_packet::Value;
use livekit_protocol::{ChatMessage, DataPacket, UserPacket};
use prost::Message;

use super::packet::{CHAT_PACKET_TOPIC, CHAT_UPDATE_TOPIC};

/// The topic of wrapped packets. A packet that a participant sends on it is wrapped as well, so nothing can be forged.
const ENVELOPE_TOPIC: &str = "voiced.envelope";
/// A JSON list of identities. A participant cannot set it.
const DESTINATIONS_ATTRIBUTE: &str = "voiced.destinations";

/// Between the length of a stream's sender, and its sender and id.
const ID_SEPARATOR: char = ':';

/// A longer chunk of a stream breaks its stream off. LiveKit's SDKs send 15,000 bytes; compressed ones can grow to a
/// thousand times their length before the SDK compares that with the longest text that we take.
const MAX_CHUNK: usize = 16_000;

/// Tells the kind of a packet without reading it: many of them are not for us.
#[derive(Clone, PartialEq, Message)]
struct Glance {
    #[prost(message, optional, tag = "2")]
    user: Option<()>,
    #[prost(message, optional, tag = "9")]
    chat_message: Option<()>,
    #[prost(message, optional, tag = "13")]
    stream_header: Option<()>,
    #[prost(message, optional, tag = "14")]
    stream_chunk: Option<()>,
    #[prost(message, optional, tag = "15")]
    stream_trailer: Option<()>,
}

/// A packet of chat as it came.
pub(super) struct Letter {
    /// Empty when the server's API or a hidden participant sent it.
    pub(super) sender: String,
    pub(super) to: Destinations,
    pub(super) content: Content,
}

pub(super) enum Content {
    Message(ChatMessage),
    Data { topic: String, payload: Vec<u8> },
}

/// The recipients of a message. None named means the whole room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Destinations {
    pub(super) identities: Vec<String>,
    /// The same by the participants' SIDs, as SDKs of 2022 name them.
    pub(super) sids: Vec<String>,
}

/// A message of a data channel in the form that the SDK is to get.
pub(super) fn expose(message: Vec<u8>) -> Vec<u8> {
    if !Glance::decode(&*message).is_ok_and(|glance| glance.is_worth_a_look()) {
        return message;
    }
    // The SDK cannot read an unreadable message either, and reports it.
    match DataPacket::decode(&*message) {
        Ok(packet) => exposed(packet, message),
        Err(_) => message,
    }
}

/// The content of a packet of data, if it is a wrapped packet of chat.
pub(super) fn open(topic: Option<&str>, payload: &[u8]) -> Option<Letter> {
    let packet = (topic == Some(ENVELOPE_TOPIC)).then(|| DataPacket::decode(payload).ok())??;
    match packet.value? {
        Value::ChatMessage(message) => Some(Letter {
            sender: packet.participant_identity,
            to: Destinations { identities: packet.destination_identities, sids: Vec::new() },
            content: Content::Message(message),
        }),
        Value::User(user) => of_user(packet.participant_identity, packet.destination_identities, user),
        _ => None,
    }
}

/// The destinations of the text stream with these attributes.
pub(super) fn destinations(attributes: &HashMap<String, String>) -> Destinations {
    let list = attributes.get(DESTINATIONS_ATTRIBUTE);
    let identities = list.and_then(|list| serde_json::from_str(list).ok()).unwrap_or_default();
    Destinations { identities, sids: Vec::new() }
}

/// The id that its sender gave to a stream of which the SDK has this id.
pub(super) fn id_of_stream(known: &str) -> &str {
    let sender_and_id = known.split_once(ID_SEPARATOR);
    let id = sender_and_id.and_then(|(length, rest)| rest.get(length.parse().ok()?..));
    id.unwrap_or(known)
}

// === impl Glance ===

impl Glance {
    fn is_worth_a_look(&self) -> bool {
        let Self { user, chat_message, stream_header, stream_chunk, stream_trailer } = self;
        [user, chat_message, stream_header, stream_chunk, stream_trailer].into_iter().any(Option::is_some)
    }
}

// === impl Destinations ===

impl Destinations {
    pub(super) fn is_to_the_room(&self) -> bool {
        self.identities.is_empty() && self.sids.is_empty()
    }
}

fn exposed(mut packet: DataPacket, message: Vec<u8>) -> Vec<u8> {
    match &mut packet.value {
        Some(Value::User(user)) if is_wrapped(user) => wrap(packet, message),
        Some(Value::ChatMessage(_)) => wrap(packet, message),
        Some(Value::StreamHeader(header)) => {
            header.attributes.remove(DESTINATIONS_ATTRIBUTE);
            let to = list_of(&packet.destination_identities);
            header.attributes.extend(to.map(|to| (DESTINATIONS_ATTRIBUTE.to_owned(), to)));
            header.stream_id = id_with_sender(&packet.participant_identity, &header.stream_id);
            packet.encode_to_vec()
        }
        Some(Value::StreamChunk(chunk)) => {
            chunk.stream_id = id_with_sender(&packet.participant_identity, &chunk.stream_id);
            if chunk.content.len() > MAX_CHUNK {
                // No stream has a chunk of this number.
                (chunk.content, chunk.chunk_index) = (Vec::new(), u64::MAX);
            }
            packet.encode_to_vec()
        }
        Some(Value::StreamTrailer(trailer)) => {
            // A trailer's attributes are added to those of its header.
            trailer.attributes.remove(DESTINATIONS_ATTRIBUTE);
            trailer.stream_id = id_with_sender(&packet.participant_identity, &trailer.stream_id);
            packet.encode_to_vec()
        }
        _ => message,
    }
}

/// The length keeps apart where the sender ends and the id begins.
fn id_with_sender(sender: &str, id: &str) -> String {
    format!("{}{ID_SEPARATOR}{sender}{id}", sender.len())
}

fn is_wrapped(user: &UserPacket) -> bool {
    let topic = user.topic.as_deref().unwrap_or_default();
    [CHAT_PACKET_TOPIC, CHAT_UPDATE_TOPIC, ENVELOPE_TOPIC].contains(&topic)
}

/// The sender of the packet stays outside: the SDK uses it to recognise packets that it got twice.
fn wrap(mut packet: DataPacket, message: Vec<u8>) -> Vec<u8> {
    let topic = Some(ENVELOPE_TOPIC.to_owned());
    packet.value = Some(Value::User(UserPacket { payload: message, topic, ..Default::default() }));
    packet.encode_to_vec()
}

fn list_of(identities: &[String]) -> Option<String> {
    (!identities.is_empty()).then(|| serde_json::to_string(identities).ok())?
}

#[allow(deprecated, reason = "older SDKs write the older fields")]
fn of_user(sender: String, identities: Vec<String>, user: UserPacket) -> Option<Letter> {
    let topic = user.topic.filter(|topic| topic != ENVELOPE_TOPIC)?;
    let identities = if identities.is_empty() { user.destination_identities } else { identities };
    Some(Letter {
        sender: if sender.is_empty() { user.participant_identity } else { sender },
        to: Destinations { identities, sids: user.destination_sids },
        content: Content::Data { topic, payload: user.payload },
    })
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
