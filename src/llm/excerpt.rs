//! The provider's own words about an error, as far as they may be shown.
//!
//! They often are the only useful hint ("use 'max_completion_tokens' instead"), yet some servers echo the request, and
//! with it the key or what people said.

use bounded::text::within_chars;
use conversation::{Message, Role, Secret};

const MAX_CHARS: usize = 200;
/// The part of the detail that is looked at: a stream may bring megabytes, and each piece of them is looked for in the
/// whole conversation.
const MAX_READ_CHARS: usize = 1024;

/// This many characters in a row that also stand in the conversation are a quotation, not a coincidence.
const QUOTATION_CHARS: usize = 16;

/// `detail` on one line and short, as `allowed` leaves it. None when it holds the key, or words of the conversation:
/// whether a server quotes a participant can be guessed, but not known.
pub(super) fn safe(
    detail: &str,
    messages: &[Message],
    key: Option<&Secret>,
    allowed: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let line = one_line(beginning(detail));
    let holds_key = key.is_some_and(|key| !key.is_empty() && detail.contains(key.expose()));
    let spoken = messages.iter().filter(|message| message.role() != Role::System);
    // Servers quote requests as JSON within JSON, and fold letters.
    let shapes = [line.to_lowercase(), unescaped(&line).to_lowercase()];
    let spoken = spoken.map(|message| one_line(message.content().expose()).to_lowercase());
    let quotes = spoken.into_iter().any(|said| shapes.iter().any(|line| quotes(line, &said)));
    if line.is_empty() || holds_key || quotes {
        return None;
    }
    // The line is redacted before it is cut: half a number would not be recognised.
    allowed(&line).map(|line| within_chars(&line, MAX_CHARS).into_owned())
}

/// The beginning of a long text, to the end of a word where there is one.
fn beginning(text: &str) -> &str {
    let Some((end, _)) = text.char_indices().nth(MAX_READ_CHARS) else { return text };
    let end = text[..end].rfind(char::is_whitespace).unwrap_or(end);
    &text[..end]
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text without the escapes of JSON.
fn unescaped(line: &str) -> String {
    let (mut plain, mut rest) = (String::with_capacity(line.len()), line);
    while let Some(start) = rest.find('\\') {
        plain.push_str(&rest[..start]);
        let escape = &rest[start + 1..];
        let unit = escape.strip_prefix('u').and_then(|hex| u32::from_str_radix(hex.get(..4)?, 16).ok());
        let length = match (unit, escape.chars().next()) {
            (Some(unit), _) => {
                plain.push(char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER));
                5
            }
            (None, Some('n' | 't' | 'r')) => {
                plain.push(' ');
                1
            }
            (None, _) => 0,
        };
        rest = &escape[length..];
    }
    plain + rest
}

fn quotes(line: &str, said: &str) -> bool {
    stands_in(line, said) || windows(line, QUOTATION_CHARS).any(|window| said.contains(window))
}

/// Whether `said` stands in `line` as words of its own.
fn stands_in(line: &str, said: &str) -> bool {
    !said.is_empty()
        && line.match_indices(said).any(|(start, _)| {
            let before = line[..start].chars().next_back();
            let after = line[start + said.len()..].chars().next();
            ![before, after].into_iter().flatten().any(char::is_alphanumeric)
        })
}

fn windows(text: &str, chars: usize) -> impl Iterator<Item = &str> {
    let starts = text.char_indices().map(|(start, _)| start);
    let ends = text.char_indices().map(|(end, _)| end).chain([text.len()]).skip(chars);
    starts.zip(ends).map(|(start, end)| &text[start..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CaptureContent;
    use redaction::Privacy;

    fn shown(detail: &str, said: &str) -> Option<String> {
        shown_by(CaptureContent::Full, detail, said)
    }

    fn shown_by(capture: CaptureContent, detail: &str, said: &str) -> Option<String> {
        let messages = [Message::new(Role::User, said)];
        let privacy = Privacy::from(capture);
        safe(detail, &messages, Some(&Secret::new("sk-abcdef")), |line| privacy.quoted(line))
    }

    #[test]
    fn the_providers_hint_is_kept() {
        let hint = "Unsupported parameter: 'max_tokens'.\n Use 'max_completion_tokens' instead.";
        let expected = "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.";
        assert_eq!(shown(hint, "hello").as_deref(), Some(expected));
    }

    #[test]
    fn the_key_and_the_conversation_are_not() {
        assert_eq!(shown("bad key sk-abcdef", "x"), None);
        assert_eq!(shown("input was [{'content': 'Ada'}]", "Ada"), None);
        assert_eq!(shown("bad input: my number is 0170 555", "Hi, my number is 0170 5550 99"), None);
    }

    #[test]
    fn a_quotation_is_known_in_escapes_and_in_other_letters() {
        let said = "Привет, меня зовут Ада";
        let escaped: String = said.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        assert_eq!(shown(&format!("bad input: {{\"content\": \"{escaped}\"}}"), said), None);
        assert_eq!(shown("input: MY NAME IS ADA LOVELACE", "my name is Ada Lovelace"), None);
        assert_eq!(shown(r#"input: say \"my name\" is Ada"#, r#"say "my name" is Ada"#), None);
    }

    #[test]
    fn a_short_word_inside_another_is_no_quotation() {
        assert!(shown("this model does not exist", "hi").is_some());
    }

    #[test]
    fn nothing_is_quoted_when_capture_is_off_and_redaction_comes_before_the_cut() {
        let detail = format!("{} reach ada.lovelace@example.com", "x".repeat(MAX_CHARS - 20));
        assert_eq!(shown_by(CaptureContent::Off, &detail, "hi"), None);
        let redacted = shown_by(CaptureContent::Redacted, &detail, "hi").unwrap();
        assert!(redacted.ends_with("reach [email]"), "{redacted}");
    }

    #[test]
    fn long_words_are_cut_between_characters() {
        let cut = shown(&"ü".repeat(500), "x").unwrap();
        assert_eq!(cut.chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn of_megabytes_the_beginning_is_looked_at_and_a_key_is_found_anywhere() {
        let said = [Message::new(Role::User, "something that was said a while ago")];
        let detail = format!("{} sk-secret-1", "word ".repeat(1 << 20));
        let shown = safe(&detail, &said, None, |line| Some(line.to_owned())).unwrap();
        assert!(shown.starts_with("word word") && shown.chars().count() == MAX_CHARS + 1, "{shown}");
        let key = Secret::new("sk-secret-1");
        assert_eq!(safe(&detail, &said, Some(&key), |line| Some(line.to_owned())), None);
        assert_eq!(beginning("äö").len(), 4);
        assert!(beginning(&detail).ends_with("word"));
        assert_eq!(beginning(&"é".repeat(2 * MAX_READ_CHARS)).chars().count(), MAX_READ_CHARS);
    }
}
