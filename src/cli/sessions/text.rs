//! Texts and numbers as a terminal may show them.

/// A length of time as people say it: milliseconds below a second, seconds below two minutes, then minutes and hours.
pub(super) fn length(us: i64) -> String {
    let seconds = us.max(0) as f64 / 1e6;
    match seconds {
        0.0..0.01 => format!("{:.1} ms", seconds * 1e3),
        0.01..0.9995 => format!("{:.0} ms", seconds * 1e3),
        0.9995..119.95 => format!("{seconds:.1} s"),
        119.95..5_999.5 => {
            format!("{} min {:02} s", seconds.round() as u64 / 60, seconds.round() as u64 % 60)
        }
        _ => format!("{} h {:02} min", seconds.round() as u64 / 3600, seconds.round() as u64 / 60 % 60),
    }
}

pub(super) fn length_or_dash(us: Option<i64>) -> String {
    us.map_or("–".to_owned(), length)
}

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
    fn lengths_read_well_at_every_scale() {
        let said =
            [0, 4_200, 412_000, 999_800, 1_250_000, 119_940_000, 119_960_000, 312_000_000, 7_260_000_000]
                .map(length);
        assert_eq!(
            said,
            [
                "0.0 ms",
                "4.2 ms",
                "412 ms",
                "1.0 s",
                "1.2 s",
                "119.9 s",
                "2 min 00 s",
                "5 min 12 s",
                "2 h 01 min"
            ]
        );
    }

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
