//! Texts in the form in which they may be recorded.

use bounded::text::within_bytes;
use conversation::{Message, Text};

/// A text as the rules let it be recorded. Only [`Privacy::record`](crate::Privacy::record) makes one of what was said,
/// so spans, records and logs that take this type cannot get anything else. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recorded(Option<Text>);

/// The messages of a conversation in that form, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct RecordedMessages(Option<Vec<Message>>);

// === impl Recorded ===

impl Recorded {
    pub(crate) fn new(text: Option<Text>) -> Self {
        Self(text)
    }

    /// Reads back what was recorded before.
    pub fn restored(text: Option<String>) -> Self {
        Self(text.map(Text::from))
    }

    /// None when nothing of the text may be recorded.
    pub fn as_str(&self) -> Option<&str> {
        self.0.as_ref().map(Text::expose)
    }

    pub fn into_text(self) -> Option<Text> {
        self.0
    }

    /// A mark of ours in place of the text, where the text may be recorded.
    pub fn replaced_by(&self, mark: &'static str) -> Self {
        Self(self.0.as_ref().map(|_| mark.into()))
    }

    /// Leaves an empty text out.
    pub fn unless_empty(self) -> Self {
        Self(self.0.filter(|text| !text.is_empty()))
    }

    /// The text, with an ellipsis after its first `most` bytes when it is longer. Redacted texts are cut after the
    /// search: half of a number would not be found.
    pub fn cut_at(self, most: usize) -> Self {
        Self(self.0.map(|text| if text.len() <= most { text } else { cut(text.expose(), most) }))
    }
}

fn cut(text: &str, most: usize) -> Text {
    format!("{}…", within_bytes(text, most)).into()
}

// === impl RecordedMessages ===

impl RecordedMessages {
    pub(crate) fn new(messages: Option<Vec<Message>>) -> Self {
        Self(messages)
    }

    /// None when nothing of the messages may be recorded.
    pub fn as_slice(&self) -> Option<&[Message]> {
        self.0.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(text: &str) -> Recorded {
        Recorded::restored(Some(text.to_owned()))
    }

    #[test]
    fn a_long_text_is_cut_at_the_end_of_a_character() {
        assert_eq!(recorded("short").cut_at(5).as_str(), Some("short"));
        assert_eq!(recorded("ab€d").cut_at(3).as_str(), Some("ab…"));
        assert_eq!(Recorded::default().cut_at(3).as_str(), None);
    }

    #[test]
    fn a_mark_takes_the_place_of_a_text_that_may_be_recorded_only() {
        assert_eq!(recorded("hello").replaced_by("[deleted]").as_str(), Some("[deleted]"));
        assert_eq!(Recorded::default().replaced_by("[deleted]").as_str(), None);
        assert_eq!(recorded("").unless_empty().as_str(), None);
    }
}
