//! The participants of rooms, asked for from outside.
//!
//! LiveKit's `RoomService` over Twirp (`livekit_room.proto`: `ListRooms`, `ListParticipants`), and of its
//! `AgentDispatchService` `ListDispatch` (`livekit_agent_dispatch.proto`), protobuf in both directions.
//! Each question carries a token of its own that allows it and nothing else. LiveKit's crate for this is not used: its
//! HTTP client knows neither our certificates nor our proxies, and its tokens live for six hours.

use std::collections::HashMap;
use std::time::Duration;

use conversation::Secret;
use livekit_protocol::{
    ListAgentDispatchRequest, ListAgentDispatchResponse, ListParticipantsRequest, ListParticipantsResponse,
    ListRoomsRequest, ListRoomsResponse, ParticipantInfo, Room, participant_info,
};
use outbound::web::{Answer, NoAnswer, Web, first_words};
use prost::Message;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use thiserror::Error;
use url::Url;

use super::token::{self, AGENT_NAME_ATTRIBUTE, TokenError};
use crate::config::Credentials;

/// How long the server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/protobuf");

/// A client of one server's room service.
#[derive(Debug)]
pub(crate) struct Roster {
    credentials: Credentials,
}

/// Why a question has no answer.
#[derive(Debug, Error)]
pub(crate) enum RosterError {
    #[error(transparent)]
    Token(#[from] TokenError),
    #[error("the signed token is not a valid header")]
    Header,
    #[error("POST {url}: {error}")]
    NoAnswer { url: Url, error: NoAnswer },
    #[error("POST {url} was answered {answer}")]
    Refused { url: Url, answer: Unwanted },
    #[error("an answer that cannot be read: {0}")]
    Unreadable(#[from] prost::DecodeError),
}

/// An answer that is none to the question.
#[derive(Debug, Error)]
pub(crate) enum Unwanted {
    #[error("{0}")]
    Status(u16),
    #[error("{status}: {said}")]
    Said { status: u16, said: String },
}

/// The outcome of a question.
enum Reply {
    Answered(Vec<u8>),
    /// Twirp's `not_found`.
    NotFound,
}

/// A room that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) sid: String,
    /// The longest time for which the server keeps the room open with only agents and recorders in it.
    pub(crate) closes_after: Duration,
}

/// A participant of a room.
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
        Self { credentials: credentials.clone() }
    }

    /// The rooms of these names that exist, by name.
    pub(crate) async fn rooms(&self, names: Vec<String>) -> Result<HashMap<String, Known>, RosterError> {
        let token = token::room_list(&self.credentials)?;
        let reply = self.ask("RoomService/ListRooms", &token, &ListRoomsRequest { names }).await?;
        let ListRoomsResponse { rooms } = reply.decoded()?;
        let known = |room: Room| (room.name.clone(), Known::from(room));
        Ok(rooms.into_iter().map(known).collect())
    }

    /// The participants of a room; none when it is gone.
    pub(crate) async fn members(&self, room: &str) -> Result<Vec<Member>, RosterError> {
        let token = token::room_admin(&self.credentials, room)?;
        let question = ListParticipantsRequest { room: room.to_owned() };
        let reply = self.ask("RoomService/ListParticipants", &token, &question).await?;
        let ListParticipantsResponse { participants } = reply.decoded()?;
        Ok(participants.into_iter().map(Member::from).collect())
    }

    /// Whether this dispatch of an agent exists; a server forgets a dispatch with its room, or when it is deleted.
    pub(crate) async fn is_dispatched(&self, room: &str, dispatch_id: &str) -> Result<bool, RosterError> {
        let token = token::room_admin(&self.credentials, room)?;
        let (room, dispatch_id) = (room.to_owned(), dispatch_id.to_owned());
        let question = ListAgentDispatchRequest { dispatch_id, room };
        let reply = self.ask("AgentDispatchService/ListDispatch", &token, &question).await?;
        let ListAgentDispatchResponse { agent_dispatches } = reply.decoded()?;
        Ok(agent_dispatches.iter().any(|dispatch| dispatch.id == question.dispatch_id))
    }

    async fn ask(&self, method: &str, token: &Secret, question: &impl Message) -> Result<Reply, RosterError> {
        let mut bearer =
            HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| RosterError::Header)?;
        bearer.set_sensitive(true);
        let headers = HeaderMap::from_iter([(AUTHORIZATION, bearer), (CONTENT_TYPE, PROTOBUF)]);
        let url = service_url(&self.credentials.url, method);
        // Each question has a client of its own, since each has a token of its own; there are few of them.
        let web = Web::new(TIMEOUT, headers);
        match web.request(Method::POST, url.clone(), Some(question.encode_to_vec())).await {
            Ok(answer) => Reply::read(answer).map_err(|answer| RosterError::Refused { url, answer }),
            Err(error) => Err(RosterError::NoAnswer { url, error }),
        }
    }
}

/// The URL of a service's method, for a server whose URL is written as `ws`, `wss`, `http` or `https`.
fn service_url(base: &Url, method: &str) -> Url {
    let mut url = outbound::web::http_url(base);
    url.set_path(&format!("{}/twirp/livekit.{method}", base.path().trim_end_matches('/')));
    url
}

// === impl Reply ===

impl Reply {
    fn read(answer: Answer) -> Result<Self, Unwanted> {
        let json = answer.json();
        let code = json.as_ref().and_then(|json| json.get("code")?.as_str());
        match (answer.status, code) {
            (200, _) => Ok(Self::Answered(answer.body)),
            (404, Some("not_found")) => Ok(Self::NotFound),
            (status, _) => {
                let said = json.as_ref().and_then(|json| Some(first_words(json.get("msg")?.as_str()?)));
                Err(said.map_or(Unwanted::Status(status), |said| Unwanted::Said { status, said }))
            }
        }
    }

    /// An empty answer where the server found nothing.
    fn decoded<T: Message + Default>(self) -> Result<T, RosterError> {
        match self {
            Self::Answered(body) => Ok(T::decode(body.as_slice())?),
            Self::NotFound => Ok(T::default()),
        }
    }
}

/// Fuzzing: the status in two bytes, then the body of an answer.
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) fn fuzzing(mut bytes: &[u8]) {
    let status = [crate::fuzzing::choice(&mut bytes), crate::fuzzing::choice(&mut bytes)];
    let status = status.into_iter().flatten().fold(0, |status, byte| status << 8 | u16::from(byte));
    let read = || Reply::read(Answer { status, body: bytes.to_vec(), ..Answer::default() });
    let _ = read().map(Reply::decoded::<ListRoomsResponse>);
    if let Ok(Ok(ListParticipantsResponse { participants })) = read().map(Reply::decoded) {
        participants.into_iter().map(Member::from).for_each(drop);
    }
}

// === impl Known ===

impl From<Room> for Known {
    /// One timeout counts from the beginning of the room, the other from the departure of its last participant.
    fn from(room: Room) -> Self {
        let closes_after = Duration::from_secs(room.empty_timeout.max(room.departure_timeout).into());
        Self { sid: room.sid, closes_after }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, body: body.as_bytes().to_vec(), ..Answer::default() }
    }

    #[test]
    fn the_service_is_beside_the_sockets() {
        let url = |base: &str| service_url(&base.parse().unwrap(), "RoomService/ListRooms").to_string();
        assert_eq!(url("ws://127.0.0.1:7880"), "http://127.0.0.1:7880/twirp/livekit.RoomService/ListRooms");
        assert_eq!(url("wss://lk.test/a/"), "https://lk.test/a/twirp/livekit.RoomService/ListRooms");
    }

    #[test]
    fn a_room_that_is_gone_is_empty_and_a_refusal_is_said() {
        let gone = Reply::read(answer(404, r#"{"code":"not_found","msg":"no such room"}"#)).unwrap();
        assert!(gone.decoded::<ListParticipantsResponse>().unwrap().participants.is_empty());
        let refused = |status, body| Reply::read(answer(status, body)).map(drop).unwrap_err();
        assert_eq!(
            refused(401, r#"{"code":"unauthenticated","msg":"bad\ntoken"}"#).to_string(),
            "401: bad token"
        );
        assert_eq!(refused(404, "404 page not found").to_string(), "404");
    }
}
