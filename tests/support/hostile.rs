//! Requests that no well-behaved client or backend makes to a room.

use std::time::Duration;

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
