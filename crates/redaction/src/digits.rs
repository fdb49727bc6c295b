//! Numbers in a text, as people write them: groups of digits with other characters between them.

use std::ops::Range;

/// The longest gap within one number, in bytes. `) - ` is the longest in use.
const MAX_GAP_BYTES: usize = 6;
/// The digits before a comma that separates thousands or a fraction; longer ones are numbers in a list.
const THOUSANDS: usize = 3;

/// Digits without anything between them, as a place in the text.
pub(super) type Group = Range<usize>;

/// Groups that may be one number, or several in a row.
pub(super) type Run = Vec<Group>;

/// The runs of a text. `joins` tells the characters that may stand between the groups of one.
///
/// Digits within other things are left out, and end a run: within words, hexadecimal ids, order numbers like A-1234 and
/// #1234, decimal fractions, and times of day.
pub(super) fn runs(text: &str, joins: fn(char) -> bool) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    // The end of the group before, and whether that group could be used.
    let mut before: Option<(usize, bool)> = None;
    for group in groups(text) {
        let gap = before.map(|(end, usable)| (&text[end..group.start], usable));
        let of_an_id = gap.is_some_and(|(gap, usable)| !usable && matches!(gap, "-" | "_" | "/" | "."));
        let usable = !of_an_id && stands_alone(text, &group);
        let goes_on = gap.is_some_and(|(gap, usable)| usable && is_gap(gap, joins));
        before = Some((group.end, usable));
        match runs.last_mut() {
            _ if !usable => {}
            Some(run) if goes_on => run.push(group),
            _ => runs.push(vec![group]),
        }
    }
    runs
}

/// The digits of a run, as numbers.
pub(super) fn values<'t>(text: &'t str, run: &'t [Group]) -> impl DoubleEndedIterator<Item = u32> + 't {
    run.iter().flat_map(|group| text[group.clone()].bytes().map(|byte| u32::from(byte - b'0')))
}

fn groups(text: &str) -> impl Iterator<Item = Group> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + bytes[at..].iter().position(u8::is_ascii_digit)?;
        let length = bytes[start..].iter().position(|byte| !byte.is_ascii_digit());
        at = length.map_or(bytes.len(), |length| start + length);
        Some(start..at)
    })
}

fn is_gap(gap: &str, joins: fn(char) -> bool) -> bool {
    gap.len() <= MAX_GAP_BYTES && gap.chars().all(joins)
}

/// Whether these digits are a number of their own and no part of a word, an id, a fraction or a time of day.
fn stands_alone(text: &str, group: &Group) -> bool {
    let mut before = text[..group.start].chars().rev();
    let mut after = text[group.end..].chars();
    let belongs_before = match (before.next(), before.next()) {
        (Some('-' | '/'), Some(letter)) => letter.is_ascii_alphabetic(),
        (Some(':'), Some(digit)) => digit.is_ascii_digit(),
        (Some(','), Some(digit)) => digit.is_ascii_digit() && is_short(&text[..group.start - 1]),
        (Some(other), _) => other == '#' || is_word(other),
        (None, _) => false,
    };
    let belongs_after = match (after.next(), after.next()) {
        (Some(':'), Some(digit)) => digit.is_ascii_digit(),
        (Some(','), Some(digit)) => digit.is_ascii_digit() && group.len() <= THOUSANDS,
        (Some(other), _) => is_word(other),
        (None, _) => false,
    };
    !belongs_before && !belongs_after
}

/// Whether the number at the end of `text` is short enough to stand before a comma within a number.
fn is_short(text: &str) -> bool {
    text.bytes().rev().take(THOUSANDS + 1).filter(u8::is_ascii_digit).count() <= THOUSANDS
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<&str>> {
        let runs = runs(text, |char| matches!(char, ' ' | '-'));
        runs.into_iter().map(|run| run.into_iter().map(|group| &text[group]).collect()).collect()
    }

    #[test]
    fn groups_with_little_between_them_are_one_run() {
        assert_eq!(read("a 12 34-56 - 7, 89"), [vec!["12", "34", "56", "7"], vec!["89"]]);
        assert_eq!(read("ä12\u{1f600}34"), [["12"], ["34"]]);
        assert_eq!(read("123456,1234"), [["123456"], ["1234"]]);
        assert_eq!(read("no digits"), Vec::<Vec<&str>>::new());
    }

    #[test]
    fn digits_of_something_else_are_left_out() {
        for text in [
            "x12",
            "12x",
            "a_12",
            "A-12",
            "#12",
            "10:30:00.123",
            "1,234",
            "3,14159",
            "550e8400-e29b-41d4-a716-446655440000",
        ] {
            assert_eq!(read(text), Vec::<Vec<&str>>::new(), "{text}");
        }
    }
}
