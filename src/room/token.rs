//! Room tokens of our own making, for `connect` and `call`.

use std::time::Duration;

use livekit_token::{AccessToken, VideoGrants};
use thiserror::Error;

use crate::config::{Credentials, Permission};
use crate::secret::Secret;

/// How long a join may start with the token. The server refreshes it while we are connected.
const LIFETIME: Duration = Duration::from_secs(3600);

#[derive(Debug, Error)]
#[error("no room token could be made: {0}; check [livekit] api_key and api_secret")]
pub struct TokenError(String);

/// The token of an agent that joins by itself, without a dispatch.
pub fn agent(
    credentials: &Credentials,
    room: &str,
    identity: &str,
    name: &str,
    permissions: &[Permission],
) -> Result<Secret, TokenError> {
    let has = |permission| permissions.contains(&permission);
    let grants = VideoGrants {
        agent: true,
        can_publish: Some(has(Permission::Publish)),
        can_publish_data: Some(has(Permission::PublishData)),
        can_subscribe: Some(has(Permission::Subscribe)),
        can_update_own_metadata: Some(has(Permission::UpdateMetadata)),
        ..join(room)
    };
    // Frontends look for a participant of this kind.
    let token = access(credentials, identity, name).with_kind("agent").with_grants(grants);
    sign(token)
}

/// The token of a caller. `dispatch` names the agent that the server is to send into the room when it is new.
pub fn caller(
    credentials: &Credentials,
    room: &str,
    identity: &str,
    dispatch: Option<&str>,
) -> Result<Secret, TokenError> {
    let mut token = access(credentials, identity, identity).with_grants(join(room));
    if let Some(agent_name) = dispatch {
        let agent =
            livekit_protocol::RoomAgentDispatch { agent_name: agent_name.to_owned(), ..Default::default() };
        let room = livekit_protocol::RoomConfiguration { agents: vec![agent], ..Default::default() };
        token = token.with_room_config(room);
    }
    sign(token)
}

fn access(credentials: &Credentials, identity: &str, name: &str) -> AccessToken {
    AccessToken::with_api_key(&credentials.key, credentials.secret.expose())
        .with_ttl(LIFETIME)
        .with_identity(identity)
        .with_name(name)
}

fn join(room: &str) -> VideoGrants {
    VideoGrants { room_join: true, room: room.to_owned(), ..Default::default() }
}

fn sign(token: AccessToken) -> Result<Secret, TokenError> {
    token.to_jwt().map(Secret::new).map_err(|error| TokenError(error.to_string()))
}
