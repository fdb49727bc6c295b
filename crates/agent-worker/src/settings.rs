//! What the worker is told when it starts, and what may change while it runs.

use std::sync::Arc;
use std::time::Duration;

use conversation::Secret;
use serde::Deserialize;
use tokio::sync::watch;
use url::Url;

use crate::observer::Observer;

/// The offer of this process to take jobs, and the server that it is made to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `ws`, `wss`, `http` or `https`, with or without a path.
    pub url: Url,
    pub api_key: String,
    pub api_secret: Secret,
    /// The name that dispatches ask for; empty: every new room.
    pub agent_name: String,
    /// The version of the program, which the server is told.
    pub version: String,
    /// The settings that may change while the worker runs: the present ones, and their later values.
    pub terms: watch::Receiver<Terms>,
    /// The rights of the agent participant in each room. What is not listed is denied.
    pub permissions: Vec<Permission>,
    /// Random per process: tells a reconnect from a second worker.
    pub instance_id: String,
    /// Hears of attempts to connect, answers to offers, and ends of jobs.
    pub observer: Arc<dyn Observer>,
    /// The heartbeat that shows that the worker's loop is not stuck.
    pub heartbeat: Option<Heartbeat>,
    pub names: Names,
}

/// The terms on which jobs are taken from now on. Running jobs keep those they began with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The participant's display name and `lk.agent.name`.
    pub display_name: String,
    /// How many jobs run at the same time. With a limit below the running jobs, no more are taken until enough have
    /// ended.
    pub max_sessions: u32,
    /// How long a drain that begins from now on waits.
    pub drain_timeout: Duration,
}

/// A right of the agent participant in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    Subscribe,
    Publish,
    PublishData,
    UpdateMetadata,
}

/// The heartbeat comes from the worker's own loop, so it stops when the loop does.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    pub every: Duration,
    /// Notified at each beat.
    pub beats: watch::Sender<()>,
}

/// The program's own names for the settings that errors and log lines tell its operator to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    /// Of [`Settings::url`].
    pub url: &'static str,
    /// Of [`Settings::api_key`] and [`Settings::api_secret`] together.
    pub key_pair: &'static str,
    /// Of [`Settings::api_secret`].
    pub api_secret: &'static str,
    /// Of [`Terms::max_sessions`].
    pub max_sessions: &'static str,
}

// === impl Settings ===

impl Settings {
    /// A worker for every new room, with a random instance id, [`Terms::default`] and the rights to hear, speak and
    /// write.
    pub fn new(url: Url, api_key: impl Into<String>, api_secret: Secret) -> Self {
        Self {
            url,
            api_key: api_key.into(),
            api_secret,
            agent_name: String::new(),
            version: String::new(),
            terms: Terms::default().fixed(),
            permissions: vec![Permission::Subscribe, Permission::Publish, Permission::PublishData],
            instance_id: format!("{:032x}", fastrand::u128(..)),
            observer: Arc::new(()),
            heartbeat: None,
            names: Names::default(),
        }
    }
}

// === impl Terms ===

impl Terms {
    /// These terms for as long as the worker runs.
    pub fn fixed(self) -> watch::Receiver<Self> {
        // Without its sender a channel holds its last value for ever.
        watch::channel(self).1
    }
}

impl Default for Terms {
    /// Ten jobs at a time, and an hour for a drain.
    fn default() -> Self {
        Self { display_name: "agent".to_owned(), max_sessions: 10, drain_timeout: Duration::from_secs(3600) }
    }
}

// === impl Names ===

impl Default for Names {
    /// The names of the fields.
    fn default() -> Self {
        Self {
            url: "url",
            key_pair: "api_key and api_secret",
            api_secret: "api_secret",
            max_sessions: "max_sessions",
        }
    }
}
