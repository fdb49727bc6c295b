//! The beginnings of long texts.

use std::borrow::Cow;

/// As much of the text as has at most this many bytes and ends with a character.
pub fn within_bytes(text: &str, most: usize) -> &str {
    // `str::floor_char_boundary` is of Rust 1.91.
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or_default()]
}

/// The text, or its first `most` characters and an ellipsis.
pub fn within_chars(text: &str, most: usize) -> Cow<'_, str> {
    match text.char_indices().nth(most) {
        Some((end, _)) => format!("{}…", &text[..end]).into(),
        None => text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_at_bytes_halves_no_character() {
        let cuts = [0, 1, 2, 3, 4, 9].map(|most| within_bytes("aé😀", most));
        assert_eq!(cuts, ["", "a", "a", "aé", "aé", "aé😀"]);
    }

    #[test]
    fn a_cut_at_characters_shows_that_there_was_more() {
        let cuts = [0, 1, 2, 3].map(|most| within_chars("aé😀", most));
        assert_eq!(cuts, ["…", "a…", "aé…", "aé😀"]);
        assert_eq!(within_chars("", 0), "");
    }
}
