//! Numbers of payment cards: 13 to 19 digits whose check digit is right.

use std::ops::{Range, RangeInclusive};

use super::digits::{self, Group};

/// The digits of a card's number by ISO/IEC 7812.
const DIGITS: RangeInclusive<usize> = 13..=19;
/// The groups in which cards print their number. Within a longer row of numbers only these are one.
const PRINTED: &[&[usize]] =
    &[&[4, 4, 4, 4], &[4, 6, 5], &[4, 6, 4], &[4, 4, 4, 4, 3], &[6, 13], &[4, 3, 3, 3], &[8, 8]];

pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let runs = digits::runs(text, joins);
    runs.iter().flat_map(|run| in_run(text, run)).collect()
}

fn joins(char: char) -> bool {
    matches!(char, ' ' | '-' | '\t' | '\u{a0}' | '\u{202f}' | '\u{2010}'..='\u{2015}')
}

fn in_run(text: &str, run: &[Group]) -> Vec<Range<usize>> {
    if is_even(run) && is_card(text, run) {
        return place(run).into_iter().collect();
    }
    let mut found = Vec::new();
    let mut at = 0;
    while at < run.len() {
        let length = printed(text, &run[at..]);
        found.extend(length.and_then(|length| place(&run[at..at + length])));
        at += length.unwrap_or(1);
    }
    found
}

/// The number of groups at the start of a run that are a card as it is printed, or written without gaps.
fn printed(text: &str, run: &[Group]) -> Option<usize> {
    let fits = |layout: &[usize]| {
        run.len() >= layout.len() && layout.iter().zip(run).all(|(digits, group)| group.len() == *digits)
    };
    let layouts = PRINTED.iter().filter(|layout| fits(layout)).map(|layout| layout.len());
    // Cards that people carry begin with 2 to 6; one row of numbers in ten has a right check digit by chance.
    let carried = run.first().is_some_and(|group| matches!(text.as_bytes()[group.start], b'2'..=b'6'));
    layouts.chain([1]).filter(|_| carried).find(|length| is_card(text, &run[..*length]))
}

/// Whether the groups are those of one number: long ones, or all of the same length but the last. Dates are neither.
fn is_even(run: &[Group]) -> bool {
    let Some((last, others)) = run.split_last() else { return false };
    let first = run[0].len();
    others.iter().all(|group| group.len() >= 3)
        || (others.iter().all(|group| group.len() == first) && last.len() <= first)
}

fn is_card(text: &str, run: &[Group]) -> bool {
    let count = run.iter().map(Group::len).sum::<usize>();
    DIGITS.contains(&count) && !is_decimal(text, run) && !is_counter(text, run, count) && luhn(text, run)
}

/// Times in milliseconds, micro- and nanoseconds begin with 1, and so do many ids that count. Only the cards of
/// airlines do too, with 15 digits.
fn is_counter(text: &str, run: &[Group], count: usize) -> bool {
    run.len() == 1 && count != 15 && matches!(text.as_bytes()[run[0].start], b'0' | b'1')
}

fn is_decimal(text: &str, run: &[Group]) -> bool {
    let Some(Range { start, end }) = place(run) else { return false };
    let mut before = text[..start].bytes().rev();
    let mut after = text[end..].bytes();
    let fraction = before.next() == Some(b'.') && before.next().is_some_and(|byte| byte.is_ascii_digit());
    fraction || after.next() == Some(b'.') && after.next().is_some_and(|byte| byte.is_ascii_digit())
}

/// ISO/IEC 7812-1, annex B: every second digit from the right counts twice.
fn luhn(text: &str, run: &[Group]) -> bool {
    let from_right = digits::values(text, run).rev().enumerate();
    let sum: u32 = from_right.map(|(place, digit)| if place % 2 == 0 { digit } else { twice(digit) }).sum();
    sum.is_multiple_of(10)
}

fn twice(digit: u32) -> u32 {
    if digit > 4 { digit * 2 - 9 } else { digit * 2 }
}

fn place(run: &[Group]) -> Option<Range<usize>> {
    Some(run.first()?.start..run.last()?.end)
}
