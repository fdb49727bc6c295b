//! Creates and deletes rooms through the server's API, as a backend does.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

use crate::{LivekitServer, http};

/// Each request has a token of its own.
const TOKEN_LIFE: Duration = Duration::from_secs(60);

impl LivekitServer {
    /// Creates a room and dispatches the agent of this name to it; the room has no other participant.
    pub fn create_room(&self, room: &str, agent_name: &str) -> Result<()> {
        let body = json!({ "name": room, "agents": [{ "agent_name": agent_name }] });
        match self.ask("CreateRoom", &body)? {
            200 => Ok(()),
            status => bail!("CreateRoom {room:?} was answered {status}"),
        }
    }

    /// Deletes a room with its participants. A room that does not exist is no error.
    pub fn delete_room(&self, room: &str) -> Result<()> {
        match self.ask("DeleteRoom", &json!({ "room": room }))? {
            200 | 404 => Ok(()),
            status => bail!("DeleteRoom {room:?} was answered {status}"),
        }
    }

    fn ask(&self, method: &str, body: &Value) -> Result<u16> {
        let token = token(self.api_key(), self.api_secret(), SystemTime::now() + TOKEN_LIFE)?;
        let path = format!("/twirp/livekit.RoomService/{method}");
        let authorization = format!("Authorization: Bearer {token}\r\n");
        Ok(http::post_json(self.port(), &path, &authorization, &body.to_string())?.status)
    }
}

/// A JSON web token (RFC 7519) signed with HMAC-SHA256 that lets its holder create and delete rooms.
fn token(key: &str, secret: &str, expires: SystemTime) -> Result<String> {
    let expires = expires.duration_since(UNIX_EPOCH)?.as_secs();
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    let claims = json!({ "iss": key, "exp": expires, "video": { "roomCreate": true } });
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", encode(&header), encode(&claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes())?;
    mac.update(signed.as_bytes());
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rooms_are_made_and_deleted() {
        let server = LivekitServer::start().unwrap();
        server.create_room("here", "nobody").unwrap();
        server.delete_room("here").unwrap();
        server.delete_room("never-was").unwrap();
    }

    #[test]
    fn a_token_of_another_secret_is_refused() {
        let server = LivekitServer::start().unwrap();
        let token = token(server.api_key(), "not the secret", SystemTime::now() + TOKEN_LIFE).unwrap();
        let authorization = format!("Authorization: Bearer {token}\r\n");
        let path = "/twirp/livekit.RoomService/CreateRoom";
        let answer = http::post_json(server.port(), path, &authorization, r#"{"name":"here"}"#).unwrap();
        assert_eq!(answer.status, 401, "{answer:?}");
    }
}
