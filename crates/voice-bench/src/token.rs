//! Tokens of those who join rooms.

use anyhow::Result;
use livekit_api::access_token::{AccessToken, VideoGrants};
use livekit_protocol::{RoomAgentDispatch, RoomConfiguration};

/// For one room, to which an agent of this name is dispatched when it is new.
pub(crate) fn token(
    key: &str,
    secret: &str,
    room: &str,
    identity: &str,
    agent: Option<&str>,
) -> Result<String> {
    let grants = VideoGrants { room_join: true, room: room.to_owned(), ..Default::default() };
    let token = AccessToken::with_api_key(key, secret).with_identity(identity).with_grants(grants);
    let dispatch = |name: &str| RoomAgentDispatch { agent_name: name.to_owned(), ..Default::default() };
    let token = match agent.map(dispatch) {
        Some(agent) => {
            token.with_room_config(RoomConfiguration { agents: vec![agent], ..Default::default() })
        }
        None => token,
    };
    Ok(token.to_jwt()?)
}
