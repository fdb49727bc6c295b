//! The vocabulary of a conversation: utterances, messages, the agent's state, token usage, failures.

use std::fmt;
use std::sync::{Arc, OnceLock};

use serde::Serialize;
use serde_json::value::RawValue;

use crate::secret::{RulesId, Speech};

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
    content: Speech,
    wire: Arc<RawValue>,
    parts: Arc<RawValue>,
    redacted: Arc<OnceLock<Redacted>>,
}

/// A message as it may be recorded, and by which rules.
struct Redacted {
    by: RulesId,
    message: Message,
}

/// An utterance of a person, once and whole.
#[derive(Clone, Debug, Default)]
pub struct Utterance {
    /// The participant identity of the speaker.
    pub speaker: String,
    pub text: Speech,
    /// The id that makes it count once, whichever way it came.
    pub segment: Option<String>,
    /// W3C `traceparent` that came with the message.
    pub traceparent: Option<String>,
    /// The other recipients besides us; None when it was said to the room.
    pub among: Option<Vec<String>>,
    pub way: Way,
}

/// The way in which an utterance came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Way {
    /// Speech that was transcribed.
    #[default]
    Speech,
    /// A text stream.
    Stream,
    /// A data packet, by a frontend that may read chat in no other form.
    Packet,
}

/// A participant's change to a message that they sent before.
#[derive(Clone, Debug)]
pub struct Correction {
    pub speaker: String,
    /// The ids under which the message may have been sent. The first that is known counts.
    pub ids: Vec<String>,
    /// The new text; None when the message shall be gone.
    pub text: Option<Speech>,
}

/// `lk.agent.state`, as LiveKit's frontends read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    Initializing,
    Listening,
    Thinking,
    Speaking,
}

/// Tokens of one turn, as the provider reported them or as we estimated them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Prompt tokens, cached ones included.
    pub input: u64,
    /// Completion tokens.
    pub output: u64,
    /// The part of `input` that the provider served from its cache, when it says so.
    pub cached_input: Option<u64>,
    /// True when the provider never reported usage and these are our estimate.
    pub estimated: bool,
}

/// The outcome of a text that the agent said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spoken {
    /// The number of bytes, from its beginning, that went out.
    pub heard: usize,
    pub fate: Fate,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// All of it was written, to every recipient and in every form.
    Whole,
    /// The agent stopped.
    Cut,
    /// It could not be written, for this reason.
    Failed(String),
}

/// The reason why a question got no whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// `error.type` of the span: an HTTP status ("429") or a class ("first_token_timeout").
    pub class: String,
    /// One sentence for the operator: the event, its place, and the remedy. Holds no secret and no speech.
    pub message: String,
}

// === impl Utterance ===

impl Utterance {
    pub fn is_blank(&self) -> bool {
        self.text.expose().trim().is_empty()
    }
}

// === impl Correction ===

impl Correction {
    /// An empty text is a deletion.
    pub(crate) fn to(speaker: String, ids: Vec<String>, text: Speech) -> Self {
        let text = Some(text).filter(|text| !text.expose().trim().is_empty());
        Self { speaker, ids, text }
    }
}

// === impl AgentState ===

impl AgentState {
    /// The attribute's value, from LiveKit's attribute definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            AgentState::Initializing => "initializing",
            AgentState::Listening => "listening",
            AgentState::Thinking => "thinking",
            AgentState::Speaking => "speaking",
        }
    }
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
    pub fn new(role: Role, content: impl Into<Speech>) -> Self {
        let content = content.into();
        let wire = raw_json(&WireMessage { role, content: content.expose() });
        let text = TextPart { r#type: "text", content: content.expose() };
        let parts = raw_json(&PartsMessage { role, parts: [text] });
        Self { role, content, wire, parts, redacted: Arc::default() }
    }

    pub fn role(&self) -> Role {
        self.role
    }

    pub fn content(&self) -> &Speech {
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
    pub(crate) fn redacted(&self, rules: RulesId) -> Option<&Message> {
        self.redacted.get().filter(|known| known.by == rules).map(|known| &known.message)
    }

    /// Remembers the form that these rules gave it, unless others came first.
    pub(crate) fn set_redacted(&self, rules: RulesId, message: Message) {
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
