//! Texts as a terminal may show them.

/// One line of what somebody said or named: cut at `most` characters, and with nothing in it that a terminal obeys.
pub(super) fn line(text: &str, most: usize) -> String {
    let mut letters = text.trim().chars().map(harmless);
    let line: String = letters.by_ref().take(most).collect();
    if letters.next().is_none() {
        return line;
    }
    let kept: String = line.chars().take(most.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// Control characters move the cursor, set colours and titles; marks of direction turn a line around.
fn harmless(letter: char) -> char {
    match letter {
        '\n' | '\r' | '\t' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{61c}' => '\u{fffd}',
        letter if letter.is_control() => '\u{fffd}',
        letter => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_obeys_gets_through() {
        assert_eq!(
            line("a\x1b[31mred\x07\u{9b}2J\u{202e}b", 99),
            "a\u{fffd}[31mred\u{fffd}\u{fffd}2J\u{fffd}b"
        );
        assert_eq!(line("two\r\nlines\tand", 99), "two  lines and");
    }

    #[test]
    fn a_long_line_is_cut_within_its_width() {
        assert_eq!((line("abcdef", 6).as_str(), line("abcdefg", 6).as_str()), ("abcdef", "abcde…"));
        assert_eq!(line("äöüäöü", 3), "äö…");
    }
}
