//! The body of a request.

use conversation::Message;
use serde::{Serialize, Serializer};

use super::fields::{Fields, LimitField};
use crate::config;

/// The parameters of a chat completion. The shape is OpenAI's `POST /chat/completions`.
pub(in crate::llm) struct Ask<'a> {
    pub(in crate::llm) messages: &'a [Message],
    pub(in crate::llm) model: &'a str,
    pub(in crate::llm) parameters: Parameters,
}

/// The optional parameters, as the configuration has them.
#[derive(Clone, Copy, Debug)]
pub(in crate::llm) struct Parameters {
    pub(super) temperature: Option<f32>,
    pub(super) top_p: Option<f32>,
    pub(super) max_tokens: Option<u32>,
}

#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    #[serde(serialize_with = "as_serialised_before")]
    messages: &'a [Message],
    stream: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

// === impl Ask ===

impl Ask<'_> {
    /// A copy that only shows which of the optional fields it has.
    pub(super) fn without_words(&self) -> Ask<'static> {
        Ask { messages: &[], model: "", parameters: self.parameters }
    }
}

// === impl Parameters ===

impl Parameters {
    pub(in crate::llm) fn of(config: &config::Llm) -> Self {
        let config::Llm { temperature, top_p, max_tokens, .. } = *config;
        Self { temperature, top_p, max_tokens }
    }
}

// === impl Body ===

impl<'a> Body<'a> {
    /// `fields` are the optional fields that the server takes.
    pub(super) fn new(ask: &Ask<'a>, fields: Fields) -> Self {
        let Parameters { temperature, top_p, max_tokens } = ask.parameters;
        let limit = |field| max_tokens.filter(|_| fields.limit == Some(field));
        Self {
            model: ask.model,
            messages: ask.messages,
            stream: true,
            stream_options: fields.usage.then_some(StreamOptions { include_usage: true }),
            temperature: temperature.filter(|_| fields.temperature),
            top_p: top_p.filter(|_| fields.top_p),
            max_tokens: limit(LimitField::MaxTokens),
            max_completion_tokens: limit(LimitField::MaxCompletionTokens),
        }
    }
}

/// Each message was serialised when it was made, so this copies bytes.
fn as_serialised_before<S: Serializer>(messages: &&[Message], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(messages.iter().map(Message::wire))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use conversation::Role;

    const ALL: Fields =
        Fields { limit: Some(LimitField::MaxTokens), usage: true, temperature: true, top_p: true };

    fn body(fields: Fields, messages: &[Message]) -> String {
        let parameters = Parameters { temperature: Some(0.7), top_p: Some(0.25), max_tokens: Some(100) };
        let ask = Ask { messages, model: "gpt-x", parameters };
        serde_json::to_string(&Body::new(&ask, fields)).unwrap()
    }

    #[test]
    fn the_body_is_what_the_chat_completions_api_documents() {
        let messages = [Message::new(Role::System, "be kind"), Message::new(Role::User, "hi")];
        let body: Value = serde_json::from_str(&body(ALL, &messages)).unwrap();
        let expected = json!({
            "model": "gpt-x",
            "messages": [{"role": "system", "content": "be kind"}, {"role": "user", "content": "hi"}],
            "stream": true,
            "stream_options": {"include_usage": true},
            "temperature": 0.7,
            "top_p": 0.25,
            "max_tokens": 100,
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn what_a_server_does_not_take_is_left_out_or_has_its_other_name() {
        let named = body(Fields { limit: Some(LimitField::MaxCompletionTokens), ..ALL }, &[]);
        assert!(
            named.contains("\"max_completion_tokens\":100") && !named.contains("\"max_tokens\""),
            "{named}"
        );
        let least = body(Fields { limit: None, usage: false, temperature: false, top_p: false }, &[]);
        assert_eq!(least, r#"{"model":"gpt-x","messages":[],"stream":true}"#);
    }

    #[test]
    fn messages_go_into_the_body_as_they_were_serialised_when_made() {
        let message = Message::new(Role::User, "tab\t \"quoted\" ü");
        assert!(body(ALL, std::slice::from_ref(&message)).contains(message.wire().get()));
    }
}
