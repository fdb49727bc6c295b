//! Strings that do not print: secrets, and people's words.

use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use serde::Deserialize;

/// A key, token or password. `Debug` and `Display` never show it; `expose` is the one way to read it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(Arc<str>);

/// All secrets that a foreign text could hold: a log line of a library, the words of a server. Cheap to clone, and
/// clones share secrets that are added later.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    words: Arc<RwLock<Vec<Secret>>>,
}

/// The words of a person or of the model. They may be personal, so logs show their length only. Clones share the
/// words, and their recordable form.
#[derive(Clone, Default)]
pub struct Speech(Arc<Words>);

#[derive(Default)]
struct Words {
    text: Box<str>,
    redacted: OnceLock<Redacted>,
}

/// A text as it may be recorded, and by which rules.
struct Redacted {
    by: RulesId,
    text: Box<str>,
}

/// A set of rules of redaction, distinct from every other one of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RulesId(u64);

// === impl RulesId ===

impl RulesId {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

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

// === impl Secrets ===

impl Secrets {
    /// A shorter word is a scheme or a name (`Basic`, `default`), and taking it out would spoil every text.
    const LEAST_BYTES: usize = 8;
    /// The most words; beyond it the oldest are forgotten: those of a configuration that was replaced many times since.
    const MOST_WORDS: usize = 256;

    /// The text without the secrets.
    pub fn taken_out<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let words = self.words.read().unwrap_or_else(PoisonError::into_inner);
        let held = words.iter().filter(|word| text.contains(word.expose()));
        held.fold(Cow::Borrowed(text), |text, word| text.replace(word.expose(), "[secret]").into())
    }

    /// From now on `others` are taken out as well, also by clones of this value.
    pub fn add(&self, others: &Self) {
        // The words are copied first: the two may share a lock.
        let others = others.words.read().unwrap_or_else(PoisonError::into_inner).clone();
        let mut words = self.words.write().unwrap_or_else(PoisonError::into_inner);
        for other in others {
            words.retain(|word| *word != other);
            words.push(other);
        }
        let surplus = words.len().saturating_sub(Self::MOST_WORDS);
        words.drain(..surplus);
    }
}

impl FromIterator<Secret> for Secrets {
    /// The secrets are taken word by word, because the scheme in front of a token may be missing where the token turns
    /// up.
    fn from_iter<I: IntoIterator<Item = Secret>>(secrets: I) -> Self {
        let words = |secret: Secret| {
            let words = secret.expose().split_whitespace().filter(|word| word.len() >= Self::LEAST_BYTES);
            words.map(Secret::new).collect::<Vec<_>>()
        };
        Self { words: Arc::new(RwLock::new(secrets.into_iter().flat_map(words).collect())) }
    }
}

// === impl Speech ===

impl Speech {
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
    pub(crate) fn redacted(&self, rules: RulesId) -> Option<&str> {
        self.0.redacted.get().filter(|known| known.by == rules).map(|known| &*known.text)
    }

    /// Remembers the form that these rules gave it; false when one is remembered already, which stays.
    pub(crate) fn set_redacted(&self, rules: RulesId, text: &str) -> bool {
        self.0.redacted.set(Redacted { by: rules, text: text.into() }).is_ok()
    }
}

impl PartialEq for Speech {
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Speech {}

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
        write!(f, "[{} bytes of speech]", self.len())
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

    #[test]
    fn secrets_are_taken_out_of_a_text_word_by_word() {
        let secrets: Secrets = ["Basic dXNlcjpwYXNz", "key"].map(Secret::new).into_iter().collect();
        assert_eq!(secrets.taken_out("bad dXNlcjpwYXNz, a Basic key"), "bad [secret], a Basic key");
        assert!(matches!(secrets.taken_out("nothing"), Cow::Borrowed("nothing")));
    }

    #[test]
    fn clones_know_secrets_that_are_added_later_and_the_newest_of_very_many() {
        let secrets: Secrets = [Secret::new("first-secret")].into_iter().collect();
        let clone = secrets.clone();
        let numbered = |number| Secret::new(format!("secret-number-{number:03}"));
        for number in 0..Secrets::MOST_WORDS - 1 {
            secrets.add(&[numbered(number)].into_iter().collect());
        }
        assert_eq!(clone.taken_out("first-secret secret-number-254"), "[secret] [secret]");
        secrets.add(&[numbered(Secrets::MOST_WORDS)].into_iter().collect());
        assert_eq!(clone.taken_out("first-secret secret-number-256"), "first-secret [secret]");
    }
}
