//! The words of a reply on their way out: without thoughts, and not before they are known to be none.
//!
//! Where the model's template writes the opening tag into the prompt, a reply begins with thoughts that nothing marks
//! until their end. So words wait: to the end of the reply for a model that has done so or whose name suggests it, and
//! for a moment in the first reply of any other.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use super::openai::Finish;
use super::thinking::{Part, Thinking};

/// How long the first reply of a model waits for the end of thoughts that may be coming.
const BRIEFLY: Duration = Duration::from_millis(250);
/// The most bytes that wait.
const MAX_HELD_BYTES: usize = 256 << 10;
/// Blanks before the first word that are kept.
const MAX_BLANK_BYTES: usize = 64;

/// Parts of the names of models whose templates write the opening tag.
const UNOPENED: [&str; 12] = [
    "r1",
    "qwq",
    "thinking",
    "minimax-m2",
    "qwen3.5",
    "step-3.5",
    "step3.5",
    "nemotron",
    "olmo-3",
    "olmo3",
    "cogito",
    "minicpm5",
];

/// The way in which a model begins its replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Habit {
    Unknown,
    /// The model begins with its words, or with an opening tag.
    Plain,
    /// The model begins with thoughts that nothing opens.
    Unopened,
}

/// The habit of one model, for all of its sessions.
#[derive(Debug)]
pub(super) struct Memory {
    habit: AtomicU8,
    /// The model has begun so; its name alone does not count.
    is_seen: AtomicBool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece {
    /// Words to pass on, never empty.
    Words(String),
    /// A sign of life that no participant hears.
    Thought,
    /// All words that were passed on turned out to be thoughts.
    AllThought,
}

/// The words of one attempt.
#[derive(Debug)]
pub(super) struct Words {
    /// None: thoughts are said like all other text.
    thinking: Option<Thinking>,
    hold: Hold,
    /// The words that wait, in the pieces in which they came.
    held: Vec<String>,
    held_bytes: usize,
    /// The blanks before the first letter.
    blanks: String,
    /// A letter came.
    has_begun: bool,
    /// Words were passed on.
    has_passed: bool,
    /// An end of thoughts came whose beginning nothing had marked.
    is_unopened: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    Off,
    Briefly,
    Until(Instant),
    ToTheEnd,
}

/// Blanks, and marks that have no width.
fn is_blank(letter: char) -> bool {
    letter.is_whitespace() || matches!(letter, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
}

// === impl Memory ===

impl Memory {
    /// The memory of a model of this name.
    pub(super) fn of(model: &str) -> Self {
        let model = model.to_lowercase();
        let is_known = UNOPENED.iter().any(|name| model.contains(name));
        let habit = if is_known { Habit::Unopened } else { Habit::Unknown };
        Self { habit: AtomicU8::new(habit as u8), is_seen: AtomicBool::new(false) }
    }

    pub(super) fn habit(&self) -> Habit {
        match self.habit.load(Ordering::Relaxed) {
            habit if habit == Habit::Plain as u8 => Habit::Plain,
            habit if habit == Habit::Unopened as u8 => Habit::Unopened,
            _ => Habit::Unknown,
        }
    }

    /// A habit that was seen once stays: such a model may now and then not think.
    pub(super) fn learn(&self, habit: Habit) {
        if habit == Habit::Unopened {
            self.is_seen.store(true, Ordering::Relaxed);
        } else if self.is_seen.load(Ordering::Relaxed) {
            return;
        }
        self.habit.store(habit as u8, Ordering::Relaxed);
    }
}

// === impl Words ===

impl Words {
    /// `habit` is None where thoughts are shown.
    pub(super) fn new(habit: Option<Habit>) -> Self {
        let hold = match habit {
            None | Some(Habit::Plain) => Hold::Off,
            Some(Habit::Unknown) => Hold::Briefly,
            Some(Habit::Unopened) => Hold::ToTheEnd,
        };
        Self {
            thinking: habit.map(|_| Thinking::default()),
            hold,
            held: Vec::new(),
            held_bytes: 0,
            blanks: String::new(),
            has_begun: false,
            has_passed: false,
            is_unopened: false,
        }
    }

    pub(super) fn take(&mut self, now: Instant, text: &str, pieces: &mut VecDeque<Piece>) {
        let parts = match &mut self.thinking {
            Some(thinking) => thinking.read(text),
            None => vec![Part::Said(text.to_owned())],
        };
        self.take_parts(now, parts, pieces);
    }

    /// Takes note that the server separates thoughts from words by itself.
    pub(super) fn thoughts_come_apart(&mut self, pieces: &mut VecDeque<Piece>) {
        self.release(pieces);
    }

    /// Takes note that no more words come: waiting words go out.
    pub(super) fn finish(&mut self, now: Instant, finish: Option<Finish>, pieces: &mut VecDeque<Piece>) {
        let parts = self.thinking.as_mut().map(Thinking::finish).unwrap_or_default();
        self.take_parts(now, parts, pieces);
        self.release_at_end(finish, pieces);
    }

    /// Takes note of the end of the reply. Words that waited for the end of thoughts were thoughts, unless the model
    /// ended by itself.
    pub(super) fn release_at_end(&mut self, finish: Option<Finish>, pieces: &mut VecDeque<Piece>) {
        if self.hold == Hold::ToTheEnd && finish != Some(Finish::Whole) {
            self.has_begun &= self.held.is_empty();
            self.held_bytes = 0;
            self.held.clear();
        }
        self.release(pieces);
    }

    /// The time at which the waiting words go out, if nothing comes before.
    pub(super) fn release_at(&self) -> Option<Instant> {
        match self.hold {
            Hold::Until(at) => Some(at),
            _ => None,
        }
    }

    /// Passes on the waiting words, and lets no more words wait.
    pub(super) fn release(&mut self, pieces: &mut VecDeque<Piece>) {
        self.hold = Hold::Off;
        self.held_bytes = 0;
        let held = std::mem::take(&mut self.held);
        held.into_iter().for_each(|text| self.pass(text, pieces));
    }

    /// The stream has broken off: words that only waited for a moment go out, and words that may be thoughts do not.
    pub(super) fn break_off(&mut self, pieces: &mut VecDeque<Piece>) {
        if self.hold != Hold::ToTheEnd {
            self.release(pieces);
        }
    }

    /// Whether any letter came that belongs to no thought.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun
    }

    /// The habit that a whole reply has shown; None where it had no words.
    pub(super) fn habit(&self) -> Option<Habit> {
        match self.is_unopened {
            true => Some(Habit::Unopened),
            false => self.has_begun.then_some(Habit::Plain),
        }
    }

    fn take_parts(&mut self, now: Instant, parts: Vec<Part>, pieces: &mut VecDeque<Piece>) {
        for part in parts {
            match part {
                Part::Said(text) => self.say(now, text, pieces),
                Part::Thought => {
                    self.release(pieces);
                    pieces.push_back(Piece::Thought);
                }
                Part::AllThought => self.unsay(pieces),
            }
        }
    }

    fn say(&mut self, now: Instant, text: String, pieces: &mut VecDeque<Piece>) {
        let Some(text) = self.begun(text) else { return };
        if self.hold == Hold::Off {
            return self.pass(text, pieces);
        }
        if self.hold == Hold::Briefly {
            self.hold = Hold::Until(now + BRIEFLY);
        }
        self.held_bytes += text.len();
        self.held.push(text);
        // The model is alive, though none of its words are heard yet.
        pieces.push_back(Piece::Thought);
        if self.held_bytes > MAX_HELD_BYTES {
            self.release(pieces);
        }
    }

    /// `text`, with the blanks before it, once a letter has come.
    fn begun(&mut self, text: String) -> Option<String> {
        if self.has_begun {
            return Some(text);
        }
        if text.chars().all(is_blank) {
            if self.blanks.len() + text.len() <= MAX_BLANK_BYTES {
                self.blanks.push_str(&text);
            }
            return None;
        }
        self.has_begun = true;
        Some(std::mem::take(&mut self.blanks) + &text)
    }

    fn pass(&mut self, text: String, pieces: &mut VecDeque<Piece>) {
        if !text.is_empty() {
            self.has_passed = true;
            pieces.push_back(Piece::Words(text));
        }
    }

    fn unsay(&mut self, pieces: &mut VecDeque<Piece>) {
        self.is_unopened = true;
        self.hold = Hold::Off;
        (self.held, self.held_bytes) = (Vec::new(), 0);
        self.blanks.clear();
        self.has_begun = false;
        pieces.retain(|piece| !matches!(piece, Piece::Words(_)));
        pieces.push_back(if self.has_passed { Piece::AllThought } else { Piece::Thought });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The pieces that come of a reply in these texts, a millisecond apart.
    fn pieces(words: &mut Words, texts: &[&str]) -> Vec<Piece> {
        let now = Instant::now();
        let mut pieces = VecDeque::new();
        for (index, text) in texts.iter().enumerate() {
            words.take(now + Duration::from_millis(index as u64), text, &mut pieces);
        }
        words.finish(now, Some(Finish::Whole), &mut pieces);
        pieces.into_iter().filter(|piece| *piece != Piece::Thought).collect()
    }

    fn words(text: &str) -> Piece {
        Piece::Words(text.to_owned())
    }

    fn plain() -> Words {
        Words::new(Some(Habit::Plain))
    }

    #[test]
    fn blanks_wait_for_the_first_word_and_alone_are_none() {
        assert_eq!(
            pieces(&mut plain(), &["\n", " ", "Good ", "morning."]),
            [words("\n Good "), words("morning.")]
        );
        let mut blank = plain();
        assert_eq!(pieces(&mut blank, &["\n \n", "\t", "\u{a0}", "\u{200b}", "\u{feff}"]), []);
        assert_eq!(blank.habit(), None);
    }

    #[test]
    fn thoughts_that_nothing_opened_are_not_said_where_the_model_is_known_for_them() {
        let mut known = Words::new(Some(Habit::Unopened));
        let texts = ["I wonder", " what to say.", "</think>", "\n\nGood ", "morning."];
        assert_eq!(pieces(&mut known, &texts), [words("Good "), words("morning.")]);
        assert_eq!(known.habit(), Some(Habit::Unopened));
    }

    #[test]
    fn the_first_reply_of_any_model_waits_for_a_moment_and_no_longer() {
        let now = Instant::now();
        let mut first = Words::new(Some(Habit::Unknown));
        let mut pieces = VecDeque::new();
        assert_eq!(first.release_at(), None);
        first.take(now, "Good ", &mut pieces);
        first.take(now + BRIEFLY / 2, "morning", &mut pieces);
        assert!(pieces.iter().all(|piece| *piece == Piece::Thought));
        assert_eq!(first.release_at(), Some(now + BRIEFLY));
        first.release(&mut pieces);
        first.take(now + BRIEFLY, ".", &mut pieces);
        let said: Vec<Piece> = pieces.into_iter().filter(|piece| *piece != Piece::Thought).collect();
        assert_eq!(said, [words("Good "), words("morning"), words(".")]);
        assert_eq!(first.habit(), Some(Habit::Plain));
    }

    #[test]
    fn words_that_turn_out_to_be_thoughts_are_taken_back() {
        let mut other = plain();
        let said = pieces(&mut other, &["I wonder."]);
        assert_eq!(said, [words("I wonder.")]);
        assert_eq!(
            pieces(&mut other, &["</think>Good morning."]),
            [Piece::AllThought, words("Good morning.")]
        );
        assert_eq!(other.habit(), Some(Habit::Unopened));
    }

    #[test]
    fn a_model_that_opens_its_thoughts_does_not_let_its_words_wait() {
        let now = Instant::now();
        for habit in [Habit::Unknown, Habit::Unopened] {
            let mut opening = Words::new(Some(habit));
            let mut pieces = VecDeque::new();
            opening.take(now, "<think>I wonder.</think>Good", &mut pieces);
            assert_eq!(pieces.pop_back(), Some(words("Good")), "{habit:?}");
        }
    }

    #[test]
    fn thoughts_are_said_where_that_is_wanted() {
        let mut shown = Words::new(None);
        assert_eq!(
            pieces(&mut shown, &["<think>hm</think>", " Hello."]),
            [words("<think>hm</think>"), words(" Hello.")]
        );
    }

    #[test]
    fn a_reply_that_waits_is_bounded() {
        let mut known = Words::new(Some(Habit::Unopened));
        let mut pieces = VecDeque::new();
        for _ in 0..=MAX_HELD_BYTES / 1024 {
            known.take(Instant::now(), &"x".repeat(1024), &mut pieces);
        }
        let passed = pieces.iter().filter(|piece| matches!(piece, Piece::Words(_))).count();
        assert_eq!((passed, known.held.len()), (MAX_HELD_BYTES / 1024 + 1, 0));
    }

    #[test]
    fn what_waited_in_a_reply_that_was_cut_were_thoughts() {
        for finish in [Some(Finish::Length), Some(Finish::Failed { may_pass: true }), None] {
            let mut known = Words::new(Some(Habit::Unopened));
            let mut pieces = VecDeque::new();
            known.take(Instant::now(), "I wonder what", &mut pieces);
            known.finish(Instant::now(), finish, &mut pieces);
            assert!(!pieces.iter().any(|piece| matches!(piece, Piece::Words(_))), "{finish:?}");
            assert!(!known.has_begun());
        }
    }

    #[test]
    fn names_of_models_say_how_they_begin() {
        assert_eq!(Memory::of("deepseek-r1:8b").habit(), Habit::Unopened);
        assert_eq!(Memory::of("Qwen/Qwen3-4B-Thinking-2507").habit(), Habit::Unopened);
        let memory = Memory::of("gpt-5.4-mini");
        assert_eq!(memory.habit(), Habit::Unknown);
        memory.learn(Habit::Plain);
        assert_eq!(memory.habit(), Habit::Plain);
        memory.learn(Habit::Unopened);
        memory.learn(Habit::Plain);
        assert_eq!(memory.habit(), Habit::Unopened);
    }
}
