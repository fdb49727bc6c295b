//! The body of a request.

use serde::{Serialize, Serializer};
use url::Url;

use crate::chat::Message;

/// What a chat completion is asked for with. The shape is OpenAI's `POST /chat/completions`.
pub(in crate::llm) struct Ask<'a> {
    pub(in crate::llm) messages: &'a [Message],
    pub(in crate::llm) model: &'a str,
    pub(in crate::llm) temperature: Option<f32>,
    pub(in crate::llm) max_tokens: Option<u32>,
}

/// How a provider calls the limit of a reply's tokens.
///
/// OpenAI's newer models refuse `max_tokens`; many compatible servers know nothing else, and either refuse the newer
/// name (Mistral: HTTP 422) or ignore it (Ollama, LM Studio), so that a reply has no limit at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LimitField {
    MaxTokens,
    MaxCompletionTokens,
}

#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    #[serde(serialize_with = "as_serialised_before")]
    messages: &'a [Message],
    stream: bool,
    stream_options: StreamOptions,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

// === impl Body ===

impl<'a> Body<'a> {
    pub(super) fn new(ask: &Ask<'a>, field: LimitField) -> Self {
        let limit = |wanted| ask.max_tokens.filter(|_| field == wanted);
        Self {
            model: ask.model,
            messages: ask.messages,
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            temperature: ask.temperature,
            max_tokens: limit(LimitField::MaxTokens),
            max_completion_tokens: limit(LimitField::MaxCompletionTokens),
        }
    }
}

/// Each message was serialised when it was made, so this copies bytes.
fn as_serialised_before<S: Serializer>(messages: &&[Message], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(messages.iter().map(Message::wire))
}

// === impl LimitField ===

impl LimitField {
    pub(super) fn of(base_url: &Url) -> Self {
        let host = base_url.host_str().unwrap_or_default();
        let openai = host == "api.openai.com" || host.ends_with(".api.openai.com");
        if openai || host.ends_with(".openai.azure.com") {
            Self::MaxCompletionTokens
        } else {
            Self::MaxTokens
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chat::Role;

    fn body(base_url: &str, messages: &[Message]) -> String {
        let ask = Ask { messages, model: "gpt-x", temperature: Some(0.7), max_tokens: Some(100) };
        let field = LimitField::of(&base_url.parse().unwrap());
        serde_json::to_string(&Body::new(&ask, field)).unwrap()
    }

    #[test]
    fn the_body_is_what_the_chat_completions_api_documents() {
        let messages = [Message::new(Role::System, "be kind"), Message::new(Role::User, "hi")];
        let body: Value = serde_json::from_str(&body("http://localhost/v1", &messages)).unwrap();
        let expected = json!({
            "model": "gpt-x",
            "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}],
            "stream": true,
            "stream_options": {"include_usage": true},
            "temperature": 0.7,
            "max_tokens": 100,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn openai_gets_the_newer_name_of_the_token_limit_and_others_the_one_they_know() {
        for url in [
            "https://api.openai.com/v1",
            "https://eu.api.openai.com/v1",
            "https://x.openai.azure.com/openai/v1",
        ] {
            assert!(body(url, &[]).contains("\"max_completion_tokens\":100"), "{url}");
        }
        for url in [
            "http://localhost:11434/v1",
            "https://api.mistral.ai/v1",
            "https://notapi.openai.com.evil.test/v1",
        ] {
            assert!(body(url, &[]).contains("\"max_tokens\":100"), "{url}");
        }
    }

    #[test]
    fn messages_go_into_the_body_as_they_were_serialised_when_made() {
        let message = Message::new(Role::User, "tab\t \"quoted\" ü");
        assert!(body("http://localhost/v1", std::slice::from_ref(&message)).contains(message.wire().get()));
    }
}
