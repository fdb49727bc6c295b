//! Telephone numbers. Most numbers are something else, so one counts only with a sign of its kind: a plus, a leading
//! zero, the grouping of North America, or a word before it.

use std::ops::Range;

use super::digits::{self, Group, Run};

/// E.164 allows 15 digits with the country code.
const MOST_DIGITS: usize = 15;
/// How far before a number a word may introduce it. Bytes.
const WORD_WITHIN: usize = 24;
/// Words that introduce a number, in lower case.
const WORDS: &[&str] = &[
    "phone",
    "tel",
    "telephone",
    "mobile",
    "cell",
    "fax",
    "whatsapp",
    "call me",
    "reach me",
    "ring me",
    "text me",
    "telefon",
    "telefonnummer",
    "handy",
    "handynummer",
    "mobil",
    "rufnummer",
    "anrufen",
    "téléphone",
    "teléfono",
];

pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let runs = digits::runs(text, joins);
    runs.into_iter().flat_map(|run| without_dates(text, run)).flat_map(|run| in_run(text, &run)).collect()
}

fn joins(char: char) -> bool {
    matches!(char, ' ' | '-' | '.' | '/' | '(' | ')' | '\t' | '\u{a0}' | '\u{202f}' | '\u{2010}'..='\u{2015}')
}

fn in_run(text: &str, run: &[Group]) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut at = 0;
    while at < run.len() {
        // Further groups of a longer thing are no numbers of their own.
        let may_begin =
            at == 0 || run[at - 1].len() <= 2 || found.last().is_some_and(|last| last.end == run[at - 1].end);
        let length = if may_begin { length(text, &run[at..], at == 0) } else { None };
        found.extend(length.map(|length| with_signs(text, run[at].start..run[at + length - 1].end)));
        at += length.unwrap_or(1);
    }
    found
}

/// The number of groups at the start of a run that are a telephone number.
fn length(text: &str, run: &[Group], is_first: bool) -> Option<usize> {
    if has_plus(text, &run[0]) {
        return fitting(run, 7, MOST_DIGITS);
    }
    if is_north_american(text, run) {
        return Some(3);
    }
    let digits = &text[run[0].clone()];
    let one_by_one = run.iter().take(MOST_DIGITS).all(|group| group.len() == 1);
    match digits.as_bytes() {
        [b'0', b'0', b'1'..=b'9', ..] => fitting(run, 11, MOST_DIGITS + 2),
        [b'0', b'0'] if gap(text, run, 0) == " " => fitting(run, 11, MOST_DIGITS + 2),
        [b'0', b'1'..=b'9', ..] => fitting(run, 9, 12),
        [b'0'] if one_by_one => fitting(run, 9, 12),
        _ if is_first && is_announced(text, run[0].start) => fitting(run, 6, MOST_DIGITS),
        _ => None,
    }
}

/// The longest start of the run with a number of digits within these limits.
fn fitting(run: &[Group], least: usize, most: usize) -> Option<usize> {
    let mut digits = 0;
    let mut fits = None;
    for (index, group) in run.iter().enumerate() {
        digits += group.len();
        match digits {
            _ if digits > most => break,
            _ if digits >= least => fits = Some(index + 1),
            _ => {}
        }
    }
    fits
}

/// 555-123-4567, (555) 123-4567 and 555 123 4567; a country code before it is one more group, which is left.
fn is_north_american(text: &str, run: &[Group]) -> bool {
    let [area, exchange, line, ..] = run else { return false };
    if [area.len(), exchange.len(), line.len()] != [3, 3, 4] {
        return false;
    }
    let ends = run.len() == 3 || gap(text, run, 2).contains(' ');
    let written = !gap(text, run, 1).contains(' ');
    let digit = |group: &Group| text.as_bytes()[group.start];
    // Numbers in a row look the same when only spaces are between them, but not all of them could be dialled.
    let spoken = gap(text, run, 0) == " " && digit(area) >= b'2' && digit(exchange) >= b'2';
    ends && (written || spoken)
}

fn gap<'t>(text: &'t str, run: &[Group], index: usize) -> &'t str {
    run.get(index + 1).map_or("", |next| &text[run[index].end..next.start])
}

fn has_plus(text: &str, group: &Group) -> bool {
    let before = text[..group.start].trim_end_matches(['(', ' ']);
    let near = group.start - before.len() <= 2 && before.ends_with('+');
    near && !before[..before.len() - 1].ends_with(|char: char| char.is_ascii_alphanumeric())
}

fn is_announced(text: &str, start: usize) -> bool {
    let from =
        (start.saturating_sub(WORD_WITHIN)..=start).find(|at| text.is_char_boundary(*at)).unwrap_or(start);
    let before = text[from..start].to_lowercase();
    WORDS.iter().any(|word| {
        before.match_indices(word).any(|(at, _)| {
            let whole = |char: Option<char>| !char.is_some_and(char::is_alphanumeric);
            whole(before[..at].chars().next_back()) && whole(before[at + word.len()..].chars().next())
        })
    })
}

/// The number with the plus and the parenthesis before it.
fn with_signs(text: &str, number: Range<usize>) -> Range<usize> {
    let before = &text[..number.start];
    let mut start = before.strip_suffix('(').map_or(number.start, str::len);
    if has_plus(text, &number) {
        start = text[..start].trim_end_matches(['(', ' ']).len() - 1;
    }
    start..number.end
}

// === dates ===

/// The run without the dates in it, as the runs between them.
fn without_dates(text: &str, run: Run) -> Vec<Run> {
    let mut parts = vec![Run::new()];
    let mut at = 0;
    while at < run.len() {
        if is_date(text, &run, at) {
            parts.push(Run::new());
            at += 3;
            continue;
        }
        if let Some(part) = parts.last_mut() {
            part.push(run[at].clone());
        }
        at += 1;
    }
    parts
}

/// Year, month and day, or day and month in either order and the year, with the same sign between them.
fn is_date(text: &str, run: &[Group], at: usize) -> bool {
    let Some([one, two, three]) = run.get(at..at + 3) else { return false };
    let sign = gap(text, run, at);
    let alone = matches!(sign, "-" | "/" | ".")
        && gap(text, run, at + 1) == sign
        && (at + 3 == run.len() || gap(text, run, at + 2) != sign)
        && (at == 0 || gap(text, run, at - 1) != sign);
    let number = |group: &Group| text[group.clone()].parse::<u32>().unwrap_or(u32::MAX);
    let is_year = |group: &Group| group.len() == 4 && (1900..2200).contains(&number(group));
    let is_day = |group: &Group| group.len() <= 2 && (1..=31).contains(&number(group));
    let ordered =
        is_year(one) && is_day(two) && is_day(three) || is_day(one) && is_day(two) && is_year(three);
    alone && ordered
}
