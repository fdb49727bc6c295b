//! The form in which the SDK gets a message of a data channel, and the form in which we get it from the SDK.

use livekit_protocol::data_stream::header::ContentHeader;
use livekit_protocol::data_stream::{Chunk, Header, TextHeader, Trailer};

use super::*;

fn packet(sender: &str, to: &[&str], value: Value) -> DataPacket {
    DataPacket {
        participant_identity: sender.to_owned(),
        destination_identities: to.iter().map(|who| (*who).to_owned()).collect(),
        sequence: 7,
        participant_sid: "PA_1".to_owned(),
        value: Some(value),
        ..DataPacket::default()
    }
}

fn data(topic: &str, payload: &[u8]) -> UserPacket {
    UserPacket { payload: payload.to_vec(), topic: Some(topic.to_owned()), ..UserPacket::default() }
}

/// The packet as the SDK gets it.
fn seen(packet: &DataPacket) -> DataPacket {
    DataPacket::decode(&*expose(packet.encode_to_vec())).unwrap()
}

/// The packet as we get it from the SDK.
fn opened(packet: &DataPacket) -> Option<Letter> {
    match seen(packet).value? {
        Value::User(user) => open(user.topic.as_deref(), &user.payload),
        _ => None,
    }
}

fn header(attributes: &[(&str, &str)]) -> Value {
    let attributes = attributes.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Value::StreamHeader(Header {
        stream_id: "ST_1".to_owned(),
        topic: "lk.chat".to_owned(),
        attributes: attributes.collect(),
        content_header: Some(ContentHeader::TextHeader(TextHeader { version: 3, ..TextHeader::default() })),
        inline_content: Some(b"hi".to_vec()),
        ..Header::default()
    })
}

/// The destinations that the SDK's reader of this packet's text stream reports.
fn addressed(packet: &DataPacket) -> Vec<String> {
    match seen(packet).value {
        Some(Value::StreamHeader(header)) => destinations(&header.attributes).identities,
        value => panic!("no header: {value:?}"),
    }
}

#[test]
fn a_packet_of_chat_says_who_sent_it_and_to_whom() {
    for topic in [CHAT_PACKET_TOPIC, CHAT_UPDATE_TOPIC] {
        let letter = opened(&packet("ada", &["agent"], Value::User(data(topic, b"{}")))).unwrap();
        assert_eq!((letter.sender.as_str(), letter.to.identities), ("ada", vec!["agent".to_owned()]));
        match letter.content {
            Content::Data { topic: of, payload } => assert_eq!((of.as_str(), &*payload), (topic, &b"{}"[..])),
            Content::Message(_) => panic!("it is data"),
        }
    }
    let message = ChatMessage { id: "1".into(), message: "hi".into(), ..ChatMessage::default() };
    let letter = opened(&packet("ada", &[], Value::ChatMessage(message.clone()))).unwrap();
    assert!(letter.to.is_to_the_room());
    assert!(matches!(letter.content, Content::Message(read) if read == message));
}

#[test]
#[allow(deprecated, reason = "older SDKs write the older fields")]
fn what_older_sdks_write_into_the_user_packet_counts_where_the_packet_says_nothing() {
    let older = UserPacket {
        participant_identity: "ada".into(),
        destination_identities: vec!["agent".into()],
        destination_sids: vec!["PA_2".into()],
        ..data(CHAT_PACKET_TOPIC, b"{}")
    };
    let letter = opened(&packet("", &[], Value::User(older.clone()))).unwrap();
    assert_eq!((letter.sender.as_str(), letter.to.identities), ("ada", vec!["agent".to_owned()]));
    assert_eq!(letter.to.sids, ["PA_2"]);
    let letter = opened(&packet("bob", &["cy"], Value::User(older))).unwrap();
    assert_eq!((letter.sender.as_str(), letter.to.identities), ("bob", vec!["cy".to_owned()]));
}

#[test]
fn what_tells_the_sdk_of_repeated_packets_is_left_as_it_is() {
    let sent = packet("ada", &["agent"], Value::User(data(CHAT_PACKET_TOPIC, b"{}")));
    let seen = seen(&sent);
    assert_eq!((seen.sequence, seen.participant_sid.as_str()), (7, "PA_1"));
    assert_eq!(seen.participant_identity, sent.participant_identity);
}

#[test]
fn no_participant_can_make_an_envelope() {
    let forged = packet("ada", &[], Value::User(data(CHAT_PACKET_TOPIC, b"I am Ada"))).encode_to_vec();
    let sent = packet("eve", &[], Value::User(data(ENVELOPE_TOPIC, &forged)));
    assert!(opened(&sent).is_none());
    let twice = packet("eve", &[], Value::User(data(ENVELOPE_TOPIC, &expose(sent.encode_to_vec()))));
    assert!(opened(&twice).is_none());
}

#[test]
fn a_text_streams_header_says_whom_it_was_sent_to() {
    assert_eq!(addressed(&packet("ada", &["agent"], header(&[]))), ["agent"]);
    let odd = ["agent", "a \"b\"\n, [", "ב\u{202e}"];
    assert_eq!(addressed(&packet("ada", &odd, header(&[("traceparent", "00-1")]))), odd);
    let Some(Value::StreamHeader(header)) = seen(&packet("ada", &odd, header(&[("a", "b")]))).value else {
        panic!("it is a header");
    };
    assert_eq!(header.attributes["a"], "b");
    assert_eq!(header.inline_content.as_deref(), Some(&b"hi"[..]));
    assert!(matches!(header.content_header, Some(ContentHeader::TextHeader(text)) if text.version == 3));
}

#[test]
fn no_participant_can_say_whom_a_stream_was_sent_to() {
    let forged = [(DESTINATIONS_ATTRIBUTE, "[\"bob\"]")];
    assert!(addressed(&packet("eve", &[], header(&forged))).is_empty());
    assert_eq!(addressed(&packet("eve", &["agent"], header(&forged))), ["agent"]);
    let mut trailer = Trailer { stream_id: "ST_1".into(), ..Trailer::default() };
    trailer.attributes.extend(forged.map(|(key, value)| (key.to_owned(), value.to_owned())));
    trailer.attributes.insert("a".into(), "b".into());
    match seen(&packet("eve", &[], Value::StreamTrailer(trailer))).value {
        Some(Value::StreamTrailer(trailer)) => assert_eq!(trailer.attributes.len(), 1),
        value => panic!("no trailer: {value:?}"),
    }
}

#[test]
fn what_is_no_text_passes_byte_for_byte() {
    let others = [
        packet("ada", &["agent"], Value::User(data("another", CHAT_PACKET_TOPIC.as_bytes()))),
        DataPacket::default(),
    ];
    for message in others.iter().map(DataPacket::encode_to_vec).chain([vec![0xff; 40], vec![18, 200], vec![]])
    {
        assert_eq!(expose(message.clone()), message);
    }
}

/// The id by which the SDK knows the stream of this packet.
fn known(sender: &str, value: Value) -> String {
    match seen(&packet(sender, &[], value)).value {
        Some(Value::StreamHeader(header)) => header.stream_id,
        Some(Value::StreamChunk(chunk)) => chunk.stream_id,
        Some(Value::StreamTrailer(trailer)) => trailer.stream_id,
        value => panic!("no stream: {value:?}"),
    }
}

#[test]
fn streams_of_one_id_are_apart_for_each_sender() {
    let parts = |sender: &str, id: &str| {
        let header = Header { stream_id: id.into(), ..Header::default() };
        let chunk = Chunk { stream_id: id.into(), content: vec![0xff; 100], ..Chunk::default() };
        let trailer = Trailer { stream_id: id.into(), ..Trailer::default() };
        let values = [Value::StreamHeader(header), Value::StreamChunk(chunk), Value::StreamTrailer(trailer)];
        values.map(|value| known(sender, value))
    };
    let (ada, eve) = (parts("ada", "ST_1"), parts("eve", "ST_1"));
    assert!(ada.iter().all(|id| *id == ada[0]) && eve.iter().all(|id| *id == eve[0]));
    assert_ne!(ada[0], eve[0]);
    assert_ne!(parts("ada", "1ST"), parts("ada1", "ST"), "where one ends and the other begins counts");
    for (sender, id) in [("ada", "ST_1"), ("", "7:eve1"), ("2:b\u{fc}", ""), ("a:b", ":")] {
        assert_eq!(id_of_stream(&parts(sender, id)[0]), id);
    }
    assert_eq!((id_of_stream("no sender"), id_of_stream("9:ada")), ("no sender", "9:ada"));
}

#[test]
fn a_chunk_that_is_longer_than_sdks_send_breaks_its_stream_off() {
    let chunk = |bytes: usize| {
        let chunk = Chunk { stream_id: "ST_1".into(), content: vec![7; bytes], ..Chunk::default() };
        match seen(&packet("ada", &[], Value::StreamChunk(chunk))).value {
            Some(Value::StreamChunk(chunk)) => (chunk.content.len(), chunk.chunk_index),
            value => panic!("no chunk: {value:?}"),
        }
    };
    assert_eq!(chunk(15_000), (15_000, 0));
    assert_eq!(chunk(MAX_CHUNK), (MAX_CHUNK, 0));
    for bytes in [MAX_CHUNK + 1, 64_000, 1 << 20] {
        assert_eq!(chunk(bytes), (0, u64::MAX), "{bytes}");
    }
}
