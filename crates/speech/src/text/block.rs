//! The beginnings of lines: what they are, as far as it can be seen.

/// What a line is. Between lines of text a line break is a space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    #[default]
    Text,
    Heading,
    Item,
    Row,
    Fence,
    Blank,
}

/// How a line begins.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// More of the line has to come.
    Unknown,
    /// A whole line around code, of so many bytes.
    Fence(usize),
    /// A whole line of dashes.
    Rule(usize),
    /// A whole row of a table.
    Row(usize),
    /// A quote's mark. The line begins behind it.
    Quote(usize),
    /// A marker of so many bytes is to be left out.
    Line { marker: usize, kind: Kind, indented: bool },
}

pub(super) fn start(text: &str, in_fence: bool, force: bool) -> Start {
    let line = text.split('\n').next().unwrap_or_default();
    let is_whole = force || line.len() < text.len();
    let indent = line.len() - line.trim_start().len();
    let rest = &line[indent..];
    let plain = Start::Line { marker: 0, kind: Kind::Text, indented: indent > 0 };
    let Some(first) = rest.chars().next() else {
        return if is_whole {
            Start::Line { marker: indent, kind: Kind::Blank, indented: false }
        } else {
            Start::Unknown
        };
    };
    if matches!(first, '`' | '~') && is_fence(rest, first) {
        return if is_whole { Start::Fence(line.len()) } else { Start::Unknown };
    }
    if !is_whole && matches!(first, '`' | '~') && rest.len() < 3 && rest.chars().all(|letter| letter == first)
    {
        return Start::Unknown;
    }
    if in_fence {
        return plain;
    }
    let marked = |bytes, kind| Start::Line { marker: indent + bytes, kind, indented: indent > 0 };
    match first {
        '>' if rest.len() == 1 && !is_whole => Start::Unknown,
        '>' => Start::Quote(indent + if rest[1..].starts_with(' ') { 2 } else { 1 }),
        '|' if is_whole => Start::Row(line.len()),
        '|' => Start::Unknown,
        '-' | '*' | '_' | '=' | '+' if is_rule(rest, first) => {
            let count = rest.chars().filter(|letter| *letter == first).count();
            match is_whole {
                true if count >= 3 => Start::Rule(line.len()),
                true if is_item(rest) => marked(1, Kind::Item),
                true => plain,
                false => Start::Unknown,
            }
        }
        '-' | '*' | '+' | '•' if is_item(rest) => marked(first.len_utf8() + 1, Kind::Item),
        '#' => heading(rest, is_whole).map_or(plain, |bytes| match bytes {
            0 => Start::Unknown,
            bytes => marked(bytes, Kind::Heading),
        }),
        '0'..='9' => number(rest, is_whole).map_or(plain, |known| match known {
            false => Start::Unknown,
            true => Start::Line { marker: 0, kind: Kind::Item, indented: indent > 0 },
        }),
        '•' if rest.len() == first.len_utf8() && !is_whole => Start::Unknown,
        _ => plain,
    }
}

/// The cells of a row with where they begin; none of the line below the header.
pub(super) fn cells(line: &str) -> Vec<(usize, &str)> {
    if line.chars().all(|letter| matches!(letter, '|' | '-' | ':' | ' ' | '\t' | '\r')) {
        return Vec::new();
    }
    let mut cells = Vec::new();
    let mut start = 0;
    let mut escaped = false;
    for (at, letter) in line.char_indices() {
        if letter == '|' && !escaped {
            cells.push((start, &line[start..at]));
            start = at + 1;
        }
        escaped = letter == '\\';
    }
    cells.push((start, &line[start..]));
    cells.into_iter().map(trimmed).filter(|(_, cell)| !cell.is_empty()).collect()
}

fn trimmed((start, cell): (usize, &str)) -> (usize, &str) {
    (start + cell.len() - cell.trim_start().len(), cell.trim())
}

fn is_fence(rest: &str, mark: char) -> bool {
    rest.chars().take_while(|letter| *letter == mark).count() >= 3
}

/// Whether the line so far is of one mark and spaces.
fn is_rule(rest: &str, mark: char) -> bool {
    rest.chars().all(|letter| letter == mark || matches!(letter, ' ' | '\t' | '\r'))
}

fn is_item(rest: &str) -> bool {
    rest.chars().nth(1).is_some_and(|letter| matches!(letter, ' ' | '\t'))
}

/// The bytes of a heading's marker; 0 when more has to come.
fn heading(rest: &str, is_whole: bool) -> Option<usize> {
    let marks = rest.chars().take_while(|letter| *letter == '#').count();
    match rest[marks..].chars().next() {
        Some(' ' | '\t') if marks <= 6 => Some(marks + 1),
        None if marks <= 6 => Some(if is_whole { marks } else { 0 }),
        _ => None,
    }
}

/// Whether the line is an item with a number; false when more has to come.
fn number(rest: &str, is_whole: bool) -> Option<bool> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let mut behind = rest[digits..].chars();
    match (behind.next(), behind.next()) {
        _ if digits > 3 => None,
        (Some('.' | ')'), Some(' ')) => Some(true),
        (None, _) | (Some('.' | ')'), None) if !is_whole => Some(false),
        _ => None,
    }
}
