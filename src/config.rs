//! The settings of `agent.toml`, the environment and the command line, as values that cannot be wrong.
//!
//! Every key is defined once, in `config/keys.rs`: its kind, default, documentation and the environment variables that
//! also set it. The defaults, the reference `agent.toml`, the hints for mistyped keys and the listing of
//! `voiced config` all come from there.
//!
//! Sources in order, later wins:
//!
//! 1. the built-in defaults;
//! 2. `agent.toml`: `--config`, else `$VOICED_CONFIG`, else `./agent.toml`, else `/etc/voiced/agent.toml`;
//! 3. systemd credentials, `$CREDENTIALS_DIRECTORY/<section>_<key>`, for secrets;
//! 4. the environment, in which a `.env` file of the working directory fills what is unset. `VOICED_<SECTION>__<KEY>`
//!    beats the variable by which other programs know the same setting (`LIVEKIT_URL`, `OTEL_SERVICE_NAME`);
//! 5. `--set SECTION.KEY=VALUE`, the last of a key.
//!
//! A secret may also be the content of a file: `api_secret_file` beside `api_secret`, in every one of these sources.

mod change;
mod de;
mod dotenv;
mod duration;
mod env;
mod error;
mod exposure;
mod file;
mod flags;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod hint;
mod keys;
mod kind;
mod listing;
mod load;
mod needs;
mod origin;
mod otel;
mod setting;
mod settings;
mod state;
mod template;
mod variables;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use conversation::Secret;
use redaction::{Builtin, pattern::Pattern};
use serde::Deserialize;
use url::Url;

pub use self::change::Changes;
pub use self::duration::parse as parse_duration;
pub use self::env::Env;
pub use self::error::{ConfigError, EX_CONFIG};
pub use self::listing::{Listed, Shown};
pub use self::load::{LoadArgs, Loaded, load};
pub use self::needs::Credentials;
pub use self::otel::{Ignored, Purpose};
pub(crate) use self::settings::STORE_NAMES;
pub use self::settings::WORKER_NAMES;
pub use self::template::agent_toml;
use crate::metrics::Temporality;
pub use agent_worker::Permission;
pub use outbound::ProxyUrl;
pub use redaction::{CaptureContent, UserId};
pub use turn_store::TraceUrl;

/// The whole configuration, validated.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    pub livekit: Livekit,
    pub worker: Worker,
    pub agent: Agent,
    pub llm: Llm,
    pub telemetry: Telemetry,
    pub store: Store,
    pub http: Http,
    pub network: Network,
}

/// `[livekit]`: the server and the key pair that signs our tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Livekit {
    /// `ws`, `wss`, `http` or `https`.
    #[serde(deserialize_with = "de::url")]
    pub url: Url,
    pub api_key: Option<String>,
    pub api_secret: Option<Secret>,
}

/// `[worker]`: the offer of this process to take jobs.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Worker {
    /// Empty: automatic dispatch to every new room. Set: explicit dispatch by this name only.
    pub agent_name: String,
    pub max_sessions: u32,
    #[serde(deserialize_with = "de::duration")]
    pub drain_timeout: Duration,
    /// The rights of the agent participant in a room.
    pub permissions: Vec<Permission>,
    /// The directory in which running sessions are written down for the next process; None: they are not.
    #[serde(default, deserialize_with = "de::optional_path")]
    pub recovery_dir: Option<PathBuf>,
}

/// `[agent]`: the agent's name and words, and how much of the conversation it remembers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Agent {
    /// The participant's display name and `lk.agent.name`.
    pub name: String,
    pub instructions: String,
    /// Said when the session starts; nothing is said when empty.
    pub greeting: String,
    /// Said when a call failed; nothing is said when empty.
    pub apology: String,
    /// Said when a session goes on after a crash or a lost connection; nothing is said when empty.
    pub resume_notice: String,
    /// How many past turns the model sees.
    pub history_turns: usize,
    /// How many estimated tokens of past turns the model sees.
    pub history_tokens: u64,
    /// A longer user turn is refused, counted and logged. Bytes of UTF-8.
    pub max_turn_bytes: usize,
    /// How long a session stays after the last person left.
    #[serde(deserialize_with = "de::duration")]
    pub leave_grace: Duration,
}

/// `[llm]`: the model that answers, and the limits of the wait for it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Llm {
    /// Base URL of an OpenAI-compatible API, with its `/v1`.
    #[serde(deserialize_with = "de::url")]
    pub base_url: Url,
    /// Local servers need none.
    pub api_key: Option<Secret>,
    pub model: String,
    pub temperature: Option<f32>,
    pub max_tokens: Option<u32>,
    pub max_tokens_field: MaxTokensField,
    pub usage_in_stream: UsageInStream,
    /// Whether thoughts within a reply are said.
    pub show_thinking: bool,
    /// TCP and TLS.
    #[serde(deserialize_with = "de::duration")]
    pub connect_timeout: Duration,
    /// From sending the request to the first token.
    #[serde(deserialize_with = "de::duration")]
    pub first_token_timeout: Duration,
    /// The same where the model may have to be loaded first.
    #[serde(deserialize_with = "de::duration")]
    pub cold_first_token_timeout: Duration,
    /// Between two tokens.
    #[serde(deserialize_with = "de::duration")]
    pub stall_timeout: Duration,
    /// All attempts and waits of one turn.
    #[serde(deserialize_with = "de::duration")]
    pub total_timeout: Duration,
    /// Attempts per turn, the first included.
    pub max_attempts: u32,
    /// A longer reply is cut there, counted and logged. Bytes of UTF-8.
    pub max_reply_bytes: usize,
}

/// The name by which a server is told the limit of a reply's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// The name that its host suggests, until it refuses that.
    Auto,
    MaxTokens,
    MaxCompletionTokens,
}

/// Whether a server is asked to count tokens in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageInStream {
    /// The server is asked until it refuses that.
    Auto,
    Always,
    Never,
}

/// `[telemetry]`: the receiver of the traces, and their content.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Telemetry {
    /// `OTEL_SDK_DISABLED=true` clears this.
    pub enabled: bool,
    /// Whether traces are exported.
    pub traces: bool,
    pub service_name: String,
    /// `OTEL_RESOURCE_ATTRIBUTES`, decoded.
    #[serde(deserialize_with = "de::attributes")]
    pub resource_attributes: Vec<(String, String)>,
    /// The full URL that traces are posted to, `/v1/traces` included. None: traces are not exported.
    #[serde(deserialize_with = "de::optional_url")]
    pub otlp_endpoint: Option<Url>,
    /// Header names and values, decoded. Values are secrets.
    #[serde(default, deserialize_with = "de::headers")]
    pub otlp_headers: Vec<(String, Secret)>,
    #[serde(deserialize_with = "de::duration")]
    pub otlp_timeout: Duration,
    #[serde(rename = "otlp_compression", deserialize_with = "de::gzip")]
    pub otlp_gzip: bool,
    /// The directory in which traces wait for their receiver. None: they wait in memory only.
    #[serde(default, deserialize_with = "de::optional_path")]
    pub spool_dir: Option<PathBuf>,
    /// The most bytes that wait there; the oldest traces make room.
    pub spool_max_bytes: u64,
    /// Older traces are dropped.
    #[serde(deserialize_with = "de::duration")]
    pub spool_max_age: Duration,
    pub capture_content: CaptureContent,
    /// The built-in finders that `Redacted` uses.
    pub redact_builtins: Vec<Builtin>,
    /// The operator's own patterns, which it takes out besides.
    #[serde(deserialize_with = "de::patterns")]
    pub redact: Vec<Pattern>,
    pub user_id: UserId,
    /// Set when `user_id` is `Hashed`.
    pub user_id_key: Option<Secret>,
    /// Whether metrics are pushed over OTLP.
    pub metrics: bool,
    /// None: beside the traces.
    #[serde(default, deserialize_with = "de::url_or_none")]
    pub metrics_endpoint: Option<Url>,
    /// None, as the two below: the settings of traces.
    #[serde(default, deserialize_with = "de::optional_headers")]
    pub metrics_headers: Option<Vec<(String, Secret)>>,
    #[serde(default, deserialize_with = "de::optional_duration")]
    pub metrics_timeout: Option<Duration>,
    #[serde(default, rename = "metrics_compression", deserialize_with = "de::optional_gzip")]
    pub metrics_gzip: Option<bool>,
    #[serde(deserialize_with = "de::duration")]
    pub metrics_interval: Duration,
    pub metrics_temporality: Temporality,
    /// Whether the log is sent over OTLP, besides to stderr.
    pub logs: bool,
    /// None: beside the traces.
    #[serde(default, deserialize_with = "de::url_or_none")]
    pub logs_endpoint: Option<Url>,
    /// None, as the two below: the settings of traces.
    #[serde(default, deserialize_with = "de::optional_headers")]
    pub logs_headers: Option<Vec<(String, Secret)>>,
    #[serde(default, deserialize_with = "de::optional_duration")]
    pub logs_timeout: Option<Duration>,
    #[serde(default, rename = "logs_compression", deserialize_with = "de::optional_gzip")]
    pub logs_gzip: Option<bool>,
}

/// `[store]`: the local record of sessions and turns.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// None: nothing is recorded.
    #[serde(default, deserialize_with = "de::optional_path")]
    pub path: Option<PathBuf>,
    /// Older turns are deleted.
    #[serde(deserialize_with = "de::duration")]
    pub retention: Duration,
    /// When the file holds more, the oldest turns are deleted.
    pub max_bytes: u64,
}

/// `[http]`: health, status and the record's pages.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// None: no listener.
    #[serde(deserialize_with = "de::listen")]
    pub listen: Option<SocketAddr>,
    /// The token that a client must send to see sessions. None: clients on loopback need none, and clients beyond it
    /// see no sessions.
    pub token: Option<Secret>,
    /// The page that shows a trace.
    #[serde(default, deserialize_with = "de::trace_url")]
    pub trace_url: Option<TraceUrl>,
}

/// `[network]`: the authorities that our connections trust, and the proxies that they go through.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Network {
    /// Certificates of authorities that are trusted besides the system's, in PEM.
    #[serde(default, deserialize_with = "de::optional_path")]
    pub ca_file: Option<PathBuf>,
    /// For `https` and `wss`.
    #[serde(default, deserialize_with = "de::proxy")]
    pub https_proxy: Option<ProxyUrl>,
    /// For `http` and `ws`.
    #[serde(default, deserialize_with = "de::proxy")]
    pub http_proxy: Option<ProxyUrl>,
    /// The hosts that are reached without a proxy, in the notation of `NO_PROXY`.
    pub no_proxy: String,
}

// === impl Llm ===

impl Llm {
    /// How long the first token may take. `is_cold`: the model may have to be loaded first.
    pub(crate) fn first_token_limit(&self, is_cold: bool) -> Duration {
        let cold = if is_cold { self.cold_first_token_timeout } else { Duration::ZERO };
        self.first_token_timeout.max(cold)
    }
}

// === for tests ===

#[cfg(test)]
impl Llm {
    /// Settings of a model at this URL, for unit tests.
    pub(crate) fn at(base_url: &str) -> Self {
        Self {
            base_url: base_url.parse().unwrap(),
            api_key: None,
            model: "gpt-x".into(),
            temperature: None,
            max_tokens: None,
            max_tokens_field: MaxTokensField::Auto,
            usage_in_stream: UsageInStream::Auto,
            show_thinking: false,
            connect_timeout: Duration::from_secs(5),
            first_token_timeout: Duration::from_secs(8),
            cold_first_token_timeout: Duration::from_secs(60),
            stall_timeout: Duration::from_secs(10),
            total_timeout: Duration::from_secs(60),
            max_attempts: 3,
            max_reply_bytes: 1 << 20,
        }
    }
}
