//! The sections of `agent.toml`, a file each, in which every key is defined once.

mod agent;
mod http;
mod livekit;
mod llm;
mod network;
mod speech;
mod store;
mod telemetry;
mod worker;

use figment::value::{Dict, Value};

pub use self::agent::Agent;
pub use self::http::Http;
pub use self::livekit::Livekit;
pub use self::llm::{Llm, LlmProvider, MaxTokensField, UsageInStream};
pub use self::network::Network;
pub use self::speech::{Interruption, SpeechProvider, Stt, Tts, Turn, Vad, VadProvider};
pub use self::store::Store;
pub use self::telemetry::Telemetry;
pub use self::worker::Worker;
use super::key::{Key, Section};

/// A key or section that later versions know: refused as such, not as a typing mistake.
pub(super) struct Later {
    pub(super) path: &'static str,
    pub(super) feature: &'static str,
}

pub(super) const LATER: &[Later] = &[Later { path: "llm.fallback", feature: "a fallback model" }];

macro_rules! configuration {
    ($($field:ident: $section:ident,)*) => {
        /// The whole configuration, validated.
        #[derive(Clone, Debug)]
        pub struct Config {
            $(pub $field: $section,)*
        }

        pub(super) const SECTIONS: &[Section] = &[$($section::SECTION,)*];

        impl Config {
            /// The configuration of the values in these sections.
            pub(super) fn of(sections: &Dict) -> Result<Self, figment::Error> {
                let section = |name: &str| sections.get(name).and_then(Value::as_dict);
                let none = Dict::new();
                Ok(Self { $($field: $section::of(section(stringify!($field)).unwrap_or(&none))?,)* })
            }

            /// This configuration with the values of `next` for the keys that may change while the worker runs: those
            /// that [`Changes::live`](super::Changes) names.
            pub fn renewed(&self, next: &Self) -> Self {
                Self { $($field: self.$field.renewed(&next.$field),)* }
            }
        }
    };
}

// In the order of agent.toml.
configuration! {
    livekit: Livekit,
    worker: Worker,
    agent: Agent,
    llm: Llm,
    stt: Stt,
    tts: Tts,
    vad: Vad,
    turn: Turn,
    interruption: Interruption,
    telemetry: Telemetry,
    store: Store,
    http: Http,
    network: Network,
}

pub(super) fn all() -> impl Iterator<Item = &'static Key> {
    SECTIONS.iter().flat_map(|section| section.keys)
}

pub(super) fn by_path(path: &str) -> Option<&'static Key> {
    all().find(|key| key.path == path)
}
