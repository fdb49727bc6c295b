//! The part of people's words and identities that may leave the process.
//!
//! All recorded content goes through a [`Privacy`] before it is cut, joined or made JSON: what was said as a
//! [`Recorded`], the texts of errors, panics, and the identities in log lines. Redaction finds data that has a shape:
//! addresses, numbers, tokens. It knows no names and no street addresses.
//!
//! - `redactor`: all finders over one text, and the text that replaces their finds
//! - `email`, `phone`, `card`, `iban`, `token`: the built-in finders; `digits` reads numbers for two of them
//! - `recorded`: the type of what may be recorded. [`pattern`]: regular expressions of the operator's own
//! - `budget`: how long a text may be searched; `lanes`: the threads for searches that may take long
//! - `pseudonym`: identities as keyed hashes
//!
//! A finder of ours takes time in proportion to the text, however hostile: none looks further ahead than a fixed
//! distance. With an operator's own expression a text can take hours, so sessions have their texts searched beside the
//! runtime ([`Privacy::record`]), once, and not for longer than `LONGEST`.

mod budget;
mod card;
mod digits;
mod email;
mod iban;
mod lanes;
pub mod pattern;
mod phone;
mod pseudonym;
mod recorded;
mod redactor;
mod token;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use conversation::{Message, RulesId, Secret, Text};
use futures::future::join_all;
use serde::Deserialize;

use self::budget::{Budget, Spent};
use self::lanes::Lanes;
use self::pattern::Pattern;
use self::pseudonym::Pseudonym;
pub use self::recorded::{Recorded, RecordedMessages};
use self::redactor::Redactor;

/// How long the search of one text may take, and how long a session waits for it.
const LONGEST: Duration = Duration::from_secs(2);
/// The record of a text that was not searched to its end: no part of it, rather than a part that should not be
/// recorded.
const UNSEARCHED: &str = "[unsearched]";

/// Whether the words of people and of the model are recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CaptureContent {
    Full,
    /// They are recorded without the finds of [`Settings::builtins`] and [`Settings::patterns`].
    Redacted,
    Off,
}

/// The names of people in spans, records and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserId {
    /// Their participant identity.
    Plain,
    /// A hash of it, with a key.
    Hashed,
}

/// The settings of the rules.
#[derive(Clone, Debug)]
pub struct Settings {
    pub capture: CaptureContent,
    pub builtins: Vec<Builtin>,
    pub patterns: Vec<Pattern>,
    pub user_id: UserId,
    /// The key of the hashes.
    pub user_id_key: Option<Secret>,
}

/// The rules of one process. Cheap to clone.
#[derive(Clone)]
pub struct Privacy {
    rules: Arc<Rules>,
}

struct Rules {
    id: RulesId,
    capture: CaptureContent,
    redactor: Redactor,
    /// None: identities are shown as they are.
    pseudonym: Option<Pseudonym>,
    lanes: Lanes,
    given_up: AtomicU64,
}

// === impl Settings ===

impl Default for Settings {
    /// Everything is recorded as it is.
    fn default() -> Self {
        Self {
            capture: CaptureContent::Full,
            builtins: Builtin::ALL.to_vec(),
            patterns: Vec::new(),
            user_id: UserId::Plain,
            user_id_key: None,
        }
    }
}

// === impl Privacy ===

impl Privacy {
    pub fn new(settings: &Settings) -> Self {
        let pseudonym = match (settings.user_id, &settings.user_id_key) {
            (UserId::Plain, _) => None,
            // The configuration is refused without a key. Should one be missing all the same, no person is identified:
            // no other process can know a key made up here.
            (UserId::Hashed, key) => Some(Pseudonym::new(key.as_ref())),
        };
        let redactor = Redactor::new(&settings.builtins, &settings.patterns);
        Self::of(settings.capture, redactor, pseudonym)
    }

    fn of(capture: CaptureContent, redactor: Redactor, pseudonym: Option<Pseudonym>) -> Self {
        let (id, lanes, given_up) = (RulesId::unique(), Lanes::default(), AtomicU64::new(0));
        Self { rules: Arc::new(Rules { id, capture, redactor, pseudonym, lanes, given_up }) }
    }

    /// A text of the conversation, as it may be recorded. A search that may take long runs beside the runtime, so that
    /// other sessions go on; the result is remembered with the text. Returns after `LONGEST` at the latest.
    pub async fn record(&self, text: &Text) -> Recorded {
        Recorded::new(match self.rules.capture {
            CaptureContent::Full => Some(text.clone()),
            CaptureContent::Redacted => Some(self.redacted(text).await),
            CaptureContent::Off => None,
        })
    }

    /// Messages as they may be recorded. Each is redacted once, and not with every turn that its history is recorded
    /// in.
    pub async fn record_messages(&self, messages: &[Message]) -> RecordedMessages {
        RecordedMessages::new(match self.rules.capture {
            CaptureContent::Full => Some(messages.to_vec()),
            CaptureContent::Redacted => {
                Some(join_all(messages.iter().map(|message| self.redacted_message(message))).await)
            }
            CaptureContent::Off => None,
        })
    }

    async fn redacted_message(&self, message: &Message) -> Message {
        if let Some(known) = message.redacted(self.rules.id) {
            return known.clone();
        }
        let redacted = Message::new(message.role(), self.redacted(message.content()).await);
        message.set_redacted(self.rules.id, redacted.clone());
        redacted
    }

    async fn redacted(&self, text: &Text) -> Text {
        if let Some(known) = text.redacted(self.rules.id) {
            return known.clone();
        }
        if self.rules.redactor.is_quick(text.len()) {
            return self.searched(text);
        }
        let (privacy, searched) = (self.clone(), text.clone());
        let searching = self.rules.lanes.run(text.len(), move || privacy.searched(&searched));
        match tokio::time::timeout(LONGEST, searching).await {
            Ok(Some(redacted)) => redacted,
            _ => self.remember(text, Err(Spent)),
        }
    }

    fn searched(&self, text: &Text) -> Text {
        self.remember(text, self.search(text.expose()))
    }

    /// Keeps the first result for a text, which may have been given up while it was searched.
    fn remember(&self, text: &Text, searched: Result<String, Spent>) -> Text {
        let is_given_up = searched.is_err();
        let redacted = searched.map_or_else(|_| UNSEARCHED.into(), Text::from);
        if text.set_redacted(self.rules.id, redacted.clone()) && is_given_up {
            self.give_up();
        }
        text.redacted(self.rules.id).cloned().unwrap_or(redacted)
    }

    /// Foreign words within a message of ours, such as a provider's about an error. They may repeat what people said,
    /// so they follow the rules of speech.
    pub fn quoted(&self, words: &str) -> Option<String> {
        match self.rules.capture {
            CaptureContent::Full => Some(words.to_owned()),
            CaptureContent::Redacted => Some(self.redact(words)),
            CaptureContent::Off => None,
        }
    }

    /// The text of an error. It quotes no participant (see [`Privacy::quoted`]); should it hold personal data all the
    /// same, that is taken out, unless everything may be recorded.
    pub fn message(&self, text: &str) -> String {
        match self.rules.capture {
            CaptureContent::Full => text.to_owned(),
            CaptureContent::Redacted | CaptureContent::Off => self.redact(text),
        }
    }

    /// Texts that are recorded as `[unsearched]`, because it took too long to search them.
    pub fn given_up(&self) -> u64 {
        self.rules.given_up.load(Ordering::Relaxed)
    }

    fn redact(&self, text: &str) -> String {
        self.search(text).unwrap_or_else(|_| {
            self.give_up();
            UNSEARCHED.to_owned()
        })
    }

    fn search(&self, text: &str) -> Result<String, Spent> {
        self.rules.redactor.redact(text, &Budget::new(LONGEST))
    }

    fn give_up(&self) {
        if self.rules.given_up.fetch_add(1, Ordering::Relaxed) == 0 {
            tracing::warn!(
                "a text took longer than {} s to redact and is recorded as {UNSEARCHED}; the expressions of \
                 [telemetry] redact are too expensive for it. From now on such texts are only counted",
                LONGEST.as_secs()
            );
        }
    }

    /// A participant identity, as logs, spans and records show it.
    pub fn user(&self, identity: &str) -> String {
        match &self.rules.pseudonym {
            Some(pseudonym) => pseudonym.of(identity),
            None => identity.to_owned(),
        }
    }

    /// Whether people's words are recorded with parts taken out.
    pub fn redacts(&self) -> bool {
        self.rules.capture == CaptureContent::Redacted
    }

    /// Whether no words of people are recorded.
    pub fn is_silent(&self) -> bool {
        self.rules.capture == CaptureContent::Off
    }
}

impl From<CaptureContent> for Privacy {
    /// Every built-in finder, and identities as they are.
    fn from(capture: CaptureContent) -> Self {
        Self::of(capture, Redactor::new(Builtin::ALL, &[]), None)
    }
}

impl fmt::Debug for Privacy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user_id = if self.rules.pseudonym.is_some() { UserId::Hashed } else { UserId::Plain };
        f.debug_struct("Privacy").field("capture", &self.rules.capture).field("user_id", &user_id).finish()
    }
}

pub use self::redactor::Builtin;

#[cfg(test)]
mod tests {
    use super::*;
    use conversation::Role;

    const SAID: &str = "Write to ada@example.com";

    #[tokio::test]
    async fn a_message_is_recorded_by_the_rules_of_the_one_that_records_it() {
        let messages = [Message::new(Role::User, "ada@example.com")];
        let recorded = async |privacy: &Privacy| {
            let recorded = privacy.record_messages(&messages).await;
            recorded.as_slice().map(|shown| shown[0].wire().get().to_owned())
        };
        let [full, off, one, other] =
            [CaptureContent::Full, CaptureContent::Off, CaptureContent::Redacted, CaptureContent::Redacted]
                .map(Privacy::from);
        for _ in 0..2 {
            assert_eq!(recorded(&one).await.unwrap(), r#"{"role":"user","content":"[email]"}"#);
            assert_eq!(recorded(&other).await.unwrap(), r#"{"role":"user","content":"[email]"}"#);
        }
        assert_eq!(recorded(&full).await.unwrap(), messages[0].wire().get());
        assert_eq!(recorded(&off).await, None);
    }

    #[tokio::test]
    async fn texts_and_quotations_are_recorded_redacted_or_left_out() {
        let cases = [
            (CaptureContent::Full, Some(SAID)),
            (CaptureContent::Redacted, Some("Write to [email]")),
            (CaptureContent::Off, None),
        ];
        for (capture, expected) in cases {
            let privacy = Privacy::from(capture);
            assert_eq!(privacy.record(&SAID.into()).await.as_str(), expected, "{capture:?}");
            assert_eq!(privacy.quoted(SAID).as_deref(), expected, "{capture:?}");
        }
    }

    #[test]
    fn a_message_is_always_said_but_personal_only_when_everything_may_be() {
        assert_eq!(Privacy::from(CaptureContent::Full).message(SAID), SAID);
        for capture in [CaptureContent::Redacted, CaptureContent::Off] {
            assert_eq!(Privacy::from(capture).message(SAID), "Write to [email]");
        }
    }
}
