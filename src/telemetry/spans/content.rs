//! The conversation in the shapes in which spans carry it.

use conversation::{Message, Role};
use serde_json::value::RawValue;

use crate::telemetry::attributes::ANSWER_PREVIEW_CHARS;

/// The first characters of a reply, counted as Unicode scalar values so that none is cut in two.
pub(super) fn preview(answer: &str) -> String {
    answer.chars().take(ANSWER_PREVIEW_CHARS).collect()
}

/// Joins values that are JSON already. A history is serialised when its messages are made, not with each turn.
pub(super) fn json_array<'a>(items: impl Iterator<Item = &'a RawValue> + Clone) -> String {
    let length = items.clone().map(|item| item.get().len() + 1).sum::<usize>() + 2;
    let mut json = String::with_capacity(length);
    json.push('[');
    for (index, item) in items.enumerate() {
        if index > 0 {
            json.push(',');
        }
        json.push_str(item.get());
    }
    json.push(']');
    json
}

/// `[{"role":"assistant","parts":[…],"finish_reason":…}]`.
pub(super) fn output_messages(text: &str, finish_reason: &str) -> String {
    let message = Message::new(Role::Assistant, text);
    let object = message.parts().get();
    let open = object.strip_suffix('}').unwrap_or(object);
    let reason = serde_json::Value::from(finish_reason);
    format!("[{open},\"finish_reason\":{reason}}}]")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_eighty_characters_whatever_their_size() {
        assert_eq!(preview("short"), "short");
        let long = "ä€😀".repeat(40);
        let cut = preview(&long);
        assert_eq!(cut.chars().count(), 80);
        assert!(long.starts_with(&cut));
    }

    #[test]
    fn messages_are_joined_into_an_array() {
        let messages = [Message::new(Role::System, "be \"brief\""), Message::new(Role::User, "hi")];
        assert_eq!(
            json_array(messages.iter().map(Message::wire)),
            r#"[{"role":"system","content":"be \"brief\""},{"role":"user","content":"hi"}]"#
        );
        assert_eq!(json_array(messages[..0].iter().map(Message::wire)), "[]");
    }

    #[test]
    fn an_output_message_ends_with_its_finish_reason() {
        assert_eq!(
            output_messages("a {b}", "st\"op"),
            r#"[{"role":"assistant","parts":[{"type":"text","content":"a {b}"}],"finish_reason":"st\"op"}]"#
        );
    }
}
