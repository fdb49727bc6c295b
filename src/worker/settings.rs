//! The part of the configuration that the worker needs.

use std::time::Duration;

use url::Url;

use crate::config::{Config, ConfigError, Credentials, Permission};
use crate::metrics::Metrics;
use crate::secret::Secret;

/// How this process offers itself for jobs, and to which server.
#[derive(Clone, Debug)]
pub struct Settings {
    pub url: Url,
    pub api_key: String,
    pub api_secret: Secret,
    /// The name that dispatches ask for; empty: every new room.
    pub agent_name: String,
    /// The participant's display name and `lk.agent.name`.
    pub display_name: String,
    /// How many jobs run at the same time.
    pub max_sessions: u32,
    pub drain_timeout: Duration,
    pub permissions: Vec<Permission>,
    /// Random per process: tells a reconnect from a second worker, and one process's telemetry from another's.
    pub instance_id: String,
    /// What counts jobs and answers to offers.
    pub metrics: Metrics,
}

impl Settings {
    /// Counted by metrics of its own. Fails when there is no key pair to sign the registration with.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let Credentials { url, key, secret } = config.livekit_credentials()?;
        Ok(Self {
            url,
            api_key: key,
            api_secret: secret,
            agent_name: config.worker.agent_name.clone(),
            display_name: config.agent.name.clone(),
            max_sessions: config.worker.max_sessions,
            drain_timeout: config.worker.drain_timeout,
            permissions: config.worker.permissions.clone(),
            instance_id: format!("{:032x}", fastrand::u128(..)),
            metrics: Metrics::default(),
        })
    }
}
