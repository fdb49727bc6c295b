//! The agent worker protocol on the wire (`livekit_agent.proto`). The only file that names `livekit-protocol` and
//! `livekit-token`.

use std::time::Duration;

use conversation::Secret;
use livekit_api::access_token::{AccessToken, AccessTokenError, VideoGrants};
use livekit_protocol as proto;
use livekit_protocol::server_message::Message as FromServer;
use livekit_protocol::worker_message::Message as ToServer;
use prost::Message as _;

use super::JobEnd;
use super::message::{
    Answer, Assigned, Job, Participant, Registration, ServerMessage, Status, WorkerMessage,
};
use crate::settings::Permission;

/// The server checks the token when the socket opens and never again, so it need not live longer than clocks differ.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(600);

/// The version of the worker protocol that we speak.
pub(crate) const VERSION: i32 = 1;

/// The worker type of our registration, under its name in the protocol.
pub(crate) const WORKER_TYPE: &str = "JT_ROOM";

/// The token that opens the `/agent` socket.
pub(crate) fn worker_token(api_key: &str, api_secret: &Secret) -> Result<Secret, AccessTokenError> {
    let grants = VideoGrants { agent: true, ..VideoGrants::default() };
    let token = AccessToken::with_api_key(api_key, api_secret.expose())
        .with_ttl(TOKEN_LIFETIME)
        .with_grants(grants)
        .to_jwt()?;
    Ok(Secret::new(token))
}

pub(crate) fn encode(message: WorkerMessage) -> Vec<u8> {
    let message = match message {
        WorkerMessage::Register(registration) => ToServer::Register(register(registration)),
        WorkerMessage::Answer { job_id, answer } => ToServer::Availability(availability(job_id, answer)),
        WorkerMessage::Status(status) => ToServer::UpdateWorker(update_worker(status)),
        WorkerMessage::Running { job_id } => {
            ToServer::UpdateJob(update_job(job_id, proto::JobStatus::JsRunning, String::new()))
        }
        WorkerMessage::Ended { job_id, end: JobEnd::Success } => {
            ToServer::UpdateJob(update_job(job_id, proto::JobStatus::JsSuccess, String::new()))
        }
        WorkerMessage::Ended { job_id, end: JobEnd::Failed(error) } => {
            ToServer::UpdateJob(update_job(job_id, proto::JobStatus::JsFailed, error))
        }
        WorkerMessage::Ping { milliseconds } => ToServer::Ping(proto::WorkerPing { timestamp: milliseconds }),
        WorkerMessage::Migrate { job_ids } => ToServer::MigrateJob(proto::MigrateJobRequest { job_ids }),
    };
    proto::WorkerMessage { message: Some(message) }.encode_to_vec()
}

/// Reads one binary frame. A frame that is not a message at all is an error; the caller ignores it, as it does
/// `ServerMessage::Unknown`.
pub(crate) fn decode(frame: &[u8]) -> Result<ServerMessage, prost::DecodeError> {
    Ok(match proto::ServerMessage::decode(frame)?.message {
        Some(FromServer::Register(answer)) => ServerMessage::Registered {
            worker_id: answer.worker_id,
            server_version: answer.server_info.map(|info| info.version).unwrap_or_default(),
        },
        Some(FromServer::Availability(request)) => match request.job {
            Some(offered) => ServerMessage::Offer(job(offered)),
            None => ServerMessage::Unknown("an offer without a job"),
        },
        Some(FromServer::Assignment(assignment)) => assigned(assignment),
        Some(FromServer::Termination(termination)) => {
            ServerMessage::Termination { job_id: termination.job_id }
        }
        Some(FromServer::Pong(_)) => ServerMessage::Pong,
        Some(FromServer::GoAway(notice)) => ServerMessage::GoAway { reason: notice.reason },
        None => ServerMessage::Unknown("a message of an unknown kind"),
    })
}

fn register(registration: Registration) -> proto::RegisterWorkerRequest {
    proto::RegisterWorkerRequest {
        r#type: proto::JobType::JtRoom.into(),
        agent_name: registration.agent_name,
        version: registration.version,
        allowed_permissions: Some(permissions(&registration.permissions)),
        instance_id: registration.instance_id,
        ..Default::default()
    }
}

/// The server replaces its defaults by the whole of this, so a permission that is not listed here is denied.
fn permissions(granted: &[Permission]) -> proto::ParticipantPermission {
    // Deprecated in favour of the participant's kind, but servers in the field still read it.
    #[expect(deprecated)]
    proto::ParticipantPermission {
        can_subscribe: granted.contains(&Permission::Subscribe),
        can_publish: granted.contains(&Permission::Publish),
        can_publish_data: granted.contains(&Permission::PublishData),
        can_update_metadata: granted.contains(&Permission::UpdateMetadata),
        agent: true,
        ..Default::default()
    }
}

fn availability(job_id: String, answer: Answer) -> proto::AvailabilityResponse {
    let refused = proto::AvailabilityResponse { job_id, ..Default::default() };
    match answer {
        Answer::No => refused,
        Answer::Superfluous => proto::AvailabilityResponse { terminate: true, ..refused },
        Answer::Yes(Participant { identity, name, attributes }) => proto::AvailabilityResponse {
            available: true,
            participant_identity: identity,
            participant_name: name,
            participant_attributes: attributes.into_iter().collect(),
            ..refused
        },
    }
}

fn update_worker(status: Status) -> proto::UpdateWorkerStatus {
    let availability =
        if status.available { proto::WorkerStatus::WsAvailable } else { proto::WorkerStatus::WsFull };
    proto::UpdateWorkerStatus {
        status: Some(availability.into()),
        load: status.load,
        job_count: status.job_count,
        draining: status.draining,
        seq: status.sequence,
    }
}

fn update_job(job_id: String, status: proto::JobStatus, error: String) -> proto::UpdateJobStatus {
    proto::UpdateJobStatus { job_id, status: status.into(), error }
}

fn assigned(assignment: proto::JobAssignment) -> ServerMessage {
    let Some(taken) = assignment.job else {
        return ServerMessage::Unknown("an assignment without a job");
    };
    ServerMessage::Assignment(Assigned {
        job: job(taken),
        url: assignment.url.filter(|url| !url.is_empty()),
        token: Secret::new(assignment.token),
    })
}

fn job(job: proto::Job) -> Job {
    let room = job.room.unwrap_or_default();
    Job {
        id: job.id,
        dispatch_id: job.dispatch_id,
        room_name: room.name,
        room_sid: room.sid,
        metadata: job.metadata,
        attributes: job.attributes,
        identity: job.state.map(|state| state.participant_identity).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests;
