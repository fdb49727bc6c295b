//! A value as the operator wrote it.

use super::Misfit;

/// A value as the operator wrote it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::config) enum Raw {
    /// A value from a place that knows text only: the environment, a flag, a file. Its key decides the type.
    Untyped(String),
    /// The whole URL of the traces, to which nothing is appended.
    TracesUrl(String),
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Array(Vec<Raw>),
    /// A TOML type that no key has, by its name.
    Other(&'static str),
}

// === impl Raw ===

impl Raw {
    pub(super) fn text(&self) -> Result<&str, Misfit> {
        self.as_text().ok_or(Misfit::FORM)
    }

    fn as_text(&self) -> Option<&str> {
        match self {
            Self::Untyped(text) | Self::TracesUrl(text) | Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The value for an error message, shortened. `secret`: its type only.
    pub(in crate::config) fn found(&self, secret: bool) -> String {
        match (self, self.as_text()) {
            // The text before an @ in a URL is a password.
            (_, Some(text)) if secret || text.contains('@') => "text that is not shown here".to_owned(),
            (_, Some(text)) => shortened(text),
            _ if secret => format!("a value of type {}", self.type_name()),
            (Self::Integer(number), _) => number.to_string(),
            (Self::Float(number), _) => number.to_string(),
            (Self::Boolean(value), _) => value.to_string(),
            _ => format!("a value of type {}", self.type_name()),
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Untyped(_) | Self::TracesUrl(_) | Self::String(_) => "string",
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::Boolean(_) => "boolean",
            Self::Array(_) => "array",
            Self::Other(name) => name,
        }
    }
}

pub(in crate::config) fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
