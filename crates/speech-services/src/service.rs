//! The settings that both parts have: a provider's API, and how long it is waited for.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use conversation::Secret;
use url::Url;

/// A provider's API, the model that is asked there, and the limits of a request.
#[derive(Clone, Debug)]
pub struct Service {
    /// The API's address with its version, as in `https://api.example/v1`.
    pub base_url: Url,
    pub api_key: Option<Secret>,
    pub model: String,
    /// The limit of an attempt: for the whole transcript, or for the first audio.
    pub timeout: Duration,
    /// Attempts at a request, the first included.
    pub max_attempts: u32,
    pub quoting: Quoting,
    pub names: Names,
}

/// What the settings are called, for messages to the program's users.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names {
    pub base_url: &'static str,
    pub api_key: &'static str,
    pub model: &'static str,
    pub voice: &'static str,
    pub sample_rate: &'static str,
    pub timeout: &'static str,
    pub ca_file: &'static str,
}

/// Whether, and in which form, a provider's own words about an error may stand in a message.
///
/// The crate itself leaves them out when they hold the key, or the text that was to be spoken. What else may be personal
/// the program decides, which knows its rules of redaction.
#[derive(Clone)]
pub struct Quoting(Arc<Rules>);

type Rules = dyn Fn(&str) -> Option<String> + Send + Sync;

// === impl Service ===

impl Service {
    /// A service with the usual limits, without a key.
    pub fn new(base_url: Url, model: impl Into<String>) -> Self {
        Self {
            base_url,
            api_key: None,
            model: model.into(),
            timeout: Duration::from_secs(5),
            max_attempts: 2,
            quoting: Quoting::default(),
            names: Names::default(),
        }
    }
}

// === impl Names ===

impl Default for Names {
    /// The names of the fields.
    fn default() -> Self {
        Self {
            base_url: "base_url",
            api_key: "api_key",
            model: "model",
            voice: "voice",
            sample_rate: "sample_rate",
            timeout: "timeout",
            ca_file: "ca_file",
        }
    }
}

// === impl Quoting ===

impl Quoting {
    /// `allowed` returns the words as they may be shown; None: not at all.
    pub fn new(allowed: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self(Arc::new(allowed))
    }

    pub(crate) fn allowed(&self, words: &str) -> Option<String> {
        (self.0)(words)
    }
}

impl Default for Quoting {
    /// The words as they are.
    fn default() -> Self {
        Self::new(|words| Some(words.to_owned()))
    }
}

impl fmt::Debug for Quoting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Quoting")
    }
}
