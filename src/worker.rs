//! The worker: registers with LiveKit, takes jobs, drains.
//!
//! - `machine`: the worker's decisions and their times; no sockets, no clock
//! - `message`, `protocol`: the messages between worker and server, in our words and on the wire
//! - `connection`: the `/agent` websocket
//! - `running`: the tasks of the jobs
//! - `shell`: performs what the machine decides

mod connection;
mod control;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod machine;
mod message;
mod protocol;
mod running;
mod settings;
mod shell;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use conversation::Secret;
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use url::Url;

pub use self::control::JobControl;
pub(crate) use self::protocol::TOKEN_LIFETIME;
pub use self::settings::{Heartbeat, Settings, Terms};
use crate::config::Credentials;
use crate::shutdown::Shutdown;

/// A job that was assigned to us.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    pub job_id: String,
    pub dispatch_id: String,
    pub room_name: String,
    /// May be empty when the server has not told.
    pub room_sid: String,
    /// Where to join: the assignment's own URL, else the worker's.
    pub url: Url,
    /// The agent participant's room token.
    pub token: Secret,
    /// Our identity in the room.
    pub identity: String,
    /// The dispatch's metadata, as the dispatcher wrote it (may hold a `traceparent`).
    pub metadata: String,
    pub attributes: HashMap<String, String>,
}

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobEnd {
    Success,
    Failed(String),
}

/// The runner of jobs. The returned future is spawned as a task of its own; if it panics, the worker catches that, logs
/// it with the room, and reports the job as failed.
///
/// When the future ends without having called [`JobControl::report`], its result is reported then. That is too late for
/// a success: a server that saw the agent leave the room first has already marked the job as failed.
pub trait RunJob: Send + Sync + 'static {
    fn run(&self, assignment: Assignment, control: JobControl) -> BoxFuture<'static, JobEnd>;

    /// A job that was to be resumed finds no place now.
    fn not_resumed(&self, _job_id: &str) {}
}

pub type Jobs = Arc<dyn RunJob>;

/// The worker's state as the health endpoints show it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Health {
    pub registered: bool,
    pub draining: bool,
    /// Why the worker is not ready, for people; empty when it is.
    pub reason: String,
    /// How long we wait before the next attempt to connect; 0 while connected or trying.
    pub connect_wait: Duration,
    /// Given by the server with each registration; empty when not registered.
    pub worker_id: String,
    pub active_jobs: u32,
    /// Slots that running jobs and accepted offers occupy.
    pub slots_used: u32,
    pub slots: u32,
    /// The used part of the slots, scaled to stay below 0.7, where servers stop offering jobs.
    pub load: f32,
}

/// How the worker's run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Every session ended by itself.
    Drained,
    /// `drain_timeout` was over while this many sessions still ran; they were stopped.
    DrainTimedOut { sessions: u32 },
    /// Told to end at once while this many sessions ran; they were stopped.
    EndedNow { sessions: u32 },
}

/// LiveKit Cloud's view of a worker, at `/worker` (`livekit_agent_worker.proto`, message `WorkerInfo`).
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorkerInfo {
    pub worker_type: &'static str,
    pub agent_name: String,
    pub active_jobs: u32,
    pub sdk_version: &'static str,
    pub worker_load: f32,
    pub protocol_version: i32,
}

/// Serves jobs until `shutdown` says to drain or to end. Reconnects for ever; `health` shows what is wrong meanwhile.
/// `resumed` yields jobs that a worker left when it died; those that find no slot are not started.
pub async fn run(
    settings: Settings,
    jobs: Jobs,
    resumed: mpsc::Receiver<Assignment>,
    shutdown: Shutdown,
    health: watch::Sender<Health>,
) -> Outcome {
    shell::Shell::new(settings, jobs, resumed, health).run(shutdown).await
}

/// Checks that a worker with these credentials could register: the server is there and takes the token. The error tells
/// the reason and the remedy.
pub(crate) async fn knock(credentials: &Credentials) -> Result<(), String> {
    let Credentials { url, key, secret } = credentials;
    connection::knock(&connection::Endpoint::new(url, key, secret)).await
}

// === impl Health ===

impl Health {
    /// Whether the server may send jobs to this worker. A worker without a free slot is ready, too.
    pub fn is_ready(&self) -> bool {
        self.registered && !self.draining
    }
}

// === impl WorkerInfo ===

impl WorkerInfo {
    pub fn new(agent_name: &str, health: &Health) -> Self {
        Self {
            worker_type: protocol::WORKER_TYPE,
            agent_name: agent_name.to_owned(),
            active_jobs: health.active_jobs,
            sdk_version: env!("CARGO_PKG_VERSION"),
            worker_load: health.load,
            protocol_version: protocol::VERSION,
        }
    }
}
