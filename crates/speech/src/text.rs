//! The words of a streamed reply as a voice can say them.
//!
//! Models write markdown: headings, lists, emphasis, links, tables, code, emoji. [`Speakable`] takes a reply piece by
//! piece and gives out what is left when these are gone. A pattern that is not complete yet is held back, at most
//! [`LONGEST_HELD`] bytes of it, and released as it is when it turns out to be none.
//!
//! - a line break stays where a pause belongs: after headings, list items, table rows and paragraphs; else it is a space
//! - links and images become their text, URLs their host, table rows sentences
//! - emphasis, backticks, fences, rules, quotes and emoji are left out, struck text as well
//! - in words and between spaces `*` and `_` are no emphasis: `snake_case`, `5 * 3`
//!
//! Each byte of the text knows where in the reply it stands ([`Mapped`]), so what was heard of a reply is a part of the
//! reply itself.

mod block;
mod inline;
mod line;

use self::block::{Kind, Start};
use self::line::Line;

/// The most that is held back of an unfinished pattern, in bytes.
pub const LONGEST_HELD: usize = 2048;

/// Text, and for each byte of it the place in the reply up to which is said once that byte is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    text: String,
    ends: Vec<usize>,
}

/// Turns a streamed reply into speakable text.
#[derive(Debug, Default)]
pub struct Speakable {
    /// What was not decided yet, and where it begins in the reply.
    held: String,
    offset: usize,
    in_line: bool,
    kind: Kind,
    in_fence: bool,
    /// The end of the line break before this line.
    line_break: Option<usize>,
    line: Line,
}

// === impl Mapped ===

impl Mapped {
    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The place in the reply up to which is said once these bytes of the text are; None for no bytes.
    pub fn source_end(&self, bytes: usize) -> Option<usize> {
        self.ends.get(bytes.min(self.ends.len()).checked_sub(1)?).copied()
    }

    /// Adds a letter that ends at this place of the reply.
    pub(crate) fn push(&mut self, letter: char, end: usize) {
        self.text.push(letter);
        self.ends.resize(self.text.len(), end);
    }

    /// The last byte stands for the reply up to this place.
    pub(crate) fn extend_source(&mut self, end: usize) {
        if let Some(last) = self.ends.last_mut() {
            *last = end;
        }
    }

    /// Cuts the first bytes off.
    pub(crate) fn take(&mut self, bytes: usize) -> Self {
        let rest = Self { text: self.text.split_off(bytes), ends: self.ends.split_off(bytes) };
        std::mem::replace(self, rest)
    }

    pub(crate) fn pop(&mut self) {
        self.text.pop();
        self.ends.truncate(self.text.len());
    }

    /// The letters with the places where they end.
    pub(crate) fn letters(&self) -> impl Iterator<Item = (char, usize)> {
        self.text.char_indices().map(|(at, letter)| (letter, self.ends[at]))
    }
}

// === impl Speakable ===

impl Speakable {
    /// At the beginning of a reply.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a piece of the reply in; what can be said by now.
    pub fn push(&mut self, piece: &str) -> String {
        self.push_mapped(piece).text
    }

    /// The rest of the text. The next piece begins a new reply.
    pub fn finish(&mut self) -> String {
        self.finish_mapped().text
    }

    /// As [`Speakable::push`], with the places in the reply.
    pub fn push_mapped(&mut self, piece: &str) -> Mapped {
        self.held.push_str(piece);
        self.release(false)
    }

    /// As [`Speakable::finish`], with the places in the reply.
    pub fn finish_mapped(&mut self) -> Mapped {
        let rest = self.release(true);
        *self = Self::default();
        rest
    }

    fn release(&mut self, at_end: bool) -> Mapped {
        let mut output = Mapped::default();
        let held = std::mem::take(&mut self.held);
        let mut at = 0;
        while at < held.len() {
            // Beyond the bound a pattern counts as none.
            let force = at_end || held.len() - at > LONGEST_HELD;
            match self.step(&held[at..], self.offset + at, force, &mut output) {
                0 => break,
                taken => at += taken,
            }
        }
        self.offset += at;
        self.held = held[at..].to_owned();
        output
    }

    /// Takes the first pattern of `text` in; 0 bytes if its end is not there yet.
    fn step(&mut self, text: &str, offset: usize, force: bool, output: &mut Mapped) -> usize {
        if !self.in_line {
            return self.begin_line(text, offset, force, output);
        }
        if text.starts_with('\n') {
            self.in_line = false;
            self.line_break = Some(offset + 1);
            self.line.before = None;
            return 1;
        }
        if self.in_fence {
            return self.line.literal(text, offset, output);
        }
        self.line.step(text, offset, force, output)
    }

    fn begin_line(&mut self, text: &str, offset: usize, force: bool, output: &mut Mapped) -> usize {
        match block::start(text, self.in_fence, force) {
            Start::Unknown => 0,
            Start::Fence(bytes) => {
                self.in_fence = !self.in_fence;
                self.break_line(Kind::Fence, false, output);
                bytes
            }
            Start::Rule(bytes) => {
                self.break_line(Kind::Blank, false, output);
                bytes
            }
            Start::Row(bytes) => {
                self.break_line(Kind::Row, false, output);
                self.row(&text[..bytes], offset, output);
                self.in_line = true;
                bytes
            }
            Start::Quote(bytes) => bytes,
            Start::Line { marker, kind, indented } => {
                self.break_line(kind, indented, output);
                self.in_line = true;
                if marker > 0 { marker } else { self.step(text, offset, force, output) }
            }
        }
    }

    /// Gives out the line break before a line of this kind.
    fn break_line(&mut self, kind: Kind, indented: bool, output: &mut Mapped) {
        let before = std::mem::replace(&mut self.kind, kind);
        let Some(end) = self.line_break.take() else { return };
        let continues = kind == Kind::Text && (before == Kind::Text || before == Kind::Item && indented);
        if continues {
            self.line.emit(' ', end, output);
        } else {
            self.line.end_line(end, output);
        }
    }

    /// The cells of a row as a sentence; the line below the header is no row.
    fn row(&mut self, line: &str, offset: usize, output: &mut Mapped) {
        let mut said = false;
        for (start, cell) in block::cells(line) {
            if said && cell.chars().any(char::is_alphanumeric) {
                self.line.emit(',', offset + start, output);
                self.line.emit(' ', offset + start, output);
            }
            let mut at = 0;
            self.line.before = None;
            while at < cell.len() {
                at += self.line.step(&cell[at..], offset + start + at, true, output);
            }
            self.line.space = None;
            said |= cell.chars().any(char::is_alphanumeric);
        }
        if said && self.line.last.is_some_and(char::is_alphanumeric) {
            self.line.emit('.', offset + line.len(), output);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
