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

use self::block::{Kind, Start};
use self::inline::Token;

/// The most that is held back of an unfinished pattern, in bytes.
pub const LONGEST_HELD: usize = 2048;
/// The most emphases that are open at a time; a further one is not seen as emphasis.
const MAX_OPEN: usize = 8;

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
    line: Kind,
    in_fence: bool,
    /// The end of the line break before this line.
    line_break: Option<usize>,
    inline: Inline,
}

/// What is known of the line so far.
#[derive(Debug, Default)]
struct Inline {
    /// The last letter of the reply.
    before: Option<char>,
    in_code: bool,
    open: Vec<char>,
    /// The last letter that was given out, and the space that waits for the next one.
    last: Option<char>,
    space: Option<usize>,
    skipped_emoji: bool,
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
            self.inline.before = None;
            return 1;
        }
        if self.in_fence {
            return self.inline.literal(text, offset, output);
        }
        self.inline.step(text, offset, force, output)
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
        let before = std::mem::replace(&mut self.line, kind);
        let Some(end) = self.line_break.take() else { return };
        let continues = kind == Kind::Text && (before == Kind::Text || before == Kind::Item && indented);
        if continues {
            self.inline.emit(' ', end, output);
        } else {
            self.inline.end_line(end, output);
        }
    }

    /// The cells of a row as a sentence; the line below the header is no row.
    fn row(&mut self, line: &str, offset: usize, output: &mut Mapped) {
        let mut said = false;
        for (start, cell) in block::cells(line) {
            if said && cell.chars().any(char::is_alphanumeric) {
                self.inline.emit(',', offset + start, output);
                self.inline.emit(' ', offset + start, output);
            }
            let mut at = 0;
            self.inline.before = None;
            while at < cell.len() {
                at += self.inline.step(&cell[at..], offset + start + at, true, output);
            }
            self.inline.space = None;
            said |= cell.chars().any(char::is_alphanumeric);
        }
        if said && self.inline.last.is_some_and(char::is_alphanumeric) {
            self.inline.emit('.', offset + line.len(), output);
        }
    }
}

// === impl Inline ===

impl Inline {
    fn step(&mut self, text: &str, offset: usize, force: bool, output: &mut Mapped) -> usize {
        let token = inline::next(text, self.before, self.in_code, force);
        let taken = match token {
            Token::Unfinished => return 0,
            Token::Letter => return self.literal(text, offset, output),
            Token::Dropped { bytes } => bytes,
            Token::Escaped { bytes } => {
                let letter = text[1..].chars().next();
                letter.into_iter().for_each(|letter| self.emit(letter, offset + bytes, output));
                bytes
            }
            Token::Code { bytes } => {
                self.in_code = !self.in_code;
                bytes
            }
            Token::Marks { bytes, mark, opens, closes } => {
                return self.marks(&text[..bytes], offset, mark, (opens, closes), output);
            }
            Token::Text { bytes, said } => {
                let before = output.text.len();
                self.part(&text[said.clone()], offset + said.start, output);
                if output.text.len() > before {
                    output.extend_source(offset + bytes);
                }
                self.space = self.space.map(|_| offset + bytes);
                bytes
            }
        };
        self.before = text[..taken].chars().next_back();
        taken
    }

    /// The text of a link: all of what it holds but links.
    fn part(&mut self, text: &str, offset: usize, output: &mut Mapped) {
        let mut at = 0;
        while at < text.len() {
            let rest = &text[at..];
            let is_link = rest.starts_with(['[', '!', '<']) || inline::begins_url(rest);
            at += match is_link {
                true => self.literal(rest, offset + at, output),
                false => self.step(rest, offset + at, true, output),
            };
        }
    }

    fn marks(
        &mut self,
        marks: &str,
        offset: usize,
        mark: char,
        (opens, closes): (bool, bool),
        output: &mut Mapped,
    ) -> usize {
        let open = self.open.iter().rposition(|open| *open == mark).filter(|_| closes);
        match open {
            Some(at) => self.open.truncate(at),
            None if opens && self.open.len() < MAX_OPEN => self.open.push(mark),
            None => marks.chars().for_each(|letter| self.emit(letter, offset + marks.len(), output)),
        }
        self.before = Some(mark);
        marks.len()
    }

    fn literal(&mut self, text: &str, offset: usize, output: &mut Mapped) -> usize {
        let Some(letter) = text.chars().next() else { return 0 };
        if inline::is_emoji(letter) {
            self.skipped_emoji = true;
        } else {
            self.emit(letter, offset + letter.len_utf8(), output);
        }
        self.before = Some(letter);
        letter.len_utf8()
    }

    /// Gives a letter out. Of several spaces one is left, and none at the ends of lines.
    fn emit(&mut self, letter: char, end: usize, output: &mut Mapped) {
        if letter.is_whitespace() {
            self.space = self.last.is_some_and(|last| last != '\n').then_some(end);
            return;
        }
        let closes = self.skipped_emoji && matches!(letter, '.' | ',' | '!' | '?' | ';' | ':');
        if let Some(space) = self.space.take().filter(|_| !closes) {
            output.push(' ', space);
        }
        self.skipped_emoji = false;
        self.last = Some(letter);
        output.push(letter, end);
    }

    fn end_line(&mut self, end: usize, output: &mut Mapped) {
        self.space = None;
        self.in_code = false;
        self.open.clear();
        if self.last.is_some_and(|last| last != '\n') {
            self.last = Some('\n');
            output.push('\n', end);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
