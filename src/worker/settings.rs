//! The part of the configuration that the worker needs.

use std::time::Duration;

use conversation::Secret;
use tokio::sync::watch;
use url::Url;

use crate::config::{Config, ConfigError, Credentials, Permission};
use crate::metrics::Metrics;

/// The offer of this process to take jobs, and the server that it is made to.
#[derive(Clone, Debug)]
pub struct Settings {
    pub url: Url,
    pub api_key: String,
    pub api_secret: Secret,
    /// The name that dispatches ask for; empty: every new room.
    pub agent_name: String,
    /// The settings that may change while the worker runs: the present ones, and their later values.
    pub terms: watch::Receiver<Terms>,
    pub permissions: Vec<Permission>,
    /// Random per process: tells a reconnect from a second worker, and one process's telemetry from another's.
    pub instance_id: String,
    /// The instruments that count jobs and answers to offers.
    pub metrics: Metrics,
    /// The heartbeat that shows that the worker's loop is not stuck.
    pub heartbeat: Option<Heartbeat>,
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

/// The heartbeat comes from the worker's own loop, so it stops when the loop does.
#[derive(Clone, Debug)]
pub struct Heartbeat {
    pub every: Duration,
    /// Notified at each beat.
    pub beats: watch::Sender<()>,
}

impl Settings {
    /// Counts by metrics of its own. Fails when there is no key pair to sign the registration with.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let Credentials { url, key, secret } = config.livekit_credentials()?;
        // Without its sender a channel holds its last value for ever.
        let (_, terms) = watch::channel(Terms::of(config));
        Ok(Self {
            url,
            api_key: key,
            api_secret: secret,
            agent_name: config.worker.agent_name.clone(),
            terms,
            permissions: config.worker.permissions.clone(),
            instance_id: format!("{:032x}", fastrand::u128(..)),
            metrics: Metrics::default(),
            heartbeat: None,
        })
    }
}

impl Terms {
    pub fn of(config: &Config) -> Self {
        Self {
            display_name: config.agent.name.clone(),
            max_sessions: config.worker.max_sessions,
            drain_timeout: config.worker.drain_timeout,
        }
    }
}
