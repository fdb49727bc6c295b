//! Whether what was heard is our own voice that came back through a loudspeaker.
//!
//! What a microphone picks up of our voice is understood as our words, in our order, with a few of them wrong or
//! missing. So the words that were heard are looked up among those that we have just spoken. A person who repeats a
//! word of ours ("yes", "stop") has to be heard all the same: a few words count as echo only when they are much quieter
//! than this person usually is.

/// The words that are compared: of what was heard, and of what we spoke last.
const MOST_HEARD: usize = 64;
const MOST_SPOKEN: usize = 128;
/// The words from which on the text alone can tell.
const ENOUGH: usize = 3;
/// The share of words, in order, that makes an echo; and that of words which are quiet, or as loud as the person.
const USUAL: f32 = 0.7;
const QUIET: f32 = 0.5;
const LOUD: f32 = 0.9;
/// How far below the person's level sound is quiet, and from where on it is as loud, in dB.
const QUIETER: f32 = -10.0;
const AS_LOUD: f32 = -3.0;

/// What was heard.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heard<'a> {
    /// The transcript.
    pub text: &'a str,
    /// Its level relative to the person's own, in dB, if both are known.
    pub level: Option<f32>,
}

/// Whether `heard` is likely an echo of `spoken`, the words that we spoke in the last ten seconds or so.
pub fn is_echo(heard: Heard<'_>, spoken: &str) -> bool {
    let words = words(heard.text, MOST_HEARD);
    let is_quiet = heard.level.is_some_and(|level| level <= QUIETER);
    if words.is_empty() || words.len() < ENOUGH && !is_quiet {
        return false;
    }
    let threshold = match heard.level {
        _ if words.len() < ENOUGH => 1.0,
        Some(level) if level <= QUIETER => QUIET,
        Some(level) if level >= AS_LOUD => LOUD,
        _ => USUAL,
    };
    similarity(heard.text, spoken) >= threshold
}

/// The share of the heard words that stand in the same order close together in `spoken`: 0 to 1.
pub fn similarity(heard: &str, spoken: &str) -> f32 {
    let (heard, spoken) = (words(heard, MOST_HEARD), words(spoken, MOST_SPOKEN));
    if heard.is_empty() || spoken.is_empty() {
        return 0.0;
    }
    // Words that are common to all texts stand far apart, so only a stretch somewhat longer counts.
    let stretch = (heard.len() + heard.len() / 2 + 2).min(spoken.len());
    let most = spoken.windows(stretch).map(|stretch| common(&heard, stretch)).max().unwrap_or_default();
    most as f32 / heard.len() as f32
}

/// The last words of a text in small letters.
fn words(text: &str, most: usize) -> Vec<String> {
    let bare = |word: &str| {
        word.chars().filter(|letter| letter.is_alphanumeric()).collect::<String>().to_lowercase()
    };
    let mut words: Vec<String> =
        text.split_whitespace().rev().map(bare).filter(|word| !word.is_empty()).take(most).collect();
    words.reverse();
    words
}

/// How many words both have in the same order.
fn common(heard: &[String], spoken: &[String]) -> usize {
    let mut row = vec![0; spoken.len() + 1];
    for word in heard {
        let mut diagonal = 0;
        for (at, other) in spoken.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if is_same(word, other) { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    row[spoken.len()]
}

/// The same word, or a long one that the recogniser got wrong at its end.
fn is_same(word: &str, other: &str) -> bool {
    if word == other {
        return true;
    }
    let same = word.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let longer = word.chars().count().max(other.chars().count());
    longer >= 5 && same + 2 >= longer
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPOKEN: &str =
        "Sure, I can book a table for two people tonight at seven. Would you like to sit outside?";

    fn echoes(text: &str, level: Option<f32>) -> bool {
        is_echo(Heard { text, level }, SPOKEN)
    }

    #[test]
    fn our_own_words_are_an_echo_also_with_a_few_wrong() {
        assert!(echoes("book a table for two people", None));
        assert!(echoes("Sure I can look a table for two peoples tonight", None));
        assert!(echoes("would you like to sit outside", Some(-6.0)));
    }

    #[test]
    fn words_of_the_person_are_none() {
        for text in [
            "no I want three people",
            "what about tomorrow at eight",
            "I would rather sit inside please",
            "wait a moment",
        ] {
            assert!(!echoes(text, None), "{text}: {}", similarity(text, SPOKEN));
        }
    }

    #[test]
    fn a_word_of_ours_counts_as_the_persons_unless_it_is_quiet() {
        for text in ["tonight", "at seven", "sure"] {
            assert!(!echoes(text, None) && !echoes(text, Some(-5.0)), "{text}");
            assert!(echoes(text, Some(-12.0)), "{text}");
        }
        assert!(!echoes("stop", Some(-20.0)), "it is no word of ours");
    }

    #[test]
    fn a_person_as_loud_as_usual_has_to_repeat_us_exactly_to_be_taken_for_an_echo() {
        assert!(!echoes("a table for four people tonight", Some(0.0)));
        assert!(echoes("a table for two people tonight", Some(0.0)));
        assert!(echoes("a table for four people tonight", Some(-12.0)));
    }

    #[test]
    fn common_words_far_apart_are_no_echo() {
        let spoken = format!("I {0} can {0} you {0} to {0}", "and so on it goes again and again".repeat(2));
        assert!(similarity("I can you to", &spoken) <= 0.5);
    }

    #[test]
    fn silence_and_marks_have_no_words() {
        assert!(!echoes("", None) && !echoes("...", Some(-30.0)));
        assert!(!is_echo(Heard { text: "hello there you", level: None }, ""));
    }

    #[test]
    fn long_texts_are_compared_within_bounds() {
        let long = "word other ".repeat(100_000);
        assert_eq!(similarity(&long, &long), 1.0);
    }
}
