//! What people and models say.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// The words of a person or of the model. They may be personal, so logs show their length only. Clones share the
/// words, and their recordable form.
#[derive(Clone, Default)]
pub struct Text(Arc<Words>);

#[derive(Default)]
struct Words {
    text: Box<str>,
    redacted: OnceLock<Redacted>,
}

/// A text as it may be recorded, and by which rules.
struct Redacted {
    by: RulesId,
    text: Text,
}

/// A set of rules of redaction, distinct from every other one of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RulesId(u64);

// === impl RulesId ===

impl RulesId {
    /// An id that no other set of rules of this process has.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

// === impl Text ===

impl Text {
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(Arc::new(Words { text: text.into(), redacted: OnceLock::new() }))
    }

    /// The words themselves, for the room, the model and the exporter.
    pub fn expose(&self) -> &str {
        &self.0.text
    }

    /// Length in bytes of UTF-8.
    pub fn len(&self) -> usize {
        self.expose().len()
    }

    pub fn is_empty(&self) -> bool {
        self.expose().is_empty()
    }

    /// The form that these rules gave it before.
    pub fn redacted(&self, rules: RulesId) -> Option<&Text> {
        self.0.redacted.get().filter(|known| known.by == rules).map(|known| &known.text)
    }

    /// Remembers the form that these rules gave it; false when one is remembered already, which stays.
    pub fn set_redacted(&self, rules: RulesId, text: Text) -> bool {
        self.0.redacted.set(Redacted { by: rules, text }).is_ok()
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Text {}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{} bytes of speech]", self.len())
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_display_shows_the_content() {
        let text = Text::from("my name is Ada");
        for shown in [format!("{text}"), format!("{text:?}")] {
            assert!(!shown.contains("Ada"), "{shown}");
        }
        assert_eq!(text.expose(), "my name is Ada");
    }

    #[test]
    fn rules_find_the_form_that_they_gave_a_text_and_no_other() {
        let (text, ours, others) = (Text::from("my name is Ada"), RulesId::unique(), RulesId::unique());
        assert!(text.set_redacted(ours, "my name is [name]".into()));
        assert!(!text.set_redacted(others, "later".into()));
        assert_eq!(text.clone().redacted(ours), Some(&"my name is [name]".into()));
        assert_eq!(text.redacted(others), None);
    }
}
