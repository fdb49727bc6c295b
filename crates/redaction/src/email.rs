//! E-mail addresses, with letters of any script.

use std::ops::Range;

/// RFC 5321 allows 64 octets before the @ and 255 behind it.
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 255;

pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let signs = text.match_indices('@').map(|(at, _)| at);
    let mut found: Vec<Range<usize>> = Vec::new();
    for at in signs {
        let taken = found.last().map_or(0, |last| last.end);
        if let (Some(start), Some(end)) = (local(text, taken, at), domain(&text[at + 1..])) {
            found.push(start..at + 1 + end);
        }
    }
    found
}

/// The position at which the part before the @ begins.
fn local(text: &str, from: usize, at: usize) -> Option<usize> {
    let before = text.get(from..at)?;
    let allowed = |char: &char| char.is_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(*char);
    let length = before.chars().rev().take(MAX_LOCAL).take_while(allowed).map(char::len_utf8).sum::<usize>();
    let local = &before[before.len() - length..];
    // A quotation mark or a markup sign before an address is not part of it.
    let local = local.trim_start_matches(|char: char| !char.is_alphanumeric() && char != '_');
    (!local.is_empty()).then(|| at - local.len())
}

/// The end of the domain that the text begins with: labels with dots between them, and letters in the last.
fn domain(text: &str) -> Option<usize> {
    let allowed = |char: &char| char.is_alphanumeric() || matches!(char, '-' | '.');
    let length = text.chars().take(MAX_DOMAIN).take_while(allowed).map(char::len_utf8).sum::<usize>();
    let domain = text[..length].trim_end_matches(['.', '-']);
    let (name, last) = domain.rsplit_once('.')?;
    let is_top =
        last.chars().count() >= 2 && last.chars().all(char::is_alphabetic) || last.starts_with("xn--");
    (!name.is_empty() && is_top).then_some(domain.len())
}
