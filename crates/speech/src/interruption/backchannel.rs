//! The words by which people show that they listen, and do not want to speak. English and German.

/// As they stand between spaces, in small letters and without marks.
const PHRASES: &[&[&str]] = &[
    &["uhhuh"],
    &["uh", "huh"],
    &["mmhmm"],
    &["mm", "hmm"],
    &["mhm"],
    &["hm"],
    &["hmm"],
    &["mm"],
    &["mmm"],
    &["aha"],
    &["ah"],
    &["oh"],
    &["uh"],
    &["um"],
    &["yeah"],
    &["yep"],
    &["okay"],
    &["ok"],
    &["right"],
    &["alright"],
    &["i", "see"],
    &["got", "it"],
    &["ja"],
    &["genau"],
    &["ach", "so"],
    &["achso"],
    &["alles", "klar"],
];
/// More words than these are a turn.
const MOST: usize = 4;

/// Whether a text is made of nothing but such words. An empty one is not.
pub fn is_backchannel(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().map(bare).filter(|word| !word.is_empty()).collect();
    let mut rest = words.as_slice();
    if rest.is_empty() || rest.len() > MOST {
        return false;
    }
    while let Some(phrase) = PHRASES.iter().filter(|phrase| begins(rest, phrase)).max_by_key(|it| it.len()) {
        rest = &rest[phrase.len()..];
    }
    rest.is_empty()
}

fn begins(words: &[String], phrase: &[&str]) -> bool {
    words.len() >= phrase.len() && words.iter().zip(phrase).all(|(word, other)| word == other)
}

fn bare(word: &str) -> String {
    word.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sounds_of_listening_are_backchannels() {
        for text in
            ["Uh-huh.", "uh huh", "Mm-hmm", "Okay, yeah.", "I see. Right.", "Ach so, ja", "mhm mhm mhm"]
        {
            assert!(is_backchannel(text), "{text}");
        }
    }

    #[test]
    fn answers_and_requests_are_none() {
        for text in ["yes", "no", "stop", "okay stop", "right now", "I see him", "", "...", "ok ok ok ok ok"]
        {
            assert!(!is_backchannel(text), "{text}");
        }
    }
}
