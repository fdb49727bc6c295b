//! Requests that no well-behaved client or backend makes to a room.

use std::io::Write;
use std::time::Duration;

use flate2::Compression;
use flate2::write::DeflateEncoder;
use livekit::prelude as lk;
use livekit_protocol as proto;
use proto::data_packet::Value;
use proto::data_stream::header::ContentHeader;
use proto::data_stream::{Chunk, Header, TextHeader, Trailer};
use voiced::room::token;

use super::world::World;

/// Writes a text stream packet by packet, with a content that no SDK would send.
pub(crate) async fn send_raw_text(world: &World, room: &str, content: &[u8]) {
    let credentials = world.credentials();
    let token = token::caller(&credentials, room, "mallory", None).unwrap();
    let options = lk::RoomOptions::default();
    let (room, _events) = lk::Room::connect(credentials.url.as_str(), token.expose(), options).await.unwrap();
    let stream_id = "broken".to_owned();
    let header = Header {
        stream_id: stream_id.clone(),
        topic: "lk.chat".into(),
        mime_type: "text/plain".into(),
        content_header: Some(ContentHeader::TextHeader(TextHeader::default())),
        ..Default::default()
    };
    let chunk = Chunk { stream_id: stream_id.clone(), content: content.to_vec(), ..Default::default() };
    let trailer = Trailer { stream_id, ..Default::default() };
    for value in [Value::StreamHeader(header), Value::StreamChunk(chunk), Value::StreamTrailer(trailer)] {
        let packet = proto::DataPacket { value: Some(value), ..Default::default() };
        room.local_participant().publish_raw_data(packet, true).await.unwrap();
    }
    // The packets leave asynchronously; the caller stays until the test ends.
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let _ = room.close().await;
    });
}

/// RoomService.DeleteRoom, as any backend would call it.
pub(crate) fn delete_room(world: &World, room: &str) {
    let (key, secret) = (world.livekit.api_key(), world.livekit.api_secret());
    let grants = livekit_api::access_token::VideoGrants { room_create: true, ..Default::default() };
    let token = livekit_api::access_token::AccessToken::with_api_key(key, secret)
        .with_grants(grants)
        .to_jwt()
        .unwrap();
    let headers = format!("Authorization: Bearer {token}\r\n");
    let body = format!(r#"{{"room":"{room}"}}"#);
    let path = "/twirp/livekit.RoomService/DeleteRoom";
    let answer = testbed::http::post_json(world.livekit.port(), path, &headers, &body).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// A participant who sends packets as no SDK would.
pub(crate) struct Mallory {
    room: lk::Room,
    _events: tokio::sync::mpsc::UnboundedReceiver<lk::RoomEvent>,
}

impl Mallory {
    pub(crate) async fn join(world: &World, room: &str) -> Self {
        Self::join_as(world, room, "mallory").await
    }

    pub(crate) async fn join_as(world: &World, room: &str, identity: &str) -> Self {
        let token = token::caller(&world.credentials(), room, identity, None).unwrap();
        Self::join_with(world, token.expose()).await
    }

    /// As an agent, who may speak in another's name.
    pub(crate) async fn join_as_agent(world: &World, room: &str) -> Self {
        let permissions = [voiced::config::Permission::PublishData, voiced::config::Permission::Subscribe];
        let agent = token::AgentToken {
            room,
            identity: "transcriber",
            display_name: "",
            agent_name: "",
            permissions: &permissions,
        };
        let token = token::agent(&world.credentials(), &agent).unwrap();
        Self::join_with(world, token.expose()).await
    }

    async fn join_with(world: &World, token: &str) -> Self {
        let url = world.credentials().url;
        let (room, events) =
            lk::Room::connect(url.as_str(), token, lk::RoomOptions::default()).await.unwrap();
        Self { room, _events: events }
    }

    pub(crate) async fn send(&self, value: Value) {
        let packet = proto::DataPacket { value: Some(value), ..Default::default() };
        self.room.local_participant().publish_raw_data(packet, true).await.unwrap();
    }

    /// Opens a text stream on the topic of chat.
    pub(crate) async fn open(&self, id: &str) {
        self.send(Value::StreamHeader(text_header(id))).await;
    }

    /// Opens a compressed one, and sends a chunk of so many bytes that become a thousand times as many.
    pub(crate) async fn bomb(&self, id: &str, chunk_bytes: usize) {
        let compression = proto::data_stream::CompressionType::DeflateRaw.into();
        self.send(Value::StreamHeader(Header { compression, ..text_header(id) })).await;
        let mut content = Vec::new();
        let mut encoder = DeflateEncoder::new(&mut content, Compression::best());
        encoder.write_all(&vec![b'x'; 80 << 20]).unwrap();
        encoder.finish().unwrap();
        content.truncate(chunk_bytes);
        assert_eq!(content.len(), chunk_bytes);
        self.send(Value::StreamChunk(Chunk { stream_id: id.to_owned(), content, ..Default::default() }))
            .await;
    }

    /// A piece of a text stream.
    pub(crate) async fn chunk(&self, id: &str, chunk_index: u64, text: &str) {
        let (stream_id, content) = (id.to_owned(), text.into());
        self.send(Value::StreamChunk(Chunk { stream_id, chunk_index, content, ..Default::default() })).await;
    }

    pub(crate) async fn end(&self, id: &str) {
        self.send(Value::StreamTrailer(Trailer { stream_id: id.to_owned(), ..Default::default() })).await;
    }

    /// A chat message as a data packet.
    pub(crate) async fn chat(&self, message: &str) {
        let payload = serde_json::json!({ "message": message }).to_string().into_bytes();
        let topic = Some("lk-chat-topic".to_owned());
        self.send(Value::User(proto::UserPacket { payload, topic, ..Default::default() })).await;
    }

    /// One legacy transcription of `speaker` with so many final segments of a letter.
    pub(crate) async fn transcribe(&self, speaker: &str, segments: usize) {
        let segment = |number: usize| proto::TranscriptionSegment {
            id: base_36(number),
            text: "x".to_owned(),
            r#final: true,
            ..Default::default()
        };
        self.send(Value::Transcription(proto::Transcription {
            transcribed_participant_identity: speaker.to_owned(),
            track_id: "TR_mic".to_owned(),
            segments: (0..segments).map(segment).collect(),
        }))
        .await;
    }

    pub(crate) async fn leave(self) {
        self.room.close().await.unwrap();
    }
}

fn text_header(id: &str) -> Header {
    Header {
        stream_id: id.to_owned(),
        topic: "lk.chat".into(),
        mime_type: "text/plain".into(),
        content_header: Some(ContentHeader::TextHeader(TextHeader::default())),
        ..Default::default()
    }
}

/// Short, so that many of them fit into a packet.
fn base_36(mut number: usize) -> String {
    let mut digits = String::new();
    loop {
        digits.extend(char::from_digit((number % 36) as u32, 36));
        number /= 36;
        if number == 0 {
            return digits;
        }
    }
}
