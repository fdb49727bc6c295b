//! Keys, tokens and passwords.

use std::borrow::Cow;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_debug_nor_display_shows_the_content() {
        let secret = Secret::new("sk-very-secret");
        for shown in [format!("{secret}"), format!("{secret:?}")] {
            assert!(!shown.contains("very"), "{shown}");
        }
        assert_eq!(secret.expose(), "sk-very-secret");
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
