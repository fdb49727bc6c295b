//! The bounds of a value in a `.env`.

use super::{Refusal, first_line, is_blank};

/// A value as it is written, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Raw<'t> {
    Bare(&'t str),
    Single(&'t str),
    Double(&'t str),
    Back(&'t str),
}

/// The value that begins behind a `=`, and the number of bytes up to the end of its last line.
pub(super) fn read(text: &str) -> Result<(Raw<'_>, usize), Refusal> {
    let value = text.trim_start_matches(|c: char| c != '\n' && c.is_whitespace());
    let blanks = text.len() - value.len();
    let (raw, length) = match value.chars().next() {
        Some('\'') => quoted(value, '\'').map(|(inner, length)| (Raw::Single(inner), length))?,
        Some('"') => quoted(value, '"').map(|(inner, length)| (Raw::Double(inner), length))?,
        Some('`') => quoted(value, '`').map(|(inner, length)| (Raw::Back(inner), length))?,
        // A `#` directly behind the `=` is a part of the value.
        Some('#') if blanks > 0 => (Raw::Bare(""), first_line(value).len()),
        _ => (Raw::Bare(bare(value)), first_line(value).len()),
    };
    Ok((raw, blanks + length))
}

fn bare(text: &str) -> &str {
    let line = first_line(text);
    let comment = line.match_indices('#').find(|(at, _)| line[..*at].ends_with(char::is_whitespace));
    line[..comment.map_or(line.len(), |(at, _)| at)].trim()
}

/// The text between the quotes. A path like `'C:\'` ends in a backslash, so when there is no other closing quote, one
/// behind a backslash counts.
fn quoted(text: &str, quote: char) -> Result<(&str, usize), Refusal> {
    let inner = &text[1..];
    for end in [unescaped(inner, quote), inner.find(quote)].into_iter().flatten() {
        let tail = first_line(&inner[end + 1..]);
        if is_blank(tail) {
            return Ok((&inner[..end], 1 + end + 1 + tail.len()));
        }
    }
    Err(if first_line(inner).contains(quote) { Refusal::Trailing } else { Refusal::Unclosed })
}

/// The first quote without a backslash before it.
fn unescaped(text: &str, quote: char) -> Option<usize> {
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => drop(chars.next()),
            c if c == quote => return Some(at),
            _ => {}
        }
    }
    None
}

/// The character that a backslash and this one stand for in double quotes. `\b` and the like are left alone: a pattern
/// for `telemetry.redact` holds them more often than a bell.
pub(super) fn escaped(c: char) -> Option<char> {
    match c {
        'n' => Some('\n'),
        'r' => Some('\r'),
        't' => Some('\t'),
        '"' | '\'' | '\\' | '$' => Some(c),
        _ => None,
    }
}

// === impl Raw ===

impl<'t> Raw<'t> {
    pub(super) fn text(self) -> &'t str {
        let (Self::Bare(text) | Self::Single(text) | Self::Double(text) | Self::Back(text)) = self;
        text
    }

    /// The text in the quotes, with nothing filled in; None without quotes.
    pub(super) fn content(self) -> Option<String> {
        match self {
            Self::Bare(_) => None,
            Self::Single(text) => Some(text.replace("\\'", "'")),
            Self::Double(text) => Some(unescape(text)),
            Self::Back(text) => Some(text.to_owned()),
        }
    }
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next().and_then(escaped)) {
            ('\\', Some(escaped)) => {
                plain.push(escaped);
                chars.next();
            }
            _ => plain.push(c),
        }
    }
    plain
}
