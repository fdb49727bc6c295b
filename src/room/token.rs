//! Room tokens that we sign ourselves: for `connect`, for `call`, and for rooms that a dead worker left.

use std::time::Duration;

use conversation::Secret;
use livekit_api::access_token::{AccessToken, VideoGrants};
use thiserror::Error;

use crate::config::{Credentials, Permission};

/// How long a token is valid: it is used at once, so no longer than clocks differ. A participant in a room gets newer
/// ones from the server.
const LIFETIME: Duration = agent_worker::TOKEN_LIFETIME;

#[derive(Debug, Error)]
#[error("no room token could be made: {0}; check [livekit] api_key and api_secret")]
pub struct TokenError(String);

/// The name that an agent is dispatched by, as the server writes it into the attributes of those that it dispatches.
pub(crate) const AGENT_NAME_ATTRIBUTE: &str = "lk.agent_name";

/// The content of an agent's token.
pub struct AgentToken<'a> {
    pub room: &'a str,
    pub identity: &'a str,
    pub display_name: &'a str,
    /// May be empty.
    pub agent_name: &'a str,
    pub permissions: &'a [Permission],
}

/// The token of an agent that joins by itself, without a dispatch.
pub fn agent(credentials: &Credentials, agent: &AgentToken<'_>) -> Result<Secret, TokenError> {
    let AgentToken { room, identity, display_name, agent_name, permissions } = *agent;
    let has = |permission| permissions.contains(&permission);
    // Not the grant `agent`, which opens the socket of workers: in a room the kind below marks us as an agent.
    let grants = VideoGrants {
        can_publish: Some(has(Permission::Publish)),
        can_publish_data: Some(has(Permission::PublishData)),
        can_subscribe: Some(has(Permission::Subscribe)),
        can_update_own_metadata: Some(has(Permission::UpdateMetadata)),
        ..join(room)
    };
    // Frontends look for a participant of this kind.
    let mut token = access(credentials, identity, display_name).with_kind("agent").with_grants(grants);
    if !agent_name.is_empty() {
        token = token.with_attributes([(AGENT_NAME_ATTRIBUTE, agent_name)]);
    }
    sign(token)
}

/// The token of a caller, who writes, speaks, reads and hears. `dispatch` names the agent that the server is to send into the room
/// when it is new.
pub fn caller(
    credentials: &Credentials,
    room: &str,
    identity: &str,
    dispatch: Option<&str>,
) -> Result<Secret, TokenError> {
    let grants = VideoGrants {
        can_publish: Some(true),
        can_publish_data: Some(true),
        can_subscribe: Some(true),
        can_update_own_metadata: Some(false),
        ..join(room)
    };
    let mut token = access(credentials, identity, identity).with_grants(grants);
    if let Some(agent_name) = dispatch {
        let agent =
            livekit_protocol::RoomAgentDispatch { agent_name: agent_name.to_owned(), ..Default::default() };
        let room = livekit_protocol::RoomConfiguration { agents: vec![agent], ..Default::default() };
        token = token.with_room_config(room);
    }
    sign(token)
}

/// The token for listing rooms.
pub(crate) fn room_list(credentials: &Credentials) -> Result<Secret, TokenError> {
    sign(signer(credentials).with_grants(VideoGrants { room_list: true, ..Default::default() }))
}

/// The token for listing the participants of a room. The server allows that to the room's admins only; this token is
/// for this room alone.
pub(crate) fn room_admin(credentials: &Credentials, room: &str) -> Result<Secret, TokenError> {
    sign(signer(credentials).with_grants(VideoGrants {
        room_admin: true,
        room: room.to_owned(),
        ..Default::default()
    }))
}

fn access(credentials: &Credentials, identity: &str, name: &str) -> AccessToken {
    signer(credentials).with_identity(identity).with_name(name)
}

fn signer(credentials: &Credentials) -> AccessToken {
    AccessToken::with_api_key(&credentials.key, credentials.secret.expose()).with_ttl(LIFETIME)
}

fn join(room: &str) -> VideoGrants {
    VideoGrants { room_join: true, room: room.to_owned(), ..Default::default() }
}

fn sign(token: AccessToken) -> Result<Secret, TokenError> {
    token.to_jwt().map(Secret::new).map_err(|error| TokenError(error.to_string()))
}

#[cfg(test)]
mod tests {
    use livekit_api::access_token::Claims;
    use serde_json::{Value, json};

    use super::*;

    fn credentials() -> Credentials {
        let secret = Secret::new("a-secret-of-at-least-32-characters");
        Credentials { url: "ws://lk.test".parse().unwrap(), key: "devkey".to_owned(), secret }
    }

    /// All claims of a token but its times: these are ten minutes apart.
    fn claims(token: &Secret) -> Value {
        let claims = Claims::from_unverified(token.expose()).unwrap();
        assert_eq!(claims.exp - claims.nbf, 600);
        let mut claims = serde_json::to_value(claims).unwrap();
        let said = claims.as_object_mut().unwrap();
        said.remove("exp");
        said.remove("nbf");
        claims
    }

    #[test]
    fn an_agents_token_grants_its_room_and_what_the_configuration_permits() {
        let agent = |permissions| AgentToken {
            room: "kitchen",
            identity: "agent-1",
            display_name: "Ada",
            agent_name: "support",
            permissions,
        };
        let defaults = crate::config::Config::default().worker.permissions;
        let token = super::agent(&credentials(), &agent(&defaults)).unwrap();
        let mut expected = json!({
            "iss": "devkey",
            "sub": "agent-1",
            "name": "Ada",
            "kind": "agent",
            "attributes": { "lk.agent_name": "support" },
            "video": {
                "roomJoin": true,
                "room": "kitchen",
                "canPublish": false,
                "canPublishData": true,
                "canSubscribe": true,
                "canUpdateOwnMetadata": true,
            },
        });
        assert_eq!(claims(&token), expected);
        let token = super::agent(&credentials(), &agent(&[])).unwrap();
        for grant in ["canPublish", "canPublishData", "canSubscribe", "canUpdateOwnMetadata"] {
            expected["video"][grant] = json!(false);
        }
        assert_eq!(claims(&token), expected);
    }

    #[test]
    fn a_callers_token_lets_it_write_speak_and_read_and_sends_for_the_agent() {
        let token = caller(&credentials(), "kitchen", "ada", None).unwrap();
        let mut expected = json!({
            "iss": "devkey",
            "sub": "ada",
            "name": "ada",
            "video": {
                "roomJoin": true,
                "room": "kitchen",
                "canPublish": true,
                "canPublishData": true,
                "canSubscribe": true,
                "canUpdateOwnMetadata": false,
            },
        });
        assert_eq!(claims(&token), expected);
        let mut calling = claims(&caller(&credentials(), "kitchen", "ada", Some("support")).unwrap());
        let config = calling.as_object_mut().unwrap().remove("roomConfig").unwrap();
        assert_eq!(config["agents"], json!([{ "agentName": "support" }]));
        assert_eq!(calling, std::mem::take(&mut expected));
    }

    #[test]
    fn questions_have_tokens_that_allow_them_and_nothing_else() {
        let list = claims(&room_list(&credentials()).unwrap());
        assert_eq!(list, json!({ "iss": "devkey", "video": { "roomList": true } }));
        let admin = claims(&room_admin(&credentials(), "kitchen").unwrap());
        assert_eq!(admin, json!({ "iss": "devkey", "video": { "roomAdmin": true, "room": "kitchen" } }));
    }
}
