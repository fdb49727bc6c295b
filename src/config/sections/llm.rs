//! The keys of `[llm]`.

use std::time::Duration;

use conversation::Secret;
use serde::Deserialize;
use url::Url;

use crate::config::key::{of, section, unset};
use crate::config::kind::{BaseUrl, Boolean, Length, Name, choice, integer, number, optional, secret};
use crate::config::openai_key;
use crate::config::variables::Variable;

/// The name by which a server is told the limit of a reply's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MaxTokensField {
    /// The name that its host suggests, until it refuses that.
    Auto,
    MaxTokens,
    MaxCompletionTokens,
}

/// Whether a server is asked to count tokens in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UsageInStream {
    /// The server is asked until it refuses that.
    Auto,
    Always,
    Never,
}

/// The answerer of turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LlmProvider {
    Openai,
    Livekit,
}

section! {
    /// `[llm]`: the model that answers, and the limits of the wait for it.
    Llm, "llm",
        "The model that answers, and how long we wait for it.";

    provider: LlmProvider = of(&choice(&["openai", "livekit"]), r#""openai""#).live()
        .doc("openai: a server that speaks OpenAI's chat completions, at base_url with api_key.\n\
             livekit: LiveKit Inference, at its gateway with the key pair of [livekit]; model is like \"openai/gpt-5.4-mini\".");

    base_url: Url = of(&BaseUrl { schemes: &["http", "https"] }, r#""https://api.openai.com/v1""#)
        .variables(&[Variable::plain("OPENAI_BASE_URL")])
        .live()
        .doc("The base URL of an API that speaks OpenAI's chat completions. Ollama: http://127.0.0.1:11434/v1");

    api_key: Option<Secret> = unset(&secret(), r#""sk-...""#)
        .variables(&[Variable::plain(openai_key::VARIABLE)])
        .live()
        .doc("The API key. OpenAI needs one, most local servers none.");

    model: String = of(&Name, r#""gpt-5.4-mini""#).live()
        .doc("The model that answers.");

    temperature: Option<f32> = unset(&optional(number(0.0, 2.0)), "0.7").live()
        .doc("How freely the model picks its words, 0 to 2. Unset: the model's own default, the only one that some take.");

    top_p: Option<f32> = unset(&optional(number(0.0, 1.0)), "0.9").live()
        .doc("From how much of the likeliest words the model picks, 0 to 1. Unset: the model's own default.");

    max_tokens: Option<u32> = unset(&optional(integer(1, u32::MAX as i64)), "400").live()
        .doc("The longest reply, in tokens. Unset: the model's own limit.");

    max_tokens_field: MaxTokensField =
        of(&choice(&["auto", "max_tokens", "max_completion_tokens"]), r#""auto""#).live()
            .doc("What the server calls max_tokens. auto: as its host suggests, and by the other name once it refuses that.");

    usage_in_stream: UsageInStream = of(&choice(&["auto", "always", "never"]), r#""auto""#).live()
        .doc("Whether the server is asked for its count of tokens (stream_options). auto: until it refuses that.");

    show_thinking: bool = of(&Boolean, "false").live()
        .doc("true: what the model thinks within its reply, as in <think>...</think>, is said and remembered as well.");

    connect_timeout: Duration = of(&Length::above_zero(), r#""5s""#).live()
        .doc("How long an attempt may take to connect, TLS included.");

    first_token_timeout: Duration = of(&Length::above_zero(), r#""10s""#).live()
        .doc("How long an attempt may take from sending the request to the first token.");

    cold_first_token_timeout: Duration = of(&Length::above_zero(), r#""60s""#).live()
        .doc("The same where no token has come since the start or for 5 minutes: a local server may load the model first.");

    stall_timeout: Duration = of(&Length::above_zero(), r#""10s""#).live()
        .doc("How long the model may pause between two tokens.");

    total_timeout: Duration = of(&Length::above_zero(), r#""60s""#).live()
        .doc("How long a turn may take altogether, all attempts and the waits between them.");

    max_attempts: u32 = of(&integer(1, 10), "3").live()
        .doc("How often one turn is tried, the first time included. Once the reply has begun nothing is tried again.");

    max_reply_bytes: usize = of(&integer(1, 64 << 20), "4194304").live()
        .doc("A longer reply is cut here, in bytes of UTF-8.");
}

// === impl Llm ===

impl Llm {
    /// How long the first token may take. `is_cold`: the model may have to be loaded first.
    pub(crate) fn first_token_limit(&self, is_cold: bool) -> Duration {
        let cold = if is_cold { self.cold_first_token_timeout } else { Duration::ZERO };
        self.first_token_timeout.max(cold)
    }
}

// === for tests ===

#[cfg(test)]
impl Llm {
    /// Settings of a model at this URL, for unit tests.
    pub(crate) fn at(base_url: &str) -> Self {
        Self {
            base_url: base_url.parse().unwrap(),
            model: "gpt-x".into(),
            first_token_timeout: Duration::from_secs(8),
            max_reply_bytes: 1 << 20,
            ..crate::config::Config::default().llm
        }
    }
}
