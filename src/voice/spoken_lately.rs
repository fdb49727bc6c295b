//! The words that the agent spoke last, by which its echo is told from a person's words.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An echo comes within this time of its words, the recogniser's time included.
const LATELY: Duration = Duration::from_secs(15);
/// The pieces that are remembered.
const PIECES: usize = 32;

/// Shared by the mouth, which speaks, and the ear.
#[derive(Default)]
pub(crate) struct SpokenLately {
    pieces: Mutex<VecDeque<(Instant, String)>>,
}

// === impl SpokenLately ===

impl SpokenLately {
    /// The sound of a piece begins.
    pub(super) fn add(&self, now: Instant, text: &str) {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        if pieces.len() == PIECES {
            pieces.pop_front();
        }
        pieces.push_back((now, text.to_owned()));
    }

    /// The words of the last seconds, in their order.
    pub(super) fn text(&self, now: Instant) -> String {
        let mut pieces = self.pieces.lock().unwrap_or_else(PoisonError::into_inner);
        pieces.retain(|(at, _)| now.saturating_duration_since(*at) <= LATELY);
        pieces.iter().map(|(_, text)| text.as_str()).collect::<Vec<_>>().join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_forgotten_after_a_while() {
        let (lately, start) = (SpokenLately::default(), Instant::now());
        lately.add(start, "Hello.");
        lately.add(start + Duration::from_secs(10), "How are you?");
        assert_eq!(lately.text(start + Duration::from_secs(11)), "Hello. How are you?");
        assert_eq!(lately.text(start + Duration::from_secs(20)), "How are you?");
        assert_eq!(lately.text(start + Duration::from_secs(30)), "");
    }

    #[test]
    fn the_memory_is_bounded() {
        let (lately, start) = (SpokenLately::default(), Instant::now());
        (0..1000).for_each(|number| lately.add(start, &number.to_string()));
        assert!(lately.text(start).starts_with("968 "));
    }
}
