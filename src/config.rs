//! The settings of `agent.toml`, the environment and the command line, as values that cannot be wrong.
//!
//! Every key is defined once, in its section's file below `config/sections`: the field, its type, kind, default,
//! documentation, the environment variables that also set it, and whether a running worker takes a new value. The
//! defaults, the reference `agent.toml`, the hints for mistyped keys and the listing of `voiced config` all come from
//! there.
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
mod dotenv;
mod duration;
mod env;
mod error;
mod exposure;
mod file;
mod flags;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod gateway;
mod hint;
mod key;
mod kind;
mod listing;
mod load;
mod needs;
mod openai_key;
mod origin;
mod otel;
mod sections;
mod setting;
mod settings;
mod state;
mod template;
mod variables;

pub use self::change::Changes;
pub use self::duration::{DurationError, parse as parse_duration};
pub use self::env::Env;
pub use self::error::{ConfigError, EX_CONFIG};
pub use self::listing::{Listed, Shown};
pub use self::load::{LoadArgs, Loaded, load};
pub use self::needs::Credentials;
pub use self::otel::{Ignored, Purpose};
pub use self::sections::{
    Agent, Config, Http, Interruption, Livekit, Llm, LlmProvider, MaxTokensField, Network, SpeechProvider,
    Store, Stt, Telemetry, Tts, Turn, UsageInStream, Vad, VadProvider, Worker,
};
pub(crate) use self::settings::STORE_NAMES;
pub use self::settings::WORKER_NAMES;
pub use self::template::agent_toml;
pub use agent_worker::Permission;
pub use outbound::ProxyUrl;
pub use redaction::{CaptureContent, UserId};
pub use turn_store::TraceUrl;
