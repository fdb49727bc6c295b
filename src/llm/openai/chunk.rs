//! One chunk of a streamed chat completion.
//!
//! Every field is optional: compatible servers leave out, null and add what they like.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::refusal::ErrorObject;
use crate::chat::Usage;
use crate::llm::error::{Fault, Kind};

/// What a chunk adds to the reply.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::llm) struct Chunk {
    /// Words to pass on; may be empty.
    pub(in crate::llm) text: String,
    /// The model thinks aloud, where nobody hears it: no words, but a sign of life.
    pub(in crate::llm) reasoning: bool,
    pub(in crate::llm) finish_reason: Option<String>,
    pub(in crate::llm) usage: Option<Usage>,
    pub(in crate::llm) model: Option<String>,
    pub(in crate::llm) id: Option<String>,
}

/// OpenAI's `chat.completion.chunk`.
#[derive(Deserialize)]
struct Wire {
    id: Option<String>,
    model: Option<String>,
    choices: Option<Vec<Choice>>,
    usage: Option<WireUsage>,
    error: Option<ErrorObject>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    index: u32,
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<Content>,
    refusal: Option<String>,
    /// vLLM's and DeepSeek's name, and OpenRouter's.
    #[serde(alias = "reasoning")]
    reasoning_content: Option<IgnoredAny>,
}

/// Text, or what reasoning models of some providers send in its place.
#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Other(IgnoredAny),
}

#[derive(Deserialize)]
struct WireUsage {
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
    prompt_tokens_details: Option<PromptTokensDetails>,
}

#[derive(Deserialize)]
struct PromptTokensDetails {
    cached_tokens: Option<u64>,
}

// === impl Chunk ===

impl Chunk {
    pub(super) fn decode(json: &str) -> Result<Self, Fault> {
        // Serde's message would quote the chunk, and with it what was said.
        let wire: Wire = serde_json::from_str(json).map_err(|_| Fault::new(Kind::MalformedStream))?;
        if let Some(error) = wire.error {
            return Err(error.fault());
        }
        let mut chunk = Self {
            usage: wire.usage.map(Usage::from),
            model: wire.model.filter(|model| !model.is_empty()),
            id: wire.id.filter(|id| !id.is_empty()),
            ..Self::default()
        };
        let choice = wire.choices.unwrap_or_default().into_iter().find(|choice| choice.index == 0);
        if let Some(choice) = choice {
            chunk.finish_reason = choice.finish_reason.filter(|reason| !reason.is_empty());
            chunk.take(choice.delta.unwrap_or_default());
        }
        Ok(chunk)
    }

    fn take(&mut self, delta: Delta) {
        self.reasoning = delta.reasoning_content.is_some();
        match delta.content {
            Some(Content::Text(text)) => self.text = text,
            Some(Content::Other(_)) => self.reasoning = true,
            None => {}
        }
        self.text.push_str(&delta.refusal.unwrap_or_default());
    }
}

impl From<WireUsage> for Usage {
    fn from(wire: WireUsage) -> Self {
        Self {
            input: wire.prompt_tokens,
            output: wire.completion_tokens,
            cached_input: wire.prompt_tokens_details.and_then(|details| details.cached_tokens),
            estimated: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(json: &str) -> Chunk {
        Chunk::decode(json).unwrap()
    }

    #[test]
    fn text_id_model_and_finish_reason_are_read() {
        let chunk = decode(
            r#"{"id":"c1","object":"chat.completion.chunk","model":"gpt-x-2026","choices":[{"index":0,
                "delta":{"content":"Hi"},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
        );
        assert_eq!((chunk.text.as_str(), chunk.finish_reason.as_deref()), ("Hi", Some("stop")));
        assert_eq!((chunk.id.as_deref(), chunk.model.as_deref()), (Some("c1"), Some("gpt-x-2026")));
    }

    #[test]
    fn usage_is_read_with_its_cached_part() {
        let chunk = decode(
            r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":4,"total_tokens":13,
                "prompt_tokens_details":{"cached_tokens":8,"audio_tokens":0}}}"#,
        );
        let usage = Usage { input: 9, output: 4, cached_input: Some(8), estimated: false };
        assert_eq!(chunk.usage, Some(usage));
    }

    #[test]
    fn reasoning_is_a_sign_of_life_and_no_text() {
        for delta in
            [r#"{"reasoning_content":"hm"}"#, r#"{"reasoning":"hm"}"#, r#"{"content":[{"type":"thinking"}]}"#]
        {
            let chunk = decode(&format!(r#"{{"choices":[{{"index":0,"delta":{delta}}}]}}"#));
            assert!(chunk.reasoning && chunk.text.is_empty(), "{delta}");
        }
    }

    #[test]
    fn what_is_missing_or_null_is_nothing() {
        for json in [
            "{}",
            r#"{"choices":null}"#,
            r#"{"choices":[{"delta":null}]}"#,
            r#"{"choices":[{"delta":{"content":null}}]}"#,
        ] {
            assert_eq!(decode(json), Chunk::default(), "{json}");
        }
    }

    #[test]
    fn another_shape_is_malformed_and_quotes_nothing() {
        let fault = Chunk::decode(r#"{"choices":"my name is Ada"}"#).unwrap_err();
        assert_eq!(fault, Fault::new(Kind::MalformedStream));
    }
}
