//! The messages between the worker and LiveKit, in our own words. `protocol` maps these to the wire.

use std::collections::HashMap;

use conversation::Secret;

use crate::JobEnd;
use crate::settings::Permission;

/// From LiveKit to the worker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ServerMessage {
    Registered {
        worker_id: String,
        /// The server's own version, for the log.
        server_version: String,
    },
    /// "Would you take this job?" To be answered at once: the server gives up after 3 s and asks no other worker.
    Offer(Job),
    Assignment(Assigned),
    Termination {
        job_id: String,
    },
    Pong,
    /// The server is about to close this socket.
    GoAway {
        reason: String,
    },
    /// A kind of message that this version does not know, or a message that lacks a field it cannot be used without.
    Unknown(&'static str),
}

/// From the worker to LiveKit.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum WorkerMessage {
    Register(Registration),
    Answer { job_id: String, answer: Answer },
    Status(Status),
    Running { job_id: String },
    Ended { job_id: String, end: JobEnd },
    Ping { milliseconds: i64 },
    Migrate { job_ids: Vec<String> },
}

/// A job as LiveKit describes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Job {
    pub(crate) id: String,
    pub(crate) dispatch_id: String,
    pub(crate) room_name: String,
    pub(crate) room_sid: String,
    pub(crate) metadata: String,
    pub(crate) attributes: HashMap<String, String>,
    /// The identity that our answer asked for, as the server noted it. Empty in an offer.
    pub(crate) identity: String,
}

/// A job that was assigned to this worker.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Assigned {
    pub(crate) job: Job,
    /// The place to join, when it is not where the worker registered.
    pub(crate) url: Option<String>,
    pub(crate) token: Secret,
}

/// How the worker introduces itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registration {
    pub(crate) agent_name: String,
    pub(crate) version: String,
    /// Random per process, so that a server can tell a reconnect from a second worker.
    pub(crate) instance_id: String,
    pub(crate) permissions: Vec<Permission>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Yes(Participant),
    /// The server asks another worker.
    No,
    /// The server asks no other worker: the room has its agent already.
    Superfluous,
}

/// The participant that joins the room when the answer is yes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Participant {
    pub(crate) identity: String,
    pub(crate) name: String,
    pub(crate) attributes: Vec<(String, String)>,
}

/// The status by which the server chooses between workers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Status {
    pub(crate) available: bool,
    pub(crate) load: f32,
    pub(crate) job_count: u32,
    pub(crate) draining: bool,
    /// Counts up within one registration.
    pub(crate) sequence: u64,
}
