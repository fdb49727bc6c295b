//! All finders over one text, and the text that replaces their finds.

use std::ops::Range;

use serde::Deserialize;

use super::budget::{Budget, Spent};
use super::pattern::Pattern;
use super::{card, email, iban, phone, token};

/// The text that replaces a find of an own pattern.
const OWN: &str = "[redacted]";
/// The longest text that the built-in finders are through with before a participant would notice.
const QUICK: usize = 4096;

/// A finder that comes with us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Builtin {
    // The order gives the precedence where finds overlap: an IBAN holds digits that look like a telephone number.
    Token,
    Email,
    Iban,
    Card,
    Phone,
}

/// Takes personal data out of texts.
#[derive(Debug)]
pub(super) struct Redactor {
    builtins: Vec<Builtin>,
    own: Vec<Pattern>,
}

/// A place in a text, and its replacement.
struct Found {
    range: Range<usize>,
    rank: usize,
    placeholder: &'static str,
}

// === impl Builtin ===

impl Builtin {
    pub const ALL: &[Self] = &[Self::Token, Self::Email, Self::Iban, Self::Card, Self::Phone];

    fn find(self, text: &str) -> Vec<Range<usize>> {
        match self {
            Self::Token => token::find(text),
            Self::Email => email::find(text),
            Self::Iban => iban::find(text),
            Self::Card => card::find(text),
            Self::Phone => phone::find(text),
        }
    }

    fn placeholder(self) -> &'static str {
        match self {
            Self::Token => "[token]",
            Self::Email => "[email]",
            Self::Iban => "[iban]",
            Self::Card => "[card]",
            Self::Phone => "[phone]",
        }
    }
}

// === impl Redactor ===

impl Redactor {
    pub(super) fn new(builtins: &[Builtin], own: &[Pattern]) -> Self {
        let mut builtins = builtins.to_vec();
        builtins.sort();
        if builtins.contains(&Builtin::Token) {
            token::prepare();
        }
        Self { builtins, own: own.to_vec() }
    }

    /// Whether a text of this many bytes takes hardly any time.
    pub(super) fn is_quick(&self, bytes: usize) -> bool {
        self.own.is_empty() && bytes <= QUICK
    }

    /// Every finder reads the original text, so that none can hide something from another.
    pub(super) fn redact(&self, text: &str, budget: &Budget) -> Result<String, Spent> {
        let builtins = self.builtins.iter().map(|builtin| (Ok(builtin.find(text)), builtin.placeholder()));
        let own = self.own.iter().map(|pattern| (pattern.find(text, budget), OWN));
        let mut found = Vec::new();
        for (rank, (ranges, placeholder)) in builtins.chain(own).enumerate() {
            found.extend(ranges?.into_iter().map(|range| Found { range, rank, placeholder }));
            budget.check(found.len())?;
        }
        Ok(replace(text, merged(found)))
    }
}

/// Places that overlap become one, with the name of the finder that ranks first.
fn merged(mut found: Vec<Found>) -> Vec<Found> {
    found.sort_by_key(|found| found.range.start);
    let mut merged: Vec<Found> = Vec::new();
    for next in found {
        match merged.last_mut() {
            Some(last) if next.range.start < last.range.end => {
                last.range.end = last.range.end.max(next.range.end);
                if next.rank < last.rank {
                    (last.rank, last.placeholder) = (next.rank, next.placeholder);
                }
            }
            _ => merged.push(next),
        }
    }
    merged
}

fn replace(text: &str, found: Vec<Found>) -> String {
    let mut redacted = String::with_capacity(text.len());
    let mut kept = 0;
    for Found { range, placeholder, .. } in found {
        redacted.push_str(&text[kept..range.start]);
        redacted.push_str(placeholder);
        kept = range.end;
    }
    redacted.push_str(&text[kept..]);
    redacted
}

#[cfg(test)]
mod tests;
