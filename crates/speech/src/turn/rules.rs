//! What the text of a turn says about its end.
//!
//! The rules look at the last words: a conjunction, an article or a filler is followed by more, and so are the first
//! digits of a telephone number and the first letters of a name that is being spelled. Words that may end a sentence
//! just as well ("in", "on", "that", "so") are in no list. English and German.

/// Whether more is to come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Completeness {
    /// The text ends as sentences do.
    Finished,
    /// The text cannot be over.
    Unfinished,
    /// The text does not tell.
    #[default]
    Unclear,
}

/// Words that do not end a sentence, whatever mark the recogniser puts behind them.
const LEADING: &[&str] = &[
    "and", "or", "but", "because", "if", "when", "while", "although", "though", "unless", "the", "a", "an",
    "my", "your", "our", "their", "to", "of", "for", "with", "from", "at", "by", "into", "about", "between",
    "um", "uh", "uhm", "er", "erm", "hmm", "i'm", "i'd", "i'll", "it's", "that's", "there's", "he's",
    "she's", "we're", "they're", "you're", "is", "are", "was", "were", "und", "oder", "aber", "weil", "dass",
    "wenn", "obwohl", "der", "die", "das", "ein", "eine", "einen", "einem", "einer", "mein", "meine",
    "meinen", "dein", "deine", "unser", "ihr", "zu", "von", "für", "bei", "äh", "ähm", "öh", "ist", "sind",
];
/// Two last words that announce more.
const LEADING_PAIRS: &[(&str, &str)] = &[
    ("i", "want"),
    ("i", "need"),
    ("such", "as"),
    ("because", "of"),
    ("going", "to"),
    ("ich", "möchte"),
    ("zum", "beispiel"),
];
/// Questions that end in a word of [`LEADING`]: "What time is it for?" needs its mark, these do not.
const QUESTIONS: &[&str] =
    &["what", "who", "where", "how", "why", "which", "wer", "was", "wo", "wie", "warum"];
/// Words that announce a number.
const NUMBERED: &[&str] = &[
    "number",
    "phone",
    "telephone",
    "mobile",
    "code",
    "pin",
    "card",
    "account",
    "zip",
    "postcode",
    "order",
    "reference",
    "nummer",
    "telefon",
    "handy",
    "postleitzahl",
    "konto",
    "bestellnummer",
    "kundennummer",
];
const MAIL: &[&str] = &["email", "e-mail", "mail", "mailadresse", "emailadresse"];
const DIGITS: &[&str] = &[
    "zero", "oh", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "double", "triple",
    "null", "eins", "zwei", "zwo", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun",
];
/// The digits that a telephone number has at least.
const WHOLE_NUMBER: usize = 10;
/// What is no year, price or time, with nothing said before: so many groups, or two with so many digits.
const GROUPS: usize = 3;
const DIGITS_OF_TWO: usize = 6;
/// The last words that are looked at.
const LOOKED_AT: usize = 24;

/// What the text of a turn says about its end.
pub fn completeness(text: &str) -> Completeness {
    let text = text.trim();
    let bare = text.trim_end_matches(['"', '\'', ')', '”', '’']);
    if bare.ends_with(['?', '!', '？', '！', '؟']) {
        return Completeness::Finished;
    }
    let words = last_words(bare);
    let breaks_off = bare.ends_with([',', ':', ';', '-', '–', '—', '…', '，', '、']) || bare.ends_with("...");
    if breaks_off
        || is_leading(&words)
        || is_part_of_number(&words)
        || is_spelled(&words)
        || is_part_of_mail(&words)
    {
        return Completeness::Unfinished;
    }
    if bare.ends_with(['.', '。', '।', '॥', '۔']) {
        Completeness::Finished
    } else {
        Completeness::Unclear
    }
}

/// The last words in small letters and without marks, the last one first.
fn last_words(text: &str) -> Vec<String> {
    let bare = |word: &str| word.trim_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase();
    text.split_whitespace().rev().take(LOOKED_AT).map(bare).filter(|word| !word.is_empty()).collect()
}

fn is_leading(words: &[String]) -> bool {
    let Some(last) = words.first() else { return false };
    let pair = words.get(1).map(|before| (before.as_str(), last.as_str()));
    if pair.is_some_and(|pair| LEADING_PAIRS.contains(&pair)) {
        return true;
    }
    let asks = words.iter().skip(1).take(3).any(|word| QUESTIONS.contains(&word.as_str()));
    let is_verb = matches!(last.as_str(), "is" | "are" | "was" | "were" | "ist" | "sind");
    LEADING.contains(&last.as_str()) && !(asks && is_verb)
}

/// Digits at the end that are fewer than what they are a part of.
fn is_part_of_number(words: &[String]) -> bool {
    let series: Vec<usize> = words.iter().map_while(|word| digits_of(word)).collect();
    let digits: usize = series.iter().sum();
    if digits == 0 || digits >= WHOLE_NUMBER {
        return false;
    }
    let announced = contains(&words[series.len()..], NUMBERED);
    announced || series.len() >= GROUPS || series.len() == 2 && digits >= DIGITS_OF_TWO
}

/// The digits that a word stands for; None for other words.
fn digits_of(word: &str) -> Option<usize> {
    if DIGITS.contains(&word) {
        return Some(1);
    }
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let is_number =
        digits > 0 && word.chars().all(|letter| letter.is_ascii_digit() || "-+()/".contains(letter));
    is_number.then_some(digits)
}

/// Single letters at the end: "S M I", "s-m-i".
fn is_spelled(words: &[String]) -> bool {
    let is_letter = |word: &&String| word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    if words.iter().take_while(is_letter).count() >= 2 {
        return true;
    }
    words.first().is_some_and(|word| {
        word.contains('-')
            && word.split('-').all(|part| part.chars().count() == 1 && part.chars().all(char::is_alphabetic))
    })
}

/// An address that has no end yet: "jane at example", "jane dot".
fn is_part_of_mail(words: &[String]) -> bool {
    let Some(last) = words.first() else { return false };
    if matches!(last.as_str(), "dot" | "underscore" | "punkt" | "unterstrich") {
        return true;
    }
    let domain = words.iter().take(4).take_while(|word| *word != "at").collect::<Vec<_>>();
    let has_at = domain.len() < words.len().min(4);
    let has_dot = domain.iter().any(|word| word.contains('.') || *word == "dot" || *word == "punkt");
    let is_address = last.contains('@') && !last.rsplit('@').next().unwrap_or_default().contains('.');
    is_address || has_at && !has_dot && contains(&words[domain.len()..], MAIL)
}

fn contains(words: &[String], list: &[&str]) -> bool {
    words.iter().any(|word| list.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all_are(expected: Completeness, texts: &[&str]) {
        for text in texts {
            assert_eq!(completeness(text), expected, "{text}");
        }
    }

    #[test]
    fn sentences_with_their_mark_are_finished() {
        all_are(
            Completeness::Finished,
            &[
                "Yes.",
                "What is that for?",
                "Stop!",
                "It was in 2024.",
                "I am 25.",
                "He said \"no.\"",
                "はい。",
                "My number is 0151 234 56 78 90.",
            ],
        );
    }

    #[test]
    fn text_without_a_mark_and_without_a_sign_of_more_is_unclear() {
        all_are(
            Completeness::Unclear,
            &[
                "yes",
                "turn it on",
                "i think so",
                "i like that",
                "what is it",
                "where is",
                "at 5",
                "in 2024",
                "",
                "i have two",
            ],
        );
    }

    #[test]
    fn conjunctions_articles_and_fillers_announce_more() {
        all_are(
            Completeness::Unfinished,
            &[
                "I would like a pizza and",
                "because",
                "I want to book the.",
                "well, um",
                "my name is",
                "My number is.",
                "I want",
                "Ich möchte",
                "zwei Karten für",
                "so first,",
                "there is one thing:",
                "I was...",
                "and then -",
            ],
        );
    }

    #[test]
    fn the_first_digits_of_a_number_announce_more() {
        all_are(
            Completeness::Unfinished,
            &[
                "my number is 555",
                "My phone number is 555 123.",
                "five five five one",
                "0151 234",
                "the code is four two",
                "meine Nummer ist null eins fünf",
            ],
        );
        all_are(
            Completeness::Unclear,
            &["call 555 123 4567", "my number is 0151 2345678", "one", "twenty five", "it is 7 30"],
        );
    }

    #[test]
    fn letters_that_are_spelled_announce_more() {
        all_are(Completeness::Unfinished, &["my name is S M I", "it is spelled b e", "S-M-I"]);
        all_are(Completeness::Unclear, &["plan b", "it is an e-mail", "smith"]);
    }

    #[test]
    fn addresses_without_an_end_announce_more() {
        all_are(
            Completeness::Unfinished,
            &["my email is jane at example", "jane dot", "write to jane@example", "my email is jane at"],
        );
        all_are(
            Completeness::Unclear,
            &["my email is jane at example dot com", "jane@example.com", "we met at school"],
        );
    }
}
