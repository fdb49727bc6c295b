//! A streamed reply cut into pieces that are spoken one after the other.
//!
//! The first piece is the first clause of some length or the first sentence, so that the voice begins early; the others
//! are whole sentences, short ones together. A piece leaves when the next one has begun, since only then it is known
//! that "3." was not "3.50", and at the end of the reply; the first clause leaves at its comma. No piece is without a letter
//! or a digit: synthesisers answer such text with errors.
//!
//! Each [`Piece`] knows the range of the reply that it stands for. Ranges follow each other without gaps and end where
//! the reply ends, or before what is not spoken of it, so the part of a reply that was heard is a part of the reply itself.

mod boundary;

use std::ops::Range;

use crate::text::{Mapped, Speakable};

/// How many symbols and spaces in a row are kept.
const MAX_SYMBOLS: usize = 16;

/// How long pieces are, in letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The shortest first clause: 22.
    pub first_clause: usize,
    /// The shortest piece of sentences after the first: 20.
    pub shortest: usize,
    /// The longest piece: 300.
    pub longest: usize,
}

/// What is spoken at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The words, without spaces at its ends.
    pub text: String,
    /// What it stands for in the reply.
    pub source: Range<usize>,
    words: Mapped,
}

/// Cuts a reply while it is streamed.
#[derive(Debug)]
pub struct Pieces {
    settings: Settings,
    speakable: Speakable,
    waiting: Mapped,
    /// The symbols since the last letter or digit.
    symbols: usize,
    /// The end of the last piece and of all that came, in the reply.
    given: usize,
    taken: usize,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self { first_clause: 22, shortest: 20, longest: 300 }
    }
}

// === impl Piece ===

impl Piece {
    /// The place in the reply up to which is said once so many bytes of the text are.
    pub fn source_at(&self, bytes: usize) -> usize {
        if bytes >= self.text.len() {
            return self.source.end;
        }
        self.words.source_end(bytes).unwrap_or(self.source.start)
    }
}

// === impl Pieces ===

impl Pieces {
    /// At the beginning of a reply.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            speakable: Speakable::new(),
            waiting: Mapped::default(),
            symbols: 0,
            given: 0,
            taken: 0,
        }
    }

    /// Takes a part of the reply in; the pieces that are complete by now.
    pub fn push(&mut self, part: &str) -> Vec<Piece> {
        self.taken += part.len();
        let words = self.speakable.push_mapped(part);
        // A comma can end the first clause.
        self.take(&words, |letter| letter.is_alphanumeric() || letter == ',')
    }

    /// The rest, to be called once. It ends where the reply ends.
    pub fn finish(&mut self) -> Vec<Piece> {
        let words = self.speakable.finish_mapped();
        let mut pieces = self.take(&words, char::is_alphanumeric);
        self.waiting.extend_source(self.taken);
        let rest = std::mem::take(&mut self.waiting);
        pieces.extend(self.piece(&rest));
        pieces
    }

    /// Takes words in. A letter or a digit completes a piece, for the next one has begun with it.
    fn take(&mut self, words: &Mapped, completes: impl Fn(char) -> bool) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for (letter, end) in words.letters() {
            self.absorb(letter, end);
            if completes(letter) {
                self.cut(&mut pieces);
            }
        }
        pieces
    }

    fn absorb(&mut self, letter: char, end: usize) {
        self.symbols = if letter.is_alphanumeric() { 0 } else { self.symbols + 1 };
        if self.symbols <= MAX_SYMBOLS {
            self.waiting.push(letter, end);
            return;
        }
        if letter == '\n' {
            self.waiting.pop();
            self.waiting.push(letter, end);
        }
        self.waiting.extend_source(end);
    }

    fn cut(&mut self, pieces: &mut Vec<Piece>) {
        while let Some(bytes) = self.next_cut() {
            let words = self.waiting.take(bytes);
            pieces.extend(self.piece(&words));
        }
    }

    fn next_cut(&self) -> Option<usize> {
        let text = self.waiting.text();
        let first = (self.given == 0).then_some(self.settings.first_clause);
        boundary::first(text, first, self.settings.shortest)
            .or_else(|| boundary::forced(text, self.settings.longest))
    }

    fn piece(&mut self, words: &Mapped) -> Option<Piece> {
        let spoken = words.text().trim();
        if !boundary::is_speakable(spoken) {
            return None;
        }
        let start = words.text().len() - words.text().trim_start().len();
        let source = self.given..words.source_end(words.text().len())?;
        self.given = source.end;
        let mut words = words.clone();
        words.take(start);
        // A list item that is a piece with others is a sentence to the voice.
        Some(Piece { text: spoken.replace('\n', " "), source, words })
    }
}

#[cfg(test)]
mod tests;
