//! What may leave the process of what people said and who they are.
//!
//! Everything that is recorded goes through a [`Privacy`] before it is cut, joined or made JSON: spans, the texts of
//! errors, panics, and the identities in log lines. Redaction finds what has a shape: addresses, numbers, tokens. It
//! knows no names and no street addresses.
//!
//! - `redactor`: all finders over one text, and what stands in the places they found
//! - `email`, `phone`, `card`, `iban`, `token`: the built-in finders; `digits` reads numbers for two of them
//! - [`pattern`]: regular expressions of the operator's own
//! - `budget`: how long a text may be searched; `lanes`: the threads for what may take long
//! - `pseudonym`: identities as keyed hashes
//!
//! A finder of ours takes time in proportion to the text, however hostile: none looks further ahead than a fixed distance.
//! With an expression of somebody else's a text can take hours, so sessions have what was said searched beside the
//! runtime ([`Privacy::prepare`]), once, and not for longer than `LONGEST`.

mod budget;
mod card;
mod digits;
mod email;
mod iban;
mod lanes;
pub mod pattern;
mod phone;
mod pseudonym;
mod redactor;
mod token;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use self::budget::{Budget, Spent};
use self::lanes::Lanes;
use self::pseudonym::Pseudonym;
use self::redactor::Redactor;
use crate::config::{self, CaptureContent, UserId};
use crate::secret::Speech;

/// How long the search of one text may take, and how long a session waits for it.
const LONGEST: Duration = Duration::from_secs(2);
/// What is recorded of a text that was not searched to its end: nothing, rather than what should not be.
const UNSEARCHED: &str = "[unsearched]";

/// The rules of one process. Cheap to clone.
#[derive(Clone)]
pub struct Privacy {
    rules: Arc<Rules>,
}

struct Rules {
    capture: CaptureContent,
    redactor: Redactor,
    /// None: identities are shown as they are.
    pseudonym: Option<Pseudonym>,
    lanes: Lanes,
    given_up: AtomicU64,
}

// === impl Privacy ===

impl Privacy {
    pub fn new(config: &config::Telemetry) -> Self {
        let pseudonym = match (config.user_id, &config.user_id_key) {
            (UserId::Plain, _) => None,
            // The configuration is refused without a key. Should one be missing all the same, nobody is named: no
            // other process can know a key made up here.
            (UserId::Hashed, key) => Some(Pseudonym::new(key.as_ref())),
        };
        let redactor = Redactor::new(&config.redact_builtins, &config.redact);
        Self::of(config.capture_content, redactor, pseudonym)
    }

    fn of(capture: CaptureContent, redactor: Redactor, pseudonym: Option<Pseudonym>) -> Self {
        let (lanes, given_up) = (Lanes::default(), AtomicU64::new(0));
        Self { rules: Arc::new(Rules { capture, redactor, pseudonym, lanes, given_up }) }
    }

    /// What somebody said, as it may be recorded. None: not at all.
    pub fn said(&self, speech: &Speech) -> Option<String> {
        if !self.redacts() {
            return self.quoted(speech.expose());
        }
        if let Some(known) = speech.redacted(self) {
            return Some(known.to_owned());
        }
        let searched = self.search(speech.expose());
        let redacted = searched.as_deref().unwrap_or(UNSEARCHED);
        if speech.set_redacted(self, redacted) && searched.is_err() {
            self.give_up();
        }
        // Whoever waited may have given it up meanwhile.
        Some(speech.redacted(self).unwrap_or(redacted).to_owned())
    }

    /// Does beforehand what [`Privacy::said`] would have to do, beside the runtime when it may take long: other sessions
    /// go on meanwhile. Returns after `LONGEST` at the latest.
    pub async fn prepare(&self, speech: &Speech) {
        if !self.redacts() || speech.is_empty() || speech.redacted(self).is_some() {
            return;
        }
        if self.rules.redactor.is_quick(speech.len()) {
            self.said(speech);
            return;
        }
        let (privacy, text) = (self.clone(), speech.clone());
        let searched = self.rules.lanes.run(speech.len(), move || privacy.said(&text));
        let in_time = matches!(tokio::time::timeout(LONGEST, searched).await, Ok(Some(_)));
        if !in_time && speech.set_redacted(self, UNSEARCHED) {
            self.give_up();
        }
    }

    /// Somebody else's words within a message of ours, such as a provider's about an error. They may repeat what
    /// people said, so they follow the rules of speech.
    pub fn quoted(&self, words: &str) -> Option<String> {
        match self.rules.capture {
            CaptureContent::Full => Some(words.to_owned()),
            CaptureContent::Redacted => Some(self.redact(words)),
            CaptureContent::Off => None,
        }
    }

    /// The text of an error. It quotes nobody (see [`Privacy::quoted`]); should it hold personal data all the same,
    /// that is taken out, unless everything may be recorded.
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

    /// Whether what people said is recorded with parts taken out.
    pub(crate) fn redacts(&self) -> bool {
        self.rules.capture == CaptureContent::Redacted
    }

    /// Whether nothing that people said is recorded.
    pub(crate) fn is_silent(&self) -> bool {
        self.rules.capture == CaptureContent::Off
    }

    /// Whether these are the same rules, so that what one has redacted need not be redacted again.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.rules, &other.rules)
    }
}

impl From<CaptureContent> for Privacy {
    /// With every built-in finder, and identities as they are.
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

    const SAID: &str = "Write to ada@example.com";

    #[test]
    fn speech_and_quotations_are_kept_redacted_or_left_out() {
        let cases = [
            (CaptureContent::Full, Some(SAID)),
            (CaptureContent::Redacted, Some("Write to [email]")),
            (CaptureContent::Off, None),
        ];
        for (capture, expected) in cases {
            let privacy = Privacy::from(capture);
            assert_eq!(privacy.said(&SAID.into()).as_deref(), expected, "{capture:?}");
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
