//! The messages of a conversation, as models read them.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::{RulesId, Text};

/// The author of a message, in the words of the chat completions API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    System,
    User,
    Assistant,
}

/// One message of a conversation, serialised once when it is made.
///
/// A history is sent with every turn and written into every trace; keeping the JSON beside the text makes that a copy
/// of bytes instead of work that grows with the conversation.
#[derive(Clone)]
pub struct Message {
    role: Role,
    content: Text,
    wire: Arc<RawValue>,
    parts: Arc<RawValue>,
    redacted: Arc<OnceLock<Redacted>>,
}

/// A message as it may be recorded, and by which rules.
struct Redacted {
    by: RulesId,
    message: Message,
}

// === impl Role ===

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
        })
    }
}

// === impl Message ===

#[derive(Serialize)]
struct WireMessage<'a> {
    role: Role,
    content: &'a str,
}

#[derive(Serialize)]
struct PartsMessage<'a> {
    role: Role,
    parts: [TextPart<'a>; 1],
}

#[derive(Serialize)]
struct TextPart<'a> {
    r#type: &'static str,
    content: &'a str,
}

impl Message {
    pub fn new(role: Role, content: impl Into<Text>) -> Self {
        let content = content.into();
        let wire = raw_json(&WireMessage { role, content: content.expose() });
        let text = TextPart { r#type: "text", content: content.expose() };
        let parts = raw_json(&PartsMessage { role, parts: [text] });
        Self { role, content, wire, parts, redacted: Arc::default() }
    }

    pub fn role(&self) -> Role {
        self.role
    }

    pub fn content(&self) -> &Text {
        &self.content
    }

    /// `{"role":…,"content":…}`: the shape of the chat completions API and of `llm.input`.
    pub fn wire(&self) -> &RawValue {
        &self.wire
    }

    /// `{"role":…,"parts":[{"type":"text","content":…}]}`: the shape of `gen_ai.input.messages` in the GenAI semantic
    /// conventions.
    pub fn parts(&self) -> &RawValue {
        &self.parts
    }

    /// The form that these rules gave it before.
    pub fn redacted(&self, rules: RulesId) -> Option<&Message> {
        self.redacted.get().filter(|known| known.by == rules).map(|known| &known.message)
    }

    /// Remembers the form that these rules gave it, unless others came first.
    pub fn set_redacted(&self, rules: RulesId, message: Message) {
        let _ = self.redacted.set(Redacted { by: rules, message });
    }

    /// A rough count of this message's tokens, used to bound the history and where a provider reports no usage: four
    /// bytes a token and four tokens for the role and separators.
    pub fn estimated_tokens(&self) -> u64 {
        estimate_tokens(self.content.expose()) + 4
    }
}

/// Four bytes a token, rounded up: within about a quarter of what tokenizers count for English prose.
pub fn estimate_tokens(text: &str) -> u64 {
    (text.len() as u64).div_ceil(4)
}

fn raw_json(value: &impl Serialize) -> Arc<RawValue> {
    // Strings and a fixed shape cannot fail to serialise; a null would be visible in the trace.
    serde_json::value::to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned()).into()
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:?}", self.role, self.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_serialised_in_both_shapes() {
        let message = Message::new(Role::User, "say \"hi\"\n");
        assert_eq!(message.wire().get(), r#"{"role":"user","content":"say \"hi\"\n"}"#);
        assert_eq!(
            message.parts().get(),
            r#"{"role":"user","parts":[{"type":"text","content":"say \"hi\"\n"}]}"#
        );
    }

    #[test]
    fn tokens_are_estimated_from_bytes() {
        assert_eq!(estimate_tokens(""), 0);
        assert_eq!(estimate_tokens("abcde"), 2);
        assert_eq!(Message::new(Role::User, "abcd").estimated_tokens(), 5);
    }
}
