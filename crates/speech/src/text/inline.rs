//! What stands within lines: one pattern at a time, as far as it can be seen.

use std::ops::Range;

/// The longest struck text and the longest tag.
const LONGEST_STRUCK: usize = 200;
const LONGEST_TAG: usize = 64;
const SCHEMES: [&str; 3] = ["https://", "http://", "www."];
/// The tags that models write into markdown.
const TAGS: [&str; 14] =
    ["br", "b", "i", "u", "em", "strong", "sub", "sup", "p", "hr", "span", "div", "details", "summary"];

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// More has to come.
    Unfinished,
    /// The first letter stands for itself.
    Letter,
    Dropped {
        bytes: usize,
    },
    /// A backslash and the letter that stands for itself behind it.
    Escaped {
        bytes: usize,
    },
    /// Backticks.
    Code {
        bytes: usize,
    },
    /// Asterisks or underscores, and whether emphasis can begin or end here.
    Marks {
        bytes: usize,
        mark: char,
        opens: bool,
        closes: bool,
    },
    /// Of all these bytes only a part is said.
    Text {
        bytes: usize,
        said: Range<usize>,
    },
}

/// The pattern at the beginning of `text`, which is not empty.
pub(super) fn next(text: &str, before: Option<char>, in_code: bool, force: bool) -> Token {
    let first = text.chars().next().unwrap_or_default();
    let token = match first {
        '\r' => Some(Token::Dropped { bytes: 1 }),
        '`' => backticks(text, force),
        _ if in_code => return Token::Letter,
        '\\' => escaped(text, force),
        '*' | '_' => marks(text, first, before, force),
        '~' => struck(text, force),
        '[' => link(text, 0, force),
        '!' if text.len() == 1 && !force => return Token::Unfinished,
        '!' if text[1..].starts_with('[') => link(text, 1, force),
        '<' => tag(text, force),
        'h' | 'H' | 'w' | 'W' if !before.is_some_and(char::is_alphanumeric) => url(text, force),
        _ => return Token::Letter,
    };
    match token {
        Some(token) => token,
        None if force => Token::Letter,
        None => Token::Unfinished,
    }
}

pub(super) fn begins_url(text: &str) -> bool {
    SCHEMES
        .iter()
        .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

// Each of these returns `None` when more has to come.

fn backticks(text: &str, force: bool) -> Option<Token> {
    let bytes = run(text, '`');
    (bytes < text.len() || force).then_some(Token::Code { bytes })
}

fn escaped(text: &str, force: bool) -> Option<Token> {
    match text[1..].chars().next() {
        Some(letter) if letter.is_ascii_punctuation() => Some(Token::Escaped { bytes: 2 }),
        None if !force => None,
        _ => Some(Token::Letter),
    }
}

/// Marks begin emphasis before a word that nothing stands in front of, and end it behind a word. An underscore does
/// neither within a word.
fn marks(text: &str, mark: char, before: Option<char>, force: bool) -> Option<Token> {
    let bytes = run(text, mark);
    let behind = text[bytes..].chars().next();
    if behind.is_none() && !force {
        return None;
    }
    let is_space = |letter: Option<char>| letter.is_none_or(char::is_whitespace);
    let is_word = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let opens = !is_space(behind) && !is_word(before);
    let closes = !is_space(before) && (mark == '*' || !is_word(behind));
    Some(Token::Marks { bytes, mark, opens, closes })
}

fn struck(text: &str, force: bool) -> Option<Token> {
    if text.len() < 2 {
        return force.then_some(Token::Letter);
    }
    let Some(inner) = text.strip_prefix("~~") else { return Some(Token::Letter) };
    let closed = inner.find("~~").filter(|end| *end <= LONGEST_STRUCK && !inner[..*end].contains('\n'));
    match closed {
        Some(end) => Some(Token::Dropped { bytes: end + 4 }),
        None if force || inner.len() > LONGEST_STRUCK + 2 || inner.contains('\n') => {
            Some(Token::Dropped { bytes: 2 })
        }
        None => None,
    }
}

/// `[text](target)` or `[text][target]`, after so many bytes.
fn link(text: &str, skip: usize, force: bool) -> Option<Token> {
    // It ends with its paragraph.
    let paragraph = text.split("\n\n").next().unwrap_or_default();
    let force = force || paragraph.len() < text.len();
    let Some(text_end) = closing(&paragraph[skip..], '[', ']').map(|end| end + skip) else {
        return force.then_some(Token::Letter);
    };
    let text = paragraph;
    let behind = &text[text_end + 1..];
    let line = behind.split('\n').next().unwrap_or_default();
    let target = match behind.chars().next() {
        Some('(') => closing(line, '(', ')'),
        Some('[') => closing(line, '[', ']'),
        None if !force => return None,
        _ => return Some(Token::Letter),
    };
    match target {
        Some(end) => Some(Token::Text { bytes: text_end + 1 + end + 1, said: skip + 1..text_end }),
        None => (force || line.len() < behind.len()).then_some(Token::Letter),
    }
}

/// Where the bracket that `text` begins with is closed.
fn closing(text: &str, open: char, close: char) -> Option<usize> {
    let (mut depth, mut escaped) = (0_u32, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => {}
            _ if letter == open => depth += 1,
            _ if letter == close => depth -= 1,
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

fn tag(text: &str, force: bool) -> Option<Token> {
    let inner = &text[1..];
    let may_be = inner.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '/');
    if inner.is_empty() {
        return force.then_some(Token::Letter);
    }
    if !may_be {
        return Some(Token::Letter);
    }
    let known = inner.find(['>', '\n']);
    let within = &inner[..known.unwrap_or(inner.len())];
    let is_url = begins_url(within) && !within.contains(char::is_whitespace);
    if !is_url && within.len() > LONGEST_TAG || known.is_some_and(|at| inner[at..].starts_with('\n')) {
        return Some(Token::Letter);
    }
    let Some(end) = known else { return force.then_some(Token::Letter) };
    let (bytes, inner) = (end + 2, within);
    if begins_url(inner) {
        let host = host(inner);
        return Some(Token::Text { bytes, said: host.start + 1..host.end + 1 });
    }
    let name = inner.trim_start_matches('/').split([' ', '/']).next().unwrap_or_default();
    let is_tag = TAGS.iter().any(|tag| name.eq_ignore_ascii_case(tag));
    Some(if is_tag { Token::Dropped { bytes } } else { Token::Letter })
}

fn url(text: &str, force: bool) -> Option<Token> {
    if !begins_url(text) {
        let start = text.to_ascii_lowercase();
        let may_be = SCHEMES.iter().any(|scheme| scheme.starts_with(&start));
        return (force || !may_be).then_some(Token::Letter);
    }
    let end = text.find(|letter: char| letter.is_whitespace() || matches!(letter, '<' | '>' | '"' | '|'));
    if end.is_none() && !force {
        return None;
    }
    let mut bytes = end.unwrap_or(text.len());
    let opened = text[..bytes].contains('(');
    bytes = text[..bytes]
        .trim_end_matches(|letter: char| ".,;:!?*_'`]}".contains(letter) || letter == ')' && !opened)
        .len();
    let said = host(&text[..bytes]);
    Some(if said.is_empty() { Token::Letter } else { Token::Text { bytes, said } })
}

/// The part of a URL that is said: its host without `www.`.
fn host(url: &str) -> Range<usize> {
    let mut start = url.find("://").map_or(0, |at| at + 3);
    if url[start..].get(..4).is_some_and(|www| www.eq_ignore_ascii_case("www.")) {
        start += 4;
    }
    let end = url[start..].find(['/', '?', '#', ':']).map_or(url.len(), |end| start + end);
    start..end
}

pub(super) fn is_emoji(letter: char) -> bool {
    matches!(letter, '\u{1F000}'..='\u{1FBFF}' | '\u{2600}'..='\u{27BF}' | '\u{2B00}'..='\u{2BFF}'
        | '\u{FE00}'..='\u{FE0F}' | '\u{200D}' | '\u{20E3}' | '\u{E0020}'..='\u{E007F}')
}

/// How often the letter stands at the beginning.
fn run(text: &str, letter: char) -> usize {
    text.len() - text.trim_start_matches(letter).len()
}
