//! The words of a line, without what marks them.

use super::Mapped;
use super::inline::{self, Token};

/// The most emphases that are open at a time; a further one is not seen as emphasis.
const MAX_OPEN: usize = 8;

/// What is known of the line so far.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// The last letter of the reply.
    pub(super) before: Option<char>,
    in_code: bool,
    open: Vec<char>,
    /// The last letter that was given out, and the space that waits for the next one.
    pub(super) last: Option<char>,
    pub(super) space: Option<usize>,
    skipped_emoji: bool,
}

// === impl Line ===

impl Line {
    pub(super) fn step(&mut self, text: &str, offset: usize, force: bool, output: &mut Mapped) -> usize {
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
                let before = output.text().len();
                self.part(&text[said.clone()], offset + said.start, output);
                if output.text().len() > before {
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

    pub(super) fn literal(&mut self, text: &str, offset: usize, output: &mut Mapped) -> usize {
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
    pub(super) fn emit(&mut self, letter: char, end: usize, output: &mut Mapped) {
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

    pub(super) fn end_line(&mut self, end: usize, output: &mut Mapped) {
        self.space = None;
        self.in_code = false;
        self.open.clear();
        if self.last.is_some_and(|last| last != '\n') {
            self.last = Some('\n');
            output.push('\n', end);
        }
    }
}
