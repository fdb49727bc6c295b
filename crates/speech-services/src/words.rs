//! A provider's own words about an error, as far as they may be shown.
//!
//! They often are the only useful hint ("model_not_found"), yet some servers echo the request, and with it the key or
//! the text that was to be spoken.

use bounded::text::within_chars;
use conversation::Secret;

use crate::service::Quoting;

const MAX_CHARS: usize = 200;
/// The part of the words that is looked at.
const MAX_READ_CHARS: usize = 1024;
/// This many letters in a row that also stand in the text are a quotation, not a coincidence.
const QUOTATION_LETTERS: usize = 12;

/// `words` on one line and short. None when they hold the key, or a part of the text that was to be spoken.
pub(crate) fn shown(words: &str, key: Option<&Secret>, said: &str, quoting: &Quoting) -> Option<String> {
    let read: String = words.chars().take(MAX_READ_CHARS).collect();
    let line = one_line(&read);
    let holds_key = key.is_some_and(|key| !key.is_empty() && words.contains(key.expose()));
    // Escapes of JSON within JSON could hide a quotation.
    let is_escaped = !said.is_empty() && line.contains("\\u");
    if line.is_empty() || holds_key || is_escaped || quotes(&line, said) {
        return None;
    }
    // The line is redacted before it is cut: half a number would not be recognised.
    quoting.allowed(&line).map(|line| within_chars(&line, MAX_CHARS).into_owned())
}

fn one_line(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Whether a line holds the whole text, or a long part of it, whatever stands between the letters.
fn quotes(line: &str, said: &str) -> bool {
    let (line, said) = (letters(line), letters(said));
    let length = said.len().min(QUOTATION_LETTERS);
    length > 0 && line.windows(length).any(|window| said.windows(length).any(|part| part == window))
}

fn letters(text: &str) -> Vec<char> {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(words: &str, said: &str) -> Option<String> {
        shown(words, Some(&Secret::new("sk-hidden")), said, &Quoting::default())
    }

    #[test]
    fn words_about_the_error_are_shown_on_one_line() {
        assert_eq!(said("no such\n model", "good morning").as_deref(), Some("no such model"));
        assert_eq!(said(" \n", "good morning"), None);
    }

    #[test]
    fn words_that_hold_the_key_or_the_text_are_left_out() {
        assert_eq!(said("bad key sk-hidden", "good morning"), None);
        assert_eq!(said(r#"cannot say "Good, morning!""#, "Good morning."), None);
        assert_eq!(said("cannot say my name is Ada Lov", "My name is Ada Lovelace"), None);
        assert_eq!(said(r"cannot say \u4f60\u597d", "你好"), None);
    }

    #[test]
    fn long_words_are_cut_after_redaction() {
        let quoting = Quoting::new(|line| Some(line.replace("12345", "[number]")));
        let shown = shown(&format!("12345 {}", "x".repeat(500)), None, "", &quoting).unwrap();
        assert!(shown.starts_with("[number] xxx") && shown.chars().count() == MAX_CHARS + 1, "{shown}");
    }
}
