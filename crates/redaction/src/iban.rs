//! International bank account numbers: a country, its length, and check digits that are right.

use std::ops::Range;

/// The length of an IBAN in each country that has them (the registry of ISO 13616).
const LENGTHS: &[(usize, &str)] = &[
    (15, "NO"),
    (16, "BE"),
    (18, "DK FI FK FO GL NL SD"),
    (19, "MK SI"),
    (20, "AT BA EE KZ LT LU MN XK"),
    (21, "CH HR LI LV"),
    (22, "BG BH CR DE GB GE IE ME RS VA"),
    (23, "AE GI IL IQ OM SO TL"),
    (24, "AD CZ ES MD PK RO SA SE SK TN VG"),
    (25, "LY PT ST"),
    (26, "IS TR"),
    (27, "BI DJ FR GR IT MC MR SM"),
    (28, "AL AZ BY CY DO GT HU LB NI PL SV"),
    (29, "BR EG PS QA UA"),
    (30, "JO KW MU YE"),
    (31, "MT SC"),
    (32, "LC"),
    (33, "RU"),
];

pub(super) fn find(text: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    let mut word_before = false;
    for (start, char) in text.char_indices() {
        let taken = found.last().is_some_and(|last| start < last.end);
        if !taken && !word_before && char.is_ascii_alphabetic() {
            found.extend(at(&text[start..]).map(|length| start..start + length));
        }
        word_before = char.is_ascii_alphanumeric();
    }
    found
}

/// The length in bytes of the IBAN that the text begins with.
fn at(text: &str) -> Option<usize> {
    let (country, check) = text.get(..4)?.split_at_checked(2)?;
    // The check is cheap, and fails for nearly all words.
    if !check.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let is_country = |known: &str| known.eq_ignore_ascii_case(country);
    let (length, _) = LENGTHS.iter().find(|(_, countries)| countries.split(' ').any(is_country))?;
    let (characters, end) = characters(text, *length)?;
    (remainder(&characters) == 1).then_some(end)
}

/// This many letters and digits, and their end. At most one sign stands between two of them, and none follows.
fn characters(text: &str, count: usize) -> Option<(Vec<u8>, usize)> {
    let mut characters = Vec::with_capacity(count);
    let mut after_sign = false;
    for (at, char) in text.char_indices() {
        let is_sign = matches!(char, ' ' | '-' | '\u{a0}' | '\u{202f}');
        if characters.len() == count {
            return (!char.is_ascii_alphanumeric()).then_some((characters, at));
        }
        match char {
            _ if char.is_ascii_alphanumeric() => characters.push(char.to_ascii_uppercase() as u8),
            _ if is_sign && !after_sign => {}
            _ => return None,
        }
        after_sign = is_sign;
    }
    (characters.len() == count).then_some((characters, text.len()))
}

/// ISO 7064, MOD 97-10: the first four characters go to the end, and letters count from A = 10.
fn remainder(characters: &[u8]) -> u32 {
    let (head, rest) = characters.split_at(4);
    rest.iter().chain(head).fold(0, |remainder, character| match character {
        b'0'..=b'9' => (remainder * 10 + u32::from(character - b'0')) % 97,
        letter => (remainder * 100 + u32::from(letter - b'A') + 10) % 97,
    })
}
