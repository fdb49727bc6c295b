//! How much of a piece has been spoken after a part of its sound.
//!
//! A synthesiser that gives no word times gives the exact length of its sound. The parts of the text that sound like a
//! syllable, and the pauses behind its marks, share that length; a word counts as spoken from its middle on. So words
//! in a transcript keep step with the voice, and an interrupted reply ends in the history where it ended for the ear.

use std::time::Duration;

/// Syllables of speech a second, where the length is not known (LiveKit Agents' figure).
const SYLLABLES_A_SECOND: f64 = 3.83;
/// Pauses in syllables: behind a clause and behind a sentence.
const CLAUSE_PAUSE: f64 = 0.7;
const SENTENCE_PAUSE: f64 = 1.5;
/// The letters of a syllable in scripts whose vowels are not counted.
const LETTERS_A_SYLLABLE: f64 = 2.5;

/// The words of a piece and when they are spoken.
#[derive(Clone, Debug, PartialEq)]
pub struct Pace {
    words: Vec<Word>,
    /// All syllables and pauses.
    whole: f64,
    length: usize,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Word {
    /// Where the word ends in the text, with the spaces behind it.
    end: usize,
    /// The syllables before its middle.
    middle: f64,
}

// === impl Pace ===

impl Pace {
    /// For a piece of text.
    pub fn new(text: &str) -> Self {
        let (mut words, mut at, mut end) = (Vec::new(), 0.0, 0);
        for word in text.split_inclusive(char::is_whitespace) {
            end += word.len();
            let word = word.trim_end();
            let syllables = syllables(word);
            // A space or a mark of its own belongs to the word before it.
            match words.last_mut() {
                Some(Word { end: last, .. }) if syllables == 0.0 => *last = end,
                _ => words.push(Word { end, middle: at + syllables / 2.0 }),
            }
            at += syllables + pause(word);
        }
        // No pause is behind the last word: the sound ends there.
        let last = text.split_whitespace().next_back().map_or(0.0, pause);
        Self { words, whole: at - last, length: text.len() }
    }

    /// The bytes of the text that are spoken after `elapsed` of a sound that is `total` long. Never cuts a word.
    pub fn spoken(&self, elapsed: Duration, total: Duration) -> usize {
        if elapsed >= total {
            return self.length;
        }
        let reached = self.whole * elapsed.as_secs_f64() / total.as_secs_f64();
        let count = self.words.partition_point(|word| word.middle < reached);
        count.checked_sub(1).map_or(0, |last| self.words[last].end)
    }

    /// How long the sound is likely to be.
    pub fn estimate(&self) -> Duration {
        Duration::from_secs_f64(self.whole / SYLLABLES_A_SECOND)
    }
}

/// The syllables that a word sounds like.
fn syllables(word: &str) -> f64 {
    let digits = word.chars().filter(char::is_ascii_digit).count() as f64 * 1.3;
    let wide = word.chars().filter(|letter| is_wide(*letter)).count() as f64;
    let is_plain = |letter: &char| letter.is_alphabetic() && !is_wide(*letter);
    let letters: Vec<char> = word.chars().filter(is_plain).flat_map(char::to_lowercase).collect();
    if letters.is_empty() {
        return digits + wide;
    }
    let vowels = vowel_groups(&letters);
    let spoken = if vowels > 0 {
        vowels as f64
    } else if letters.iter().all(|letter| (*letter as u32) < 0x250) {
        // Without a vowel it is spelled: "TTS", "Mr".
        letters.len().min(4) as f64
    } else {
        letters.len() as f64 / LETTERS_A_SYLLABLE
    };
    digits + wide + spoken
}

fn vowel_groups(letters: &[char]) -> usize {
    let is_vowel = |letter: char| "aeiouyäöüáéíóúàèìòùâêîôûåæøœаеёиоуыэюяієїαεηιουω".contains(letter);
    let groups = letters.split(|letter| !is_vowel(*letter)).filter(|group| !group.is_empty()).count();
    // The last e of "time" is silent; that of "table" and "the" is not.
    let silent =
        matches!(letters, [.., before, consonant, 'e'] if is_vowel(*before) && !is_vowel(*consonant));
    groups - usize::from(silent && groups > 1)
}

/// Scripts that write a syllable as one letter.
fn is_wide(letter: char) -> bool {
    matches!(letter, '\u{3040}'..='\u{30FF}' | '\u{3400}'..='\u{9FFF}' | '\u{AC00}'..='\u{D7AF}')
}

fn pause(word: &str) -> f64 {
    match word.trim_end_matches(['"', '\'', ')', '”', '’', '»']).chars().next_back() {
        Some('.' | '!' | '?' | '…' | '。' | '！' | '？') => SENTENCE_PAUSE,
        Some(',' | ';' | ':' | '–' | '—' | '，' | '、') => CLAUSE_PAUSE,
        _ => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn spoken(text: &str, share: f64) -> &str {
        &text[..Pace::new(text).spoken(SECOND.mul_f64(share), SECOND)]
    }

    #[test]
    fn words_have_the_syllables_of_their_vowels() {
        for (word, expected) in [
            ("hello", 2.0),
            ("time", 1.0),
            ("table", 2.0),
            ("the", 1.0),
            ("tische", 2.0),
            ("TTS", 3.0),
            ("日本", 2.0),
            ("—", 0.0),
        ] {
            assert_eq!(syllables(word), expected, "{word}");
        }
    }

    #[test]
    fn words_are_spoken_in_step_with_the_sound() {
        let text = "one two three four";
        assert_eq!(spoken(text, 0.0), "");
        assert_eq!(spoken(text, 0.3), "one ");
        assert_eq!(spoken(text, 0.5), "one two ");
        assert_eq!(spoken(text, 0.8), "one two three ");
        assert_eq!(spoken(text, 1.0), text);
        assert_eq!(spoken(text, 7.0), text);
    }

    #[test]
    fn long_words_take_longer_and_sentences_have_pauses_between_them() {
        assert_eq!(spoken("unbelievable to me", 0.5), "unbelievable ");
        assert_eq!(spoken("Yes. No more words here now", 0.25), "Yes. ");
    }

    #[test]
    fn spoken_text_only_grows_and_ends_at_words() {
        let text = "Well, 25 people (and “more”) came…  日本語 も!  ";
        let pace = Pace::new(text);
        let mut last = 0;
        for step in 0..=1000 {
            let now = pace.spoken(SECOND * step / 1000, SECOND);
            assert!(now >= last && text.is_char_boundary(now));
            assert!(now == 0 || now == text.len() || text[..now].ends_with(char::is_whitespace));
            last = now;
        }
        assert_eq!(last, text.len());
    }

    #[test]
    fn text_without_words_and_sound_without_length_are_whole_at_once() {
        assert_eq!(Pace::new("").spoken(Duration::ZERO, SECOND), 0);
        assert_eq!(Pace::new("hello").spoken(Duration::ZERO, Duration::ZERO), 5);
    }

    #[test]
    fn the_likely_length_is_that_of_a_usual_voice() {
        let sentence = Pace::new("I would like to book a table for two people tonight.").estimate();
        assert!((Duration::from_secs(3)..Duration::from_millis(4500)).contains(&sentence), "{sentence:?}");
    }
}
