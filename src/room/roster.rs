//! Who is in which room, asked from outside. The only file that names the crate `livekit_api`.
//!
//! LiveKit's `RoomService` over Twirp (`livekit_room.proto`: `ListRooms`, `ListParticipants`); each question carries a
//! token of its own, signed with our key pair.

use std::collections::HashMap;
use std::time::Duration;

use livekit_api::services::ServiceError;
use livekit_api::services::room::RoomClient;
use livekit_api::services::{ServerError, ServerErrorCode};
use livekit_protocol::ParticipantInfo;
use livekit_protocol::participant_info;

use super::token::AGENT_NAME_ATTRIBUTE;
use crate::config::Credentials;

/// How long the server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks one server.
#[derive(Debug)]
pub(crate) struct Roster {
    client: RoomClient,
}

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) identity: String,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Person,
    Agent {
        /// The name it is dispatched by; empty for one that is dispatched to every room.
        name: String,
    },
    /// A recorder.
    Other,
}

// === impl Roster ===

impl Roster {
    pub(crate) fn new(credentials: &Credentials) -> Self {
        let Credentials { url, key, secret } = credentials;
        let client = RoomClient::with_api_key(url.as_str(), key, secret.expose());
        Self { client: client.with_request_timeout(TIMEOUT) }
    }

    /// The SIDs of those of these rooms that there are.
    pub(crate) async fn rooms(&self, names: Vec<String>) -> Result<HashMap<String, String>, String> {
        let rooms = self.client.list_rooms(names).await.map_err(|error| error.to_string())?;
        Ok(rooms.into_iter().map(|room| (room.name, room.sid)).collect())
    }

    /// Who is in a room; nobody is in one that is gone.
    pub(crate) async fn members(&self, room: &str) -> Result<Vec<Member>, String> {
        match self.client.list_participants(room).await {
            Ok(participants) => Ok(participants.into_iter().map(Member::from).collect()),
            Err(ServiceError::Twirp(ServerError::Twirp(error)))
                if error.code == ServerErrorCode::NOT_FOUND =>
            {
                Ok(Vec::new())
            }
            Err(error) => Err(error.to_string()),
        }
    }
}

// === impl Member ===

impl From<ParticipantInfo> for Member {
    fn from(participant: ParticipantInfo) -> Self {
        let kind = match participant.kind() {
            participant_info::Kind::Agent => {
                let name = participant.attributes.get(AGENT_NAME_ATTRIBUTE).cloned().unwrap_or_default();
                Kind::Agent { name }
            }
            participant_info::Kind::Egress => Kind::Other,
            _ => Kind::Person,
        };
        Self { identity: participant.identity, kind }
    }
}
