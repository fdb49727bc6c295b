//! Foreign JSON, of which only some fields matter.
//!
//! An object is read one level deep. A field may be doubled, null, missing or of another type than expected; each
//! reading returns the part that it understands, and never fails the object.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The fields of an object in their order, each with its text.
#[derive(Debug, Default)]
pub(super) struct Object<'a> {
    fields: Vec<(Cow<'a, str>, &'a RawValue)>,
}

/// A string that may hold half of a surrogate pair: some servers cut text between UTF-16 units.
struct Bytes(Vec<u8>);

struct Fields;
struct Text;

// === impl Object ===

impl<'a> Object<'a> {
    /// None: the text is no object.
    pub(super) fn read(json: &'a str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// Every field of this name that is not null.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'a RawValue> {
        let named = self.fields.iter().filter(move |(known, _)| known == name);
        named.map(|(_, value)| *value).filter(|value| value.get() != "null")
    }

    /// The first field of this name that is not null.
    pub(super) fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.all(name).next()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn object(&self, name: &str) -> Option<Object<'a>> {
        self.all(name).find_map(object)
    }

    /// The text of the first of these fields that has any, blank or not.
    pub(super) fn text(&self, names: &[&str]) -> Option<String> {
        names.iter().flat_map(|name| self.all(name)).filter_map(text).find(|text| !text.is_empty())
    }

    /// The first of these fields that is a whole number of 0 or more, be it written as a string.
    pub(super) fn count(&self, names: &[&str]) -> Option<u64> {
        names.iter().flat_map(|name| self.all(name)).find_map(count)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

impl<'de> Visitor<'de> for Fields {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let mut fields = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            fields.push((name, map.next_value()?));
        }
        Ok(Object { fields })
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

/// The value as an object.
pub(super) fn object(value: &RawValue) -> Option<Object<'_>> {
    Object::read(value.get())
}

/// The value's items, if it is a list; the value itself, if it is none.
pub(super) fn items(value: &RawValue) -> Vec<&RawValue> {
    serde_json::from_str(value.get()).unwrap_or_else(|_| vec![value])
}

/// The value as text. Half of a surrogate pair is kept as the three bytes that UTF-8 has no other use for, replaced.
pub(super) fn text(value: &RawValue) -> Option<String> {
    let text: Result<String, _> = serde_json::from_str(value.get());
    text.ok().or_else(|| {
        let Bytes(bytes) = serde_json::from_str(value.get()).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    })
}

/// Text that a server may have cut in the middle of a surrogate pair.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::llm) struct Cut {
    /// The low half that it begins with.
    pub(in crate::llm) head: Option<u16>,
    pub(in crate::llm) text: String,
    /// The high half that it ends with.
    pub(in crate::llm) tail: Option<u16>,
}

/// The value as it would be said: text, or the digits of a number.
pub(super) fn cut_words(value: &RawValue) -> Option<Cut> {
    if let Ok(text) = serde_json::from_str(value.get()) {
        return Some(Cut { text, ..Cut::default() });
    }
    let Ok(Bytes(bytes)) = serde_json::from_str(value.get()) else {
        return words(value).map(|text| Cut { text, ..Cut::default() });
    };
    let head = bytes.first_chunk().and_then(|half| surrogate(*half, 0xb0));
    let rest = &bytes[if head.is_some() { 3 } else { 0 }..];
    let tail = rest.last_chunk().and_then(|half| surrogate(*half, 0xa0));
    let text = &rest[..rest.len() - if tail.is_some() { 3 } else { 0 }];
    Some(Cut { head, text: String::from_utf8_lossy(text).into_owned(), tail })
}

/// Half of a surrogate pair in the three bytes that UTF-8 would have for it; `from` is the least second byte, of a high
/// half 0xA0 and of a low one 0xB0.
fn surrogate([first, second, third]: [u8; 3], from: u8) -> Option<u16> {
    let is_half = first == 0xed && (from..from + 0x10).contains(&second);
    is_half.then(|| 0xd000 | u16::from(second & 0x3f) << 6 | u16::from(third & 0x3f))
}

/// The value as it would be said: text, or the digits of a number.
pub(super) fn words(value: &RawValue) -> Option<String> {
    let number = || value.get().starts_with(|first: char| first == '-' || first.is_ascii_digit());
    text(value).or_else(|| number().then(|| value.get().to_owned()))
}

/// A whole number of 0 or more, as servers write it: `12`, `12.0` or `"12"`.
pub(super) fn count(value: &RawValue) -> Option<u64> {
    let written = text(value).unwrap_or_else(|| value.get().to_owned());
    let number: f64 = written.trim().parse().ok()?;
    (number >= 0.0 && number <= (1u64 << 53) as f64 && number.fract() == 0.0).then_some(number as u64)
}

/// JSON without the extensions that Python's and other encoders write: NaN and Infinity become null, control characters
/// within strings become blanks. None: the fault was another one.
pub(super) fn repaired(text: &str) -> Option<String> {
    if !text.starts_with(['{', '[']) {
        return None;
    }
    let (mut repaired, mut rest) = (String::with_capacity(text.len()), text);
    let (mut in_string, mut is_escaped) = (false, false);
    while let Some(letter) = rest.chars().next() {
        let number =
            ["-Infinity", "Infinity", "NaN"].iter().find(|word| !in_string && rest.starts_with(**word));
        if let Some(number) = number {
            repaired.push_str("null");
            rest = &rest[number.len()..];
            continue;
        }
        in_string ^= letter == '"' && !is_escaped;
        is_escaped = in_string && letter == '\\' && !is_escaped;
        repaired.push(if in_string && letter.is_control() { ' ' } else { letter });
        rest = &rest[letter.len_utf8()..];
    }
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&repaired).is_ok();
    (is_json && repaired != text).then_some(repaired)
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(Text)
    }
}

impl Visitor<'_> for Text {
    type Value = Bytes;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Bytes, E> {
        Ok(Bytes(bytes.to_vec()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_field_may_be_doubled_null_or_of_another_type() {
        let object = Object::read(r#"{"a":null,"a":7,"a":"x","b":{"c":1},"b":[]}"#).unwrap();
        assert_eq!((object.text(&["a"]).as_deref(), object.count(&["a"])), (Some("x"), Some(7)));
        assert!(object.object("b").is_some_and(|b| b.has("c")));
        assert!(object.text(&["b", "c"]).is_none() && !object.has("c"));
    }

    #[test]
    fn what_is_no_object_is_none() {
        for json in ["[]", "7", "null", "{", "{\"a\":}", ""] {
            assert!(Object::read(json).is_none(), "{json}");
        }
    }

    #[test]
    fn counts_are_read_as_servers_write_them() {
        let read = |json: &str| count(&raw(json));
        assert_eq!(["12", "12.0", "\"12\"", "1e3"].map(read), [Some(12), Some(12), Some(12), Some(1000)]);
        assert_eq!(["-1", "1.5", "\"x\"", "true", "{}", "1e300"].map(read), [None; 6]);
    }

    #[test]
    fn what_encoders_write_that_is_no_json_is_repaired_and_nothing_else() {
        let json = "{\"a\":NaN,\"b\":[-Infinity,Infinity],\"c\":\"NaN\\\"\tx\"}";
        assert_eq!(repaired(json).as_deref(), Some("{\"a\":null,\"b\":[null,null],\"c\":\"NaN\\\" x\"}"));
        for json in ["{}", "{\"a\":", "NaN", "{\"a\":NaN", "ping"] {
            assert_eq!(repaired(json), None, "{json}");
        }
    }

    #[test]
    fn halves_of_a_surrogate_pair_at_the_ends_are_told_from_the_text() {
        let cut = |json: &str| cut_words(&raw(json)).unwrap();
        let text = |text: &str| Cut { text: text.to_owned(), ..Cut::default() };
        assert_eq!(cut(r#""Gr\u00fc\u00dfe \ud83d""#), Cut { tail: Some(0xd83d), ..text("Grüße ") });
        assert_eq!(cut(r#""\ude00!""#), Cut { head: Some(0xde00), ..text("!") });
        assert_eq!(cut(r#""\ude00\ud83d""#), Cut { head: Some(0xde00), tail: Some(0xd83d), ..text("") });
        assert_eq!(cut(r#""\ud83d\ude00""#), text("😀"));
        assert_eq!(cut("12.5"), text("12.5"));
        assert!(cut_words(&raw("{}")).is_none());
    }

    #[test]
    fn half_of_a_surrogate_pair_is_replaced_and_costs_nothing_else() {
        let read = text(&raw(r#""Gr\u00fc\u00dfe \ud83d!""#)).unwrap();
        assert!(read.starts_with("Grüße ") && read.ends_with('!') && read.contains('\u{fffd}'), "{read}");
    }
}
