//! LiveKit's agent worker protocol for any Rust program: registers with a server, takes the jobs that it offers, runs
//! each as a task of its own, and drains.
//!
//! A LiveKit server sends *agents* into rooms by asking *workers*. A worker holds one websocket to the server's `/agent`
//! endpoint and registers there. When a room wants an agent, the server offers a *job*; the worker that takes it gets an
//! *assignment*: the room, and a token to join it as the agent. This crate is all of that. What an agent does in its
//! room is the program's own, behind [`RunJob`]: the crate knows no room, no media and no model.
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use agent_worker::{Assignment, Health, JobControl, JobEnd, RunJob, Secret, Settings, Shutdown};
//! use futures::future::BoxFuture;
//! use tokio::sync::{mpsc, watch};
//!
//! struct Greeter;
//!
//! impl RunJob for Greeter {
//!     fn run(&self, assignment: Assignment, mut control: JobControl) -> BoxFuture<'static, JobEnd> {
//!         Box::pin(async move {
//!             // Join the room at `assignment.url` with `assignment.token`, and stay until the work is done.
//!             println!("{} is wanted in {}", assignment.identity, assignment.room_name);
//!             control.stop.cancelled().await;
//!             control.report(JobEnd::Success).await;
//!             // Leave the room only now.
//!             JobEnd::Success
//!         })
//!     }
//! }
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let settings = Settings::new("ws://127.0.0.1:7880".parse()?, "devkey", Secret::new("secret"));
//! let shutdown = Shutdown::default();
//! let (health, _) = watch::channel(Health::default());
//! // No jobs of an earlier process are to go on here.
//! let (_, resumed) = mpsc::channel(1);
//! let outcome = agent_worker::run(settings, Arc::new(Greeter), resumed, shutdown, health).await;
//! # let _ = outcome;
//! # Ok(())
//! # }
//! ```
//!
//! # What it promises
//!
//! - A lost connection ends no job. The worker reconnects for ever, with waits from half a second to ten that differ
//!   between workers, and tells the server about the jobs that still run.
//! - An offer is answered at once. The load that the server sees is the used part of [`Terms::max_sessions`], and a full
//!   worker says that it is full.
//! - A panic in a job ends that job alone, and the server is told that the job failed.
//! - The end of a job is told to the server, after a reconnect if need be.
//! - [`Shutdown::drain`] takes no new jobs and waits for the running ones; [`Shutdown::end_now`] stops them.
//! - Queues, frames and waits have limits, and going over one is logged.
//!
//! Connections go through the network of the crate `outbound`: its trusted certificates and its proxies. Events are
//! logged with `tracing`.
//!
//! # Layout
//!
//! - `settings`: what a worker is told; `observer`: what can be counted of it; `error`: why a socket does not open
//! - `machine`: the worker's decisions and their times; no sockets, no clock
//! - `message`, `protocol`: the messages between worker and server, in our words and on the wire
//! - `connection`: the `/agent` websocket
//! - `running`: the tasks of the jobs; `control`: the line between a job and its worker
//! - `shell`: performs what the machine decides

mod connection;
mod control;
mod error;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod machine;
mod message;
mod observer;
mod protocol;
mod running;
mod settings;
mod shell;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

pub use conversation::Secret;
use futures::future::BoxFuture;
use serde::Serialize;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use url::Url;

pub use self::control::JobControl;
pub use self::error::{Fault, OpenError};
pub use self::observer::{Answered, JobResult, Observer};
pub use self::protocol::TOKEN_LIFETIME;
pub use self::settings::{Heartbeat, Names, Permission, Settings, Terms};

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

/// The two stages of a shutdown. Clones share the same two tokens.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    /// Take no new work and end when the running work has ended.
    pub drain: CancellationToken,
    /// End now. Implies `drain`.
    pub end_now: CancellationToken,
}

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
    /// The version of the program.
    pub sdk_version: String,
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

/// Checks that a worker with these settings could register: the server is there and takes the token. No job can result
/// from it.
pub async fn knock(settings: &Settings) -> Result<(), OpenError> {
    connection::knock(&connection::Endpoint::new(settings)).await
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
    /// `version` is the program's.
    pub fn new(agent_name: &str, version: &str, health: &Health) -> Self {
        Self {
            worker_type: protocol::WORKER_TYPE,
            agent_name: agent_name.to_owned(),
            active_jobs: health.active_jobs,
            sdk_version: version.to_owned(),
            worker_load: health.load,
            protocol_version: protocol::VERSION,
        }
    }
}
