//! The effective configuration as it may be shown: each value with its source, no secret.

use figment::value::Value;
use serde_json::json;

use super::ProxyUrl;
use super::keys::Key;
use super::kind::Kind;
use super::setting::{Said, Setting};
use crate::telemetry::endpoint;

/// One key of the effective configuration.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    pub section: &'static str,
    pub name: &'static str,
    pub value: Shown,
    /// "default", "agent.toml:12", "env LIVEKIT_URL", "--set" and the like.
    pub source: String,
}

/// The part of a value that may be shown.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    Unset,
    /// Set, and secret.
    Secret,
    /// The names of headers; their values are secret.
    Headers(Vec<String>),
    Plain(serde_json::Value),
}

// === impl Listed ===

impl Listed {
    pub(super) fn new(key: &'static Key, setting: Option<&Setting>) -> Self {
        Self {
            section: key.section(),
            name: key.name(),
            value: setting.map_or(Shown::Unset, Shown::new),
            source: setting.map_or("default".to_owned(), |setting| setting.origin.short()),
        }
    }
}

// === impl Shown ===

impl Shown {
    fn new(setting: &Setting) -> Self {
        match &setting.said {
            Said::Value(Value::Empty(..)) => Self::Unset,
            Said::Value(Value::String(_, text)) if setting.key.is_headers() => Self::headers(text),
            Said::Wrong(_) => Self::Unset,
            Said::File(_) => Self::Secret,
            Said::Value(_) if setting.key.kind.is_secret() => Self::Secret,
            Said::Value(Value::String(_, text)) if matches!(setting.key.kind, Kind::Proxy) => Self::Plain(
                json!(ProxyUrl::parse(text).map_or_else(|_| text.clone(), |proxy| proxy.to_string())),
            ),
            Said::Value(value) => Self::Plain(plain(value)),
        }
    }

    fn headers(text: &str) -> Self {
        let names: Vec<String> =
            endpoint::parse_headers(text).unwrap_or_default().into_iter().map(|(name, _)| name).collect();
        if names.is_empty() { Self::Unset } else { Self::Headers(names) }
    }
}

fn plain(value: &Value) -> serde_json::Value {
    match value {
        Value::Array(_, items) => items.iter().map(plain).collect(),
        Value::String(_, text) => json!(text),
        Value::Bool(_, value) => json!(value),
        // JSON has one kind of number; 0.7 must not come out as 0.699999988.
        Value::Num(_, number) => match number.to_f64() {
            Some(float) => json!(float),
            None => number.to_i128().map_or(serde_json::Value::Null, |whole| json!(whole as i64)),
        },
        _ => serde_json::Value::Null,
    }
}
