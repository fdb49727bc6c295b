//! What may leave the process of what people said and who they are.
//!
//! Everything that is recorded goes through a [`Privacy`] before it is cut, joined or made JSON: spans, the texts of
//! errors, panics, and the identities in log lines. Redaction finds what has a shape: addresses, numbers, tokens. It
//! knows no names and no street addresses.
//!
//! - `redactor`: all finders over one text, and what stands in the places they found
//! - `email`, `phone`, `card`, `iban`, `token`: the built-in finders; `digits` reads numbers for two of them
//! - [`pattern`]: regular expressions of the operator's own
//! - `pseudonym`: identities as keyed hashes
//!
//! A finder takes time in proportion to the text, however hostile: none looks further ahead than a fixed distance.

mod card;
mod digits;
mod email;
mod iban;
pub mod pattern;
mod phone;
mod pseudonym;
mod redactor;
mod token;

use std::fmt;
use std::sync::Arc;

use self::pseudonym::Pseudonym;
use self::redactor::Redactor;
use crate::config::{self, CaptureContent, UserId};
use crate::secret::Speech;

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
        Self { rules: Arc::new(Rules { capture: config.capture_content, redactor, pseudonym }) }
    }

    /// What somebody said, as it may be recorded. None: not at all.
    pub fn said(&self, speech: &Speech) -> Option<String> {
        self.quoted(speech.expose())
    }

    /// Somebody else's words within a message of ours, such as a provider's about an error. They may repeat what
    /// people said, so they follow the rules of speech.
    pub fn quoted(&self, words: &str) -> Option<String> {
        match self.rules.capture {
            CaptureContent::Full => Some(words.to_owned()),
            CaptureContent::Redacted => Some(self.rules.redactor.redact(words)),
            CaptureContent::Off => None,
        }
    }

    /// The text of an error. It quotes nobody (see [`Privacy::quoted`]); should it hold personal data all the same,
    /// that is taken out, unless everything may be recorded.
    pub fn message(&self, text: &str) -> String {
        match self.rules.capture {
            CaptureContent::Full => text.to_owned(),
            CaptureContent::Redacted | CaptureContent::Off => self.rules.redactor.redact(text),
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
        let redactor = Redactor::new(Builtin::ALL, &[]);
        Self { rules: Arc::new(Rules { capture, redactor, pseudonym: None }) }
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
