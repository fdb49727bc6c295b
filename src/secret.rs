//! Strings that do not print: secrets, and what people said.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;

/// A key, token or password. `Debug` and `Display` never show it; `expose` is the one way to read it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(Arc<str>);

/// Something a person or the model said. It may be personal, so logs show its length only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Speech(Arc<str>);

// === impl Secret ===

impl Secret {
    pub fn new(value: impl Into<Arc<str>>) -> Self {
        Self(value.into())
    }

    /// The secret itself, for the one call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

// === impl Speech ===

impl Speech {
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// The words themselves, for the room, the model and the exporter.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Length in bytes of UTF-8.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Speech {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Speech {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Speech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes of speech]", self.0.len())
    }
}

impl fmt::Display for Speech {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_display_shows_the_content() {
        let secret = Secret::new("sk-very-secret");
        let speech = Speech::from("my name is Ada");
        for shown in [format!("{secret}"), format!("{secret:?}"), format!("{speech}"), format!("{speech:?}")]
        {
            assert!(!shown.contains("very") && !shown.contains("Ada"), "{shown}");
        }
        assert_eq!(speech.expose(), "my name is Ada");
    }
}
