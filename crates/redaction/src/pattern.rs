//! Regular expressions of the operator's own. One search takes time in proportion to the text and to the compiled
//! pattern, whatever they are; all searches of a text together may take the square of its length.

use std::ops::Range;

use regex::{Regex, RegexBuilder};
use serde::Deserialize;
use thiserror::Error;

use super::budget::{Budget, Spent};

/// How many there may be: each reads every text once.
pub const MOST: usize = 64;
/// A longer one is no pattern that an operator wrote.
const MAX_BYTES: usize = 1024;
/// The most bytes of a compiled pattern. Repeated classes of all of Unicode make one large.
const MAX_COMPILED_BYTES: usize = 1 << 18;

/// A compiled pattern.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Pattern(Regex);

/// The reason why a pattern is refused, for the person who wrote it.
#[derive(Debug, Error)]
pub enum PatternError {
    #[error("it is longer than {MAX_BYTES} bytes")]
    TooLong,
    #[error(
        "compiled it is larger than {MAX_COMPILED_BYTES} bytes: repeat less, or write [0-9] for \\d and [A-Za-z] for \\w"
    )]
    TooLarge,
    #[error("it matches the empty text, so it would match everywhere")]
    MatchesNothing,
    #[error("{0}")]
    Syntax(String),
}

// === impl Pattern ===

impl Pattern {
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_BYTES {
            return Err(PatternError::TooLong);
        }
        let regex = RegexBuilder::new(text).size_limit(MAX_COMPILED_BYTES).build()?;
        if regex.is_match("") { Err(PatternError::MatchesNothing) } else { Ok(Self(regex)) }
    }

    pub(super) fn find(&self, text: &str, budget: &Budget) -> Result<Vec<Range<usize>>, Spent> {
        let mut places = Vec::new();
        for found in self.0.find_iter(text) {
            budget.check(places.len())?;
            // An anchor or a word boundary is empty only within a text.
            places.extend((!found.is_empty()).then(|| found.range()));
        }
        Ok(places)
    }
}

impl TryFrom<String> for Pattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        Self::new(&text)
    }
}

// === impl PatternError ===

impl From<regex::Error> for PatternError {
    fn from(error: regex::Error) -> Self {
        match error {
            regex::Error::CompiledTooBig(_) => Self::TooLarge,
            // The engine draws the pattern with a mark below it; its last line tells the fault.
            other => {
                let text = other.to_string();
                let last = text.lines().last().unwrap_or_default();
                Self::Syntax(last.trim().trim_start_matches("error: ").to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::budget::MOST_PLACES;

    #[test]
    fn a_pattern_finds_each_of_its_places() {
        let pattern = Pattern::new(r"\bC-\d{4}\b").unwrap();
        let budget = Budget::new(Duration::MAX / 4);
        assert_eq!(pattern.find("C-1234, xC-1234, C-99999 and C-0001", &budget).unwrap(), [0..6, 29..35]);
    }

    #[test]
    fn a_search_ends_with_its_time_and_before_it_takes_all_memory() {
        let pattern = Pattern::new(".").unwrap();
        assert!(pattern.find("x", &Budget::new(Duration::ZERO)).is_err());
        let (text, budget) = ("x".repeat(MOST_PLACES + 2), Budget::new(Duration::MAX / 4));
        assert!(pattern.find(&text, &budget).is_err());
        assert_eq!(pattern.find(&text[..MOST_PLACES], &budget).unwrap().len(), MOST_PLACES);
    }

    #[test]
    fn what_cannot_be_a_pattern_is_refused_with_the_reason() {
        let cases = [
            ("(", "unclosed group"),
            (r"\d*", "empty text"),
            ("a(?=b)", "look-ahead"),
            (r"(\w{100}){100}", "larger than"),
        ];
        for (text, reason) in cases {
            let error = Pattern::new(text).unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains('\n'), "{text}: {error}");
        }
        assert!(matches!(Pattern::new(&"a".repeat(2000)), Err(PatternError::TooLong)));
    }
}
