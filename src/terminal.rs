//! Foreign texts, fit for a terminal, a log or JSON.
//!
//! Control characters move the cursor, set colours and titles; a line break begins a line that passes for one of ours;
//! marks of direction turn a line around. Logs and errors show such a character as its escape, as Rust's `Debug` does.
//! Results for people show U+FFFD instead, which is one column wide. JSON has escapes of its own, so its values stay
//! exact.

use std::borrow::Cow;
use std::fmt::Write;

const REPLACED: char = '\u{fffd}';

/// For a line of a log: `\u{1b}`, `\n`. Escaping a text that is escaped already does not change it.
pub(crate) fn escaped(text: &str) -> Cow<'_, str> {
    replaced(text, obeyed_in_line, |letter, out| out.extend(letter.escape_debug()))
}

/// [`escaped`] for an error of several lines.
pub(crate) fn escaped_lines(text: &str) -> Cow<'_, str> {
    let obeyed = |letter| letter != '\n' && obeyed_in_line(letter);
    replaced(text, obeyed, |letter, out| out.extend(letter.escape_debug()))
}

/// JSON, in which a serialiser has escaped only what JSON forbids. Beyond ASCII nothing stands outside of its strings.
pub(crate) fn json(text: &str) -> Cow<'_, str> {
    let obeyed = |letter: char| letter >= '\u{7f}' && obeyed_in_line(letter);
    replaced(text, obeyed, |letter, out| {
        let _ = write!(out, "\\u{:04x}", u32::from(letter));
    })
}

/// A person's text over several lines. Marks of direction stay: languages need them, and they end with their line.
pub(crate) fn text(text: &str) -> Cow<'_, str> {
    let obeyed = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\t');
    replaced(text, obeyed, |letter, out| {
        // A carriage return would overwrite its line, or is half of a line break.
        if letter != '\r' {
            out.push(REPLACED);
        }
    })
}

/// A person's text or name as one line, cut at `most` characters.
pub(crate) fn line(text: &str, most: usize) -> String {
    let mut letters = text.trim().chars().map(harmless);
    let line: String = letters.by_ref().take(most).collect();
    if letters.next().is_none() {
        return line;
    }
    let kept: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

fn harmless(letter: char) -> char {
    match letter {
        '\n' | '\r' | '\t' => ' ',
        letter if obeyed_in_line(letter) => REPLACED,
        letter => letter,
    }
}

/// Whether a character has an effect on its line, rather than a place in it.
fn obeyed_in_line(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}')
}

/// The text with `replace` in place of each letter that is `wanted`; most texts have none.
fn replaced(text: &str, wanted: impl Fn(char) -> bool, replace: impl Fn(char, &mut String)) -> Cow<'_, str> {
    if !text.contains(&wanted) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for letter in text.chars() {
        if wanted(letter) { replace(letter, &mut out) } else { out.push(letter) }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\x1b[7mb\x07\x7f\u{9b}2J\u{202e}c\u{2028}d";

    #[test]
    fn a_line_of_a_log_shows_what_a_terminal_obeys() {
        let shown = r"a\u{1b}[7mb\u{7}\u{7f}\u{9b}2J\u{202e}c\u{2028}d";
        assert_eq!(escaped(HOSTILE), shown);
        assert_eq!(escaped("two\r\nlines\tand\0"), r"two\r\nlines\tand\0");
        assert_eq!(escaped_lines("error: a\n  = b\x1b\r"), "error: a\n  = b\\u{1b}\\r");
    }

    #[test]
    fn escaping_twice_is_escaping_once_and_agrees_with_debug() {
        assert_eq!(escaped(&escaped(HOSTILE)), escaped(HOSTILE));
        let debug = format!("{HOSTILE:?}");
        assert_eq!(escaped(&debug), debug);
        assert_eq!(format!("\"{}\"", escaped(HOSTILE)), debug);
    }

    #[test]
    fn every_control_character_is_escaped_and_no_other_letter_is_touched() {
        for letter in (0..=0x2fff).filter_map(char::from_u32) {
            let text = letter.to_string();
            let (escaped, line, json) = (escaped(&text), line(&format!("a{text}b"), 9), json(&text));
            assert!(!escaped.contains(obeyed_in_line), "{letter:?}");
            assert!(!line.contains(obeyed_in_line), "{letter:?}");
            assert_eq!(escaped == text, !obeyed_in_line(letter), "{letter:?}");
            assert_eq!(json == text, letter < '\x7f' || !obeyed_in_line(letter), "{letter:?}");
        }
        let harmless = "Grüße, 你好 👨\u{200d}👩\u{200d}👧 \\ \"quoted\" ";
        assert!(matches!(escaped(harmless), Cow::Borrowed(same) if same == harmless));
    }

    #[test]
    fn json_keeps_its_values_and_holds_nothing_that_a_terminal_obeys() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, 7, "\n"] });
        for written in [value.to_string(), format!("{value:#}")] {
            let shown = json(&written);
            assert!(!shown.replace('\n', "").contains(obeyed_in_line), "{shown:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
        }
    }

    #[test]
    fn a_text_keeps_its_lines_and_its_direction() {
        assert_eq!(text("one\r\n\ttwo\x1b[2J\u{9b}m\rthree"), "one\n\ttwo\u{fffd}[2J\u{fffd}mthree");
        assert_eq!(text("\u{200f}שלום\n"), "\u{200f}שלום\n");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_into_a_line() {
        assert_eq!(line(HOSTILE, 99), "a\u{fffd}[7mb\u{fffd}\u{fffd}\u{fffd}2J\u{fffd}c\u{fffd}d");
        assert_eq!(line("two\r\nlines\tand", 99), "two  lines and");
    }

    #[test]
    fn a_long_line_is_cut_within_its_width() {
        assert_eq!((line("abcdef", 6).as_str(), line("abcdefg", 6).as_str()), ("abcdef", "abcde…"));
        assert_eq!(line("äöüäöü", 3), "äö…");
    }
}
