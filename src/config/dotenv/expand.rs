//! `${NAME}` in values, with the operators that shells and Compose have.

use std::cell::Cell;
use std::collections::HashMap;

use super::Refusal;
use super::value::{Raw, escaped};

/// The most bytes that may be filled in altogether: a file of 1 MiB could make terabytes of itself.
const MOST_BYTES: usize = 4 << 20;
/// How deep defaults may hold places of their own.
const DEEPEST: usize = 8;

/// Fills in variables that are set already.
pub(super) struct Expander<G> {
    /// Variables of the process.
    given: G,
    /// The variables that the file has set so far.
    known: HashMap<String, String>,
    left: Cell<usize>,
}

impl<G: Fn(&str) -> Option<String>> Expander<G> {
    pub(super) fn new(given: G) -> Self {
        Self { given, known: HashMap::new(), left: Cell::new(MOST_BYTES) }
    }

    /// The value of `name`, which later values may use.
    pub(super) fn value(&mut self, name: &str, raw: Raw<'_>) -> Result<String, Refusal> {
        let value = match raw {
            Raw::Bare(text) => self.filled(text, false, 0)?,
            Raw::Double(text) => self.filled(text, true, 0)?,
            Raw::Single(_) | Raw::Back(_) => raw.content().unwrap_or_default(),
        };
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(Refusal::NotText);
        }
        self.known.insert(name.to_owned(), value.clone());
        Ok(value)
    }

    fn filled(&self, text: &str, escapes: bool, depth: usize) -> Result<String, Refusal> {
        let mut value = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['\\', '$']) {
            value.push_str(&rest[..at]);
            rest = &rest[at..];
            let (piece, length) = self.piece(rest, escapes, depth)?;
            value.push_str(&piece);
            rest = &rest[length..];
        }
        value.push_str(rest);
        Ok(value)
    }

    /// The text that the backslash or `$` at the beginning stands for, and the number of bytes of its notation.
    fn piece(&self, text: &str, escapes: bool, depth: usize) -> Result<(String, usize), Refusal> {
        if let Some(behind) = text.strip_prefix("${") {
            let end = closing(behind).ok_or(Refusal::NoPlace)?;
            let filled = self.place(&behind[..end], escapes, depth + 1)?;
            return Ok((filled, end + "${}".len()));
        }
        let behind = text.strip_prefix('\\');
        let literal = match behind.and_then(|behind| behind.chars().next()) {
            Some(c) if escapes => escaped(c),
            // Any other backslash is part of a path.
            Some('$') if text.starts_with("\\${") => Some('$'),
            _ => None,
        };
        match literal {
            Some(c) => Ok((c.to_string(), 2)),
            None => Ok((text[..1].to_owned(), 1)),
        }
    }

    /// The value of the text between `${` and `}`.
    fn place(&self, place: &str, escapes: bool, depth: usize) -> Result<String, Refusal> {
        if depth > DEEPEST {
            return Err(Refusal::TooMuch);
        }
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        let (name, operator) = place.split_at(place.find(|c| !is_part(c)).unwrap_or(place.len()));
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(Refusal::NoPlace);
        }
        let set = self.lookup(name)?;
        let unset = || Refusal::Unset(name.to_owned());
        let word = |word| self.filled(word, escapes, depth);
        // With a colon, a variable that is set to nothing counts as unset.
        let (operator, set) = match operator.strip_prefix(':') {
            Some(operator) if !operator.is_empty() => (operator, set.filter(|text| !text.is_empty())),
            _ => (operator, set),
        };
        match (operator.chars().next(), set) {
            (None | Some('-' | '?'), Some(set)) => Ok(set),
            (None | Some('?'), None) => Err(unset()),
            (Some('-'), None) => word(&operator[1..]),
            (Some('+'), Some(_)) => word(&operator[1..]),
            (Some('+'), None) => Ok(String::new()),
            _ => Err(Refusal::NoPlace),
        }
    }

    fn lookup(&self, name: &str) -> Result<Option<String>, Refusal> {
        let given = (self.given)(name);
        let length = given.as_ref().or_else(|| self.known.get(name)).map_or(0, String::len);
        // The bytes are counted before any are copied, so that excessive lines cost no time either.
        self.left.set(self.left.get().checked_sub(length).ok_or(Refusal::TooMuch)?);
        Ok(given.or_else(|| self.known.get(name).cloned()))
    }
}

/// The end of the place that began just before this text.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1_usize;
    for (at, c) in text.char_indices() {
        match c {
            '{' if text[..at].ends_with('$') => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}
