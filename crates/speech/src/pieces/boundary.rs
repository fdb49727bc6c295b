//! Where a text may be cut: behind sentences and clauses, and never inside a number, an abbreviation or a name.
//!
//! A piece that is rather too long is better than one that ends in the middle of a sentence, so what is doubtful is no
//! boundary: a full stop behind a number of one or two digits ("3. Mai"), behind a single letter, or in front of a
//! small letter.

/// What stands before a full stop that ends no sentence. In small letters, without the last full stop.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "mx", "dr", "prof", "st", "sr", "jr", "gen", "col", "sgt", "capt", "lt", "rev", "hon",
    "inc", "ltd", "co", "corp", "vs", "etc", "approx", "apt", "dept", "est", "fig", "no", "vol", "ed", "al",
    "ave", "blvd", "rd", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec",
    "mon", "tue", "wed", "thu", "fri", "sat", "sun", "e.g", "i.e", "a.k.a", "u.s", "u.k", "ph.d", "m.d",
    "b.a", "m.a", "cf", "viz", "hrs", "min", "sec", "tel", "ext", "bzw", "ca", "evtl", "ggf", "inkl", "exkl",
    "nr", "str", "usw", "vgl", "z.b", "d.h", "u.a", "o.ä", "s.o", "s.u", "i.d.r", "u.s.w", "fr", "hr", "frl",
    "abs", "art", "bspw", "sog", "tgl", "zzgl", "mme", "mlle", "sra", "srta", "p.ex", "av", "núm", "pág",
];
/// Behind these a sentence may end all the same, if a capital letter follows.
const OFTEN_LAST: &[&str] =
    &["a.m", "p.m", "etc", "usw", "inc", "ltd", "co", "jr", "sr", "no", "min", "sun", "sat"];

/// The end of the first piece of `text`, in bytes. `first` is the length of a clause that suffices, `shortest` that of
/// a piece of sentences.
pub(super) fn first(text: &str, first: Option<usize>, shortest: usize) -> Option<usize> {
    let mut letters = 0;
    let mut speakable = false;
    for (at, letter) in text.char_indices() {
        letters += 1;
        let end = at + letter.len_utf8();
        if first.is_some_and(|length| letters >= length) && is_last_comma(text, at, letter) {
            return Some(end);
        }
        if speakable && is_begun(&text[end..]) {
            let long = first.is_some() || letters >= shortest;
            if letter == '\n' {
                return Some(end);
            }
            if long && let Some(end) = sentence_end(text, at, letter) {
                return Some(end);
            }
            if first.is_some_and(|length| letters >= length) && is_clause_end(text, at, letter) {
                return Some(end);
            }
        }
        speakable |= letter.is_alphanumeric();
    }
    None
}

/// Where a text that is too long is cut: behind its last clause, its last word, or in a word that has no end.
pub(super) fn forced(text: &str, longest: usize) -> Option<usize> {
    let (limit, _) = text.char_indices().nth(longest)?;
    let may_cut = |end: &usize| is_speakable(&text[..*end]) && is_begun(&text[*end..]);
    let clause = ends(text, limit, is_clause_end).rfind(|end| *end > limit / 2 && may_cut(end));
    let word = || ends(text, limit, is_word_end).rfind(may_cut);
    clause.or_else(word).or_else(|| may_cut(&limit).then_some(limit))
}

pub(super) fn is_speakable(text: &str) -> bool {
    text.chars().any(char::is_alphanumeric)
}

/// Whether what follows a boundary has begun.
fn is_begun(rest: &str) -> bool {
    is_speakable(rest)
}

/// The ends before `limit` that a rule allows.
fn ends<'a>(
    text: &'a str,
    limit: usize,
    rule: impl Fn(&str, usize, char) -> bool + 'a,
) -> impl DoubleEndedIterator<Item = usize> + 'a {
    text[..limit]
        .char_indices()
        .filter(move |(at, letter)| rule(text, *at, *letter))
        .map(|(at, letter)| at + letter.len_utf8())
}

/// A clause ends at a comma, semicolon or colon that a space follows, but not in "May 3, 2026".
fn is_clause_end(text: &str, at: usize, letter: char) -> bool {
    let behind = &text[at + letter.len_utf8()..];
    match letter {
        '，' | '、' | '；' | '：' => true,
        ',' | ';' | ':' | '–' | '—' => {
            let in_number = text[..at].ends_with(is_digit) && behind.trim_start().starts_with(is_digit);
            behind.starts_with(char::is_whitespace) && !in_number
        }
        _ => false,
    }
}

/// A comma that the text ends with so far. Behind a word it is no part of a number, whatever comes.
fn is_last_comma(text: &str, at: usize, letter: char) -> bool {
    letter == ',' && at + 1 == text.len() && text[..at].ends_with(char::is_alphabetic)
}

/// A word ends at a space, but not at one between the digits of a number.
fn is_word_end(text: &str, at: usize, letter: char) -> bool {
    let in_number = text[..at].ends_with(is_digit) && text[at + letter.len_utf8()..].starts_with(is_digit);
    letter.is_whitespace() && !in_number
}

fn is_digit(letter: char) -> bool {
    letter.is_ascii_digit()
}

/// The end of the sentence whose last mark stands at `at`, with the quotes and brackets that it closes.
fn sentence_end(text: &str, at: usize, mark: char) -> Option<usize> {
    let rest = &text[at + mark.len_utf8()..];
    if matches!(mark, '。' | '！' | '？' | '।' | '॥') {
        return Some(at + mark.len_utf8() + closers(rest));
    }
    if !matches!(mark, '.' | '!' | '?' | '…' | '؟' | '۔') {
        return None;
    }
    let end = at + mark.len_utf8() + closers(rest);
    let behind = &text[end..];
    if !behind.starts_with(char::is_whitespace) {
        return None;
    }
    let next = behind.chars().find(|letter| letter.is_alphanumeric())?;
    if next.is_lowercase() || mark == '.' && is_within(&text[..at], next) {
        return None;
    }
    Some(end)
}

/// The bytes of the quotes and brackets that close behind a sentence.
fn closers(rest: &str) -> usize {
    rest.len() - rest.trim_start_matches(['"', '\'', ')', ']', '}', '”', '’', '»', '」', '』', '）']).len()
}

/// Whether a full stop behind `before` ends no sentence.
fn is_within(before: &str, next: char) -> bool {
    let word = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let word = word.trim_start_matches(|letter: char| !letter.is_alphanumeric()).to_lowercase();
    if next.is_uppercase() && OFTEN_LAST.contains(&word.as_str()) {
        return false;
    }
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    let short_number = digits && matches!(word.len(), 1 | 2);
    let last = word.rsplit(['.', '-']).next().unwrap_or_default();
    let initial = last.chars().count() == 1 && last.chars().all(char::is_alphabetic);
    short_number || initial || ABBREVIATIONS.contains(&word.as_str())
}
