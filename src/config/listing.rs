//! The effective configuration as it may be shown: each value with its source, no secret.

use figment::value::Value;
use serde_json::json;

use super::key::Key;
use super::setting::{Said, Setting};

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
            Said::Wrong(_) => Self::Unset,
            Said::File(_) => Self::Secret,
            Said::Value(read) if matches!(read.notation, Value::Empty(..)) => Self::Unset,
            Said::Value(read) => setting.key.kind.shown(&read.notation),
        }
    }

    /// A value that is no secret.
    pub(super) fn plain(notation: &Value) -> Self {
        Self::Plain(plain(notation))
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
