//! Whether the model may have to be loaded first: local servers unload models that were idle for a while.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Ollama keeps a model for five minutes.
const KEPT_LOADED: Duration = Duration::from_secs(5 * 60);

/// The time of a server's last token, to any session.
#[derive(Debug, Default)]
pub(super) struct Warmth(Mutex<Option<Instant>>);

// === impl Warmth ===

impl Warmth {
    /// Whether no token has come since the start, or for a while.
    pub(super) fn is_cold(&self, now: Instant) -> bool {
        let last = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_none_or(|last| now.saturating_duration_since(last) >= KEPT_LOADED)
    }

    pub(super) fn note_token(&self, now: Instant) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_is_cold_until_its_first_token_and_after_five_minutes() {
        let (warmth, now) = (Warmth::default(), Instant::now());
        assert!(warmth.is_cold(now));
        warmth.note_token(now);
        assert!(!warmth.is_cold(now) && !warmth.is_cold(now + KEPT_LOADED / 2));
        assert!(warmth.is_cold(now + KEPT_LOADED));
    }
}
