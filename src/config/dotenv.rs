//! The `.env` file of the working directory. Other programs read it too, so it is read as the common readers do:
//! python-dotenv first, which LiveKit's starters use, then Compose and the `dotenv` of Node.
//!
//! - `NAME=VALUE` or `NAME: VALUE`, also behind `export`; a name alone sets nothing; a name may be anything without
//!   white space, since most names are of other programs;
//! - bare: up to the end of the line, or to white space and a `#`; `${NAME}` is filled in;
//! - `"double quoted"`: also over several lines, with `\n`, `\r`, `\t`, `\"`, `\'`, `\\` and `\$`; `${NAME}` is filled
//!   in;
//! - `'single quoted'` and `` `back quoted` ``: also over several lines, as it is.
//!
//! A line that cannot be read costs that line alone: reading goes on with the next one.

mod expand;
#[cfg(test)]
mod tests;
mod value;

use std::borrow::Cow;

use thiserror::Error;

use self::expand::Expander;
use self::value::Raw;

/// A name, and the file's value for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// The text in the place of a name.
    pub(super) name: String,
    /// The line, counted from 1; the first one of a value over several lines.
    pub(super) line: usize,
    pub(super) value: Result<String, Refusal>,
}

/// The reason why an entry has no value. Only names of variables are repeated: the rest may be a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(super) enum Refusal {
    #[error("expected NAME=VALUE")]
    NoAssignment,
    #[error("the quote is not closed")]
    Unclosed,
    #[error("there is more behind the closing quote")]
    Trailing,
    #[error("it is not UTF-8 text")]
    NotText,
    #[error("`${{{0}}}` is filled in by nothing: no variable of that name is set, here or above this line")]
    Unset(String),
    #[error("a `${{` begins no place that can be filled in; in single quotes it stands for itself")]
    NoPlace,
    #[error("it is too long, or nested too deep, once its `${{…}}` are filled in")]
    TooMuch,
}

/// A statement as it is written.
type Statement<'t> = (&'t str, Result<Raw<'t>, Refusal>);

/// All entries of a file. `given` are the variables of the process, which are filled in before those of the file.
pub(super) fn entries(text: &str, given: impl Fn(&str) -> Option<String>) -> Vec<Entry> {
    let text = with_unix_lines(text);
    let mut expander = Expander::new(given);
    let mut entries = Vec::new();
    let (mut rest, mut line) = (text.as_ref(), 1);
    while !rest.is_empty() {
        let (statement, length) = statement(rest);
        if let Some((name, raw)) = statement {
            let value = raw.and_then(|raw| expander.value(name, raw));
            entries.push(Entry { name: name.to_owned(), line, value });
        }
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    entries
}

/// A file's bytes as text. Editors on Windows begin a file with a mark, or write UTF-16. Bytes that are no text become
/// U+FFFD, so that they spoil the value that they stand in and no other.
pub(super) fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    match bytes {
        [0xef, 0xbb, 0xbf, text @ ..] => String::from_utf8_lossy(text),
        [0xff, 0xfe, units @ ..] => Cow::Owned(utf16(units, u16::from_le_bytes)),
        [0xfe, 0xff, units @ ..] => Cow::Owned(utf16(units, u16::from_be_bytes)),
        text => String::from_utf8_lossy(text),
    }
}

/// The content of a text that is one quoted string and nothing else, as a `.env` has it.
pub(super) fn unquoted(text: &str) -> Option<String> {
    let text = text.trim();
    let (raw, _) = value::read(text).ok()?;
    // The quotes enclose all of it: no comment may follow them here.
    raw.content().filter(|_| raw.text().len() + 2 == text.len())
}

fn utf16(units: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = units.chunks(2).map(|pair| pair.try_into().map_or(0xfffd, unit));
    char::decode_utf16(units).map(|read| read.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

fn with_unix_lines(text: &str) -> Cow<'_, str> {
    match text.contains('\r') {
        true => Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")),
        false => Cow::Borrowed(text),
    }
}

/// The statement at the beginning of the text, if there is one on its first line, and the number of bytes consumed.
fn statement(text: &str) -> (Option<Statement<'_>>, usize) {
    let first = first_line(text);
    let nothing = (None, first.len());
    let line = without_export(first.trim_start());
    if is_blank(line) {
        return nothing;
    }
    let (name, behind) = name(line);
    if name.is_empty() {
        return (Some((name, Err(Refusal::NoAssignment))), first.len());
    }
    match behind.trim_start().strip_prefix('=').or_else(|| behind.strip_prefix(':')) {
        Some(value) => {
            let start = first.len() - value.len();
            match value::read(&text[start..]) {
                Ok((raw, length)) => (Some((name, Ok(raw))), start + length),
                Err(refusal) => (Some((name, Err(refusal))), first.len()),
            }
        }
        None if is_blank(behind) => nothing,
        None => (Some((name, Err(Refusal::NoAssignment))), first.len()),
    }
}

/// The first line, with its line break.
fn first_line(text: &str) -> &str {
    text.split_inclusive('\n').next().unwrap_or(text)
}

/// Whether the text is empty or a comment.
fn is_blank(text: &str) -> bool {
    let text = text.trim_start();
    text.is_empty() || text.starts_with('#')
}

fn without_export(line: &str) -> &str {
    let behind = line.strip_prefix("export").filter(|behind| behind.starts_with(char::is_whitespace));
    // `export = 1` sets a variable of that name.
    behind.map(str::trim_start).filter(|behind| !behind.starts_with('=')).unwrap_or(line)
}

/// The name at the beginning of a line, and the text behind it.
fn name(line: &str) -> (&str, &str) {
    if let Some(quoted) = line.strip_prefix('\'').and_then(|line| line.split_once('\'')) {
        return quoted;
    }
    let end = line.find(|c: char| c.is_whitespace() || matches!(c, '=' | '#')).unwrap_or(line.len());
    let (name, behind) = line.split_at(end);
    match name.strip_suffix(':') {
        Some(name) if behind.starts_with(char::is_whitespace) => (name, &line[name.len()..]),
        _ => (name, behind),
    }
}
