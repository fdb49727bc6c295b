//! Texts as an event log holds them.

use serde::{Deserialize, Serialize};
use speech::interruption::backchannel::is_backchannel;
use speech::turn::rules::{Completeness, completeness};

/// What was understood of speech.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Said {
    pub(crate) words: usize,
    /// What the text of the turn says about its end, with these words.
    pub(crate) end: End,
    /// Whether these words only show that the person listens.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_backchannel: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

/// [`Completeness`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    Finished,
    Unfinished,
    #[default]
    Unclear,
}

/// A text of the conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) bytes: usize,
    /// The same for texts that are the same. 0: more were seen than are told apart.
    #[serde(default)]
    pub(crate) id: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) is_blank: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
}

/// The longest text that a replay makes up.
const LONGEST: usize = 1 << 20;

// === impl Said ===

impl Said {
    /// `whole`: the text of the turn with `text` behind it.
    pub(super) fn new(text: &str, whole: Completeness, keeps: bool) -> Self {
        Self {
            words: text.split_whitespace().count(),
            end: whole.into(),
            is_backchannel: is_backchannel(text),
            text: keeps.then(|| text.to_owned()),
        }
    }

    /// Words of interruption, which knows nothing of a turn.
    pub(super) fn words(text: &str, keeps: bool) -> Self {
        Self::new(text, completeness(text), keeps)
    }

    /// The text, or another one of which the rules of a turn say the same.
    pub(crate) fn for_turn(&self) -> String {
        let mark = match self.end {
            End::Finished => "?",
            End::Unfinished => ",",
            End::Unclear => "",
        };
        self.text.clone().unwrap_or_else(|| repeated("word", " word", self.words) + mark)
    }

    /// The text, or another one of which the rules of interruption say the same.
    pub(crate) fn for_interruption(&self) -> String {
        let made_up = || match self.is_backchannel {
            true => repeated("uh", " -", self.words),
            false => repeated("word", " word", self.words),
        };
        self.text.clone().unwrap_or_else(made_up)
    }
}

/// `first` and as many of `more` that there are so many words.
fn repeated(first: &str, more: &str, words: usize) -> String {
    let Some(rest) = words.min(LONGEST / more.len()).checked_sub(1) else { return String::new() };
    first.to_owned() + &more.repeat(rest)
}

// === impl End ===

impl From<Completeness> for End {
    fn from(completeness: Completeness) -> Self {
        match completeness {
            Completeness::Finished => Self::Finished,
            Completeness::Unfinished => Self::Unfinished,
            Completeness::Unclear => Self::Unclear,
        }
    }
}

// === impl Content ===

impl Content {
    pub(super) fn new(text: &str, id: u32, keeps: bool) -> Self {
        let is_blank = text.trim().is_empty();
        Self { bytes: text.len(), id, is_blank, text: keeps.then(|| text.to_owned()) }
    }

    /// The text, or another one of its length.
    pub(crate) fn text(&self) -> String {
        let made_up = || {
            let bytes = self.bytes.min(LONGEST);
            match self.is_blank {
                true => " ".repeat(bytes),
                false => {
                    let id = self.id.to_string();
                    let rest = "x".repeat(bytes.saturating_sub(id.len()));
                    id + &rest
                }
            }
        };
        self.text.clone().unwrap_or_else(made_up)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXTS: [&str; 8] = [
        "",
        "Yes.",
        "What will it be?",
        "my number is 030",
        "uh-huh",
        "uh huh - okay",
        "I would like a table and",
        "tomorrow at seven",
    ];

    #[test]
    fn rules_say_the_same_of_a_text_that_is_made_up() {
        for text in TEXTS {
            let said = Said::words(text, false);
            assert_eq!(completeness(&said.for_turn()), completeness(text), "{text}");
            let other = said.for_interruption();
            assert_eq!(is_backchannel(&other), is_backchannel(text), "{text}");
            assert_eq!(other.split_whitespace().count(), text.split_whitespace().count(), "{text}");
        }
    }

    #[test]
    fn words_are_in_a_log_only_where_all_content_is_captured() {
        let written = |keeps| serde_json::to_string(&Said::words("call Anna", keeps)).unwrap();
        assert!(!written(false).contains("Anna"));
        assert!(written(true).contains("call Anna"));
    }

    #[test]
    fn texts_that_are_made_up_have_the_length_and_differ() {
        let [one, other] = [Content::new("Grüße", 1, false), Content::new("Anna K.", 2, false)];
        assert_eq!(one.text().len(), "Grüße".len());
        assert_ne!(one.text(), other.text());
        assert_eq!(Content::new(" \n", 3, false).text(), "  ");
    }
}
