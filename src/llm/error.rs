//! The failures of an LLM call, whether trying again may help, and the messages to the operator.

use std::time::Duration;

use conversation::Failure;

use crate::config::{self, LlmProvider};

/// One attempt's failure.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind:?} {}", .detail.as_deref().unwrap_or_default())]
pub(super) struct Fault {
    pub(super) kind: Kind,
    /// The provider's or the network's own words. They may quote the conversation, so they are shown only after
    /// `excerpt::safe`.
    pub(super) detail: Option<String>,
    /// How long the provider asks us to stay away.
    pub(super) retry_after: Option<Duration>,
    /// The same request will not succeed, whatever its kind suggests.
    pub(super) is_final: bool,
    /// The next request is another one: the refused field is left out of it.
    pub(super) is_adapted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An HTTP status other than 2xx.
    Status(u16),
    /// 429 for good: the account's quota is used up.
    QuotaExceeded,
    /// No connection: refused, unknown host, TLS.
    Connect,
    /// The server's certificate is not to be trusted, which no other attempt changes.
    Certificate,
    ConnectTimeout,
    FirstTokenTimeout,
    StallTimeout,
    TotalTimeout,
    /// The connection broke off.
    ConnectionLost,
    /// JSON that was cut, or an event without end.
    MalformedStream,
    /// A web page, or another answer that holds no reply.
    NotAStream,
    /// The body ended well, but the reply did not.
    StreamEndedEarly,
    /// The reply ended well, and was empty.
    EmptyReply,
    /// The provider's filter held the reply back.
    ContentFilter,
    /// An error in the stream that blames the request.
    RequestRefused,
    /// An error in the stream, with the HTTP status that it stands for.
    Reported(u16),
    /// An error in the stream.
    ProviderError,
    /// A defect of ours or of the library that reads the stream.
    Panicked,
}

/// The details of a failure's message.
pub(super) struct Account<'a> {
    pub(super) config: &'a config::Llm,
    /// The URL as it may be shown: without user, password and query.
    pub(super) url: &'a str,
    pub(super) attempts: u32,
    /// The model may have had to be loaded first.
    pub(super) is_cold: bool,
}

/// Why no client could be made for a configuration.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error(
        "[llm] api_key holds characters that no HTTP header may hold (a line break?): copy the key again"
    )]
    ApiKey,
    #[error("[llm] base_url = \"{0}\" is no http or https URL with a host")]
    BaseUrl(String),
    #[error("{0}")]
    Credentials(&'static str),
    #[error("cannot set up HTTPS for the LLM: {0}")]
    Http(String),
}

// === impl Fault ===

impl Fault {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, detail: None, retry_after: None, is_final: false, is_adapted: false }
    }

    pub(super) fn with_detail(kind: Kind, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::new(kind) }
    }

    /// Whether the same request may succeed a moment later.
    pub(super) fn is_retryable(&self) -> bool {
        self.kind.is_retryable() && !self.is_final
    }

    /// The failure as callers and spans see it. `detail` is the part of the fault's detail that may be shown.
    pub(super) fn failure(&self, detail: Option<&str>, account: &Account<'_>) -> Failure {
        let what = self.kind.what_happened(account);
        let shown = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
        let tries = if account.attempts > 1 {
            format!(" after {} attempts", account.attempts)
        } else {
            String::new()
        };
        let advice = self.kind.what_to_do(detail, account);
        let advice = advice.map(|advice| format!(": {advice}")).unwrap_or_default();
        Failure { class: self.kind.class(), message: format!("{what}{shown}{tries}{advice}") }
    }
}

impl From<Kind> for Fault {
    fn from(kind: Kind) -> Self {
        Self::new(kind)
    }
}

// === impl Kind ===

impl Kind {
    /// `error.type`: the HTTP status, or a class of our own.
    pub(super) fn class(self) -> String {
        let class = match self {
            Kind::Status(status) | Kind::Reported(status) => return status.to_string(),
            Kind::QuotaExceeded => "429",
            Kind::Connect | Kind::Certificate => "connect",
            Kind::ConnectTimeout => "connect_timeout",
            Kind::FirstTokenTimeout => "first_token_timeout",
            Kind::StallTimeout => "stall_timeout",
            Kind::TotalTimeout => "total_timeout",
            Kind::ConnectionLost => "connection_lost",
            Kind::MalformedStream => "malformed_stream",
            Kind::NotAStream => "not_a_stream",
            Kind::StreamEndedEarly => "stream_ended_early",
            Kind::EmptyReply => "empty_reply",
            Kind::ContentFilter => "content_filter",
            Kind::RequestRefused => "request_refused",
            Kind::ProviderError => "provider_error",
            Kind::Panicked => "panic",
        };
        class.to_owned()
    }

    /// Whether a fault's detail comes from the network or a header, which cannot quote the conversation.
    pub(super) fn is_free_of_quotes(self) -> bool {
        matches!(self, Kind::Connect | Kind::Certificate | Kind::Status(300..400))
    }

    /// Whether the same request may succeed a moment later, if nothing else is known.
    fn is_retryable(self) -> bool {
        match self {
            Kind::Status(status) | Kind::Reported(status) => matches!(status, 408 | 409 | 429 | 500..),
            Kind::QuotaExceeded
            | Kind::TotalTimeout
            | Kind::Certificate
            | Kind::NotAStream
            | Kind::ContentFilter
            | Kind::RequestRefused => false,
            Kind::Connect
            | Kind::ConnectTimeout
            | Kind::FirstTokenTimeout
            | Kind::StallTimeout
            | Kind::ConnectionLost
            | Kind::MalformedStream
            | Kind::StreamEndedEarly
            | Kind::EmptyReply
            | Kind::ProviderError
            | Kind::Panicked => true,
        }
    }

    fn what_happened(self, account: &Account<'_>) -> String {
        let Account { config, url, .. } = account;
        match self {
            Kind::Status(401) => format!("{url} refused our key with HTTP 401"),
            Kind::Status(status) => format!("{url} answered HTTP {status}"),
            Kind::QuotaExceeded => format!("{url} answered HTTP 429: the account's quota is used up"),
            Kind::Connect => format!("cannot connect to {url}"),
            Kind::Certificate => format!("the certificate of {url} is not trusted"),
            Kind::ConnectTimeout => format!("no connection to {url} within {:?}", config.connect_timeout),
            Kind::FirstTokenTimeout => {
                format!("no token from {url} within {:?}", config.first_token_limit(account.is_cold))
            }
            Kind::StallTimeout => format!("{url} fell silent for {:?} mid-reply", config.stall_timeout),
            Kind::TotalTimeout => format!("no whole reply from {url} within {:?}", config.total_timeout),
            Kind::ConnectionLost => format!("the connection to {url} broke off"),
            Kind::MalformedStream => format!("{url} sent a stream that cannot be read"),
            Kind::NotAStream => {
                format!("{url} answered with something other than an event stream")
            }
            Kind::StreamEndedEarly => format!("{url} ended the stream before the reply was finished"),
            Kind::EmptyReply => format!("{url} sent an empty reply"),
            Kind::ContentFilter => format!("the content filter of {url} held the reply back"),
            Kind::RequestRefused => format!("{url} refused the request in the stream"),
            Kind::Reported(status) => format!("{url} reported an error {status} in the stream"),
            Kind::ProviderError => format!("{url} reported an error in the stream"),
            Kind::Panicked => format!("reading the stream of {url} broke down, as the worker's log says"),
        }
    }

    /// The remedy. None where the reason is not known. `detail` holds the provider's words about it.
    fn what_to_do(self, detail: Option<&str>, account: &Account<'_>) -> Option<String> {
        let advice = match self {
            Kind::Status(401 | 403) | Kind::Reported(401 | 403)
                if account.config.provider == LlmProvider::Livekit =>
            {
                "check [livekit] api_key and api_secret, and that their project has LiveKit Inference"
            }
            Kind::Status(401 | 403) | Kind::Reported(401 | 403) if account.config.api_key.is_none() => {
                "set [llm] api_key or OPENAI_API_KEY"
            }
            Kind::Status(401) | Kind::Reported(401) => "check [llm] api_key",
            Kind::Status(403) | Kind::Reported(403) if detail.is_none() => "check [llm] api_key",
            Kind::Status(404) | Kind::Reported(404) => {
                return Some(format!("check [llm] model = \"{}\" and base_url", account.config.model));
            }
            Kind::Status(300..400) => "put the address that it redirects to into [llm] base_url",
            Kind::Status(429) | Kind::Reported(429) => {
                "ask the provider for a higher rate limit, or lower [worker] max_sessions"
            }
            Kind::Status(400..500) | Kind::Reported(400..500) | Kind::RequestRefused => {
                return advice_by(detail?);
            }
            Kind::QuotaExceeded => "see to the account's plan and billing at the provider",
            Kind::Connect | Kind::ConnectTimeout => "check that the server is up and [llm] base_url is right",
            Kind::Certificate => "check [network] ca_file, and that [llm] base_url is right",
            Kind::FirstTokenTimeout if account.is_cold => {
                "a local model may still be loading; see its server's log, or raise [llm] cold_first_token_timeout"
            }
            Kind::FirstTokenTimeout => {
                "see whether the provider is overloaded or loading a model, or raise [llm] first_token_timeout"
            }
            Kind::StallTimeout => "see whether the provider is overloaded, or raise [llm] stall_timeout",
            Kind::TotalTimeout => "see whether the provider is overloaded, or raise [llm] total_timeout",
            Kind::NotAStream => "check that [llm] base_url is an OpenAI-compatible API, with its /v1",
            Kind::EmptyReply => {
                "try the same prompt by hand; a reasoning model may need a higher [llm] max_tokens"
            }
            Kind::ContentFilter => "see the provider's content policy",
            Kind::Status(500..) | Kind::Reported(500..) | Kind::ConnectionLost => {
                "see the provider's status page or its log"
            }
            Kind::Panicked => "this is a defect of voiced, please report it",
            Kind::Status(_)
            | Kind::Reported(_)
            | Kind::MalformedStream
            | Kind::StreamEndedEarly
            | Kind::ProviderError => return None,
        };
        Some(advice.to_owned())
    }
}

/// The words that a refusal of the request may name, and the advice on them; in this order, because messages about one
/// subject mention others.
const ADVICE: [(&[&str], &str); 6] = [
    (&["content_filter", "content filter", "content management policy"], "see the provider's content policy"),
    (&["api key", "api_key", "apikey", "unauthorized", "credential"], "check [llm] api_key"),
    (
        &["context length", "context window", "too long", "too many tokens", "maximum context"],
        "lower [agent] history_tokens or [llm] max_tokens",
    ),
    (&["max_tokens", "max_completion_tokens"], "check [llm] max_tokens and max_tokens_field"),
    (&["temperature"], "check [llm] temperature"),
    (
        &[
            "such model",
            "model not found",
            "model_not_found",
            "unknown model",
            "not exist",
            "invalid model",
            "model name",
        ],
        "check [llm] model",
    ),
];

fn advice_by(detail: &str) -> Option<String> {
    let detail = detail.to_lowercase();
    let known = ADVICE.iter().find(|(words, _)| words.iter().any(|word| detail.contains(word)));
    known.map(|(_, advice)| (*advice).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use conversation::Secret;

    fn config() -> config::Llm {
        config::Llm { api_key: Some(Secret::new("sk-hidden")), ..config::Llm::at("http://llm.test/v1") }
    }

    fn message(kind: Kind, attempts: u32) -> String {
        let config = config();
        let account = Account { config: &config, url: "http://llm.test/v1", attempts, is_cold: false };
        Fault::new(kind).failure(Some("its words"), &account).message
    }

    #[test]
    fn only_some_statuses_are_worth_another_attempt() {
        let retryable = |status| Kind::Status(status).is_retryable();
        assert!([408, 409, 429, 500, 502, 503, 504, 529].into_iter().all(retryable));
        assert!(![301, 400, 401, 403, 404, 413, 422].into_iter().any(retryable));
    }

    #[test]
    fn every_class_is_one_that_metrics_tell_apart() {
        let kinds = [
            Kind::Status(429),
            Kind::QuotaExceeded,
            Kind::Connect,
            Kind::Certificate,
            Kind::ConnectTimeout,
            Kind::FirstTokenTimeout,
            Kind::StallTimeout,
            Kind::TotalTimeout,
            Kind::ConnectionLost,
            Kind::MalformedStream,
            Kind::NotAStream,
            Kind::StreamEndedEarly,
            Kind::EmptyReply,
            Kind::ContentFilter,
            Kind::RequestRefused,
            Kind::Reported(503),
            Kind::ProviderError,
            Kind::Panicked,
        ];
        for kind in kinds {
            let failure = Failure { class: kind.class(), message: String::new() };
            assert_eq!(crate::metrics::error_class(&failure), kind.class());
        }
    }

    #[test]
    fn messages_say_what_happened_where_and_what_to_do() {
        assert_eq!(
            message(Kind::Status(401), 1),
            "http://llm.test/v1 refused our key with HTTP 401 (its words): check [llm] api_key"
        );
        assert_eq!(
            message(Kind::Status(404), 1),
            "http://llm.test/v1 answered HTTP 404 (its words): check [llm] model = \"gpt-x\" and base_url"
        );
        assert_eq!(
            message(Kind::FirstTokenTimeout, 3),
            "no token from http://llm.test/v1 within 8s (its words) after 3 attempts: see whether the provider is \
             overloaded or loading a model, or raise [llm] first_token_timeout"
        );
    }

    #[test]
    fn where_the_reason_is_unknown_there_is_no_advice() {
        let text = |kind, words: &str| {
            let config = config();
            let account = Account { config: &config, url: "u", attempts: 1, is_cold: false };
            Fault::new(kind).failure((!words.is_empty()).then_some(words), &account).message
        };
        assert_eq!(text(Kind::Status(400), ""), "u answered HTTP 400");
        assert_eq!(text(Kind::Status(422), "the moon is full"), "u answered HTTP 422 (the moon is full)");
        assert_eq!(text(Kind::ProviderError, ""), "u reported an error in the stream");
        assert_eq!(text(Kind::MalformedStream, ""), "u sent a stream that cannot be read");
        for (words, advice) in [
            ("API key not valid", "check [llm] api_key"),
            ("Only the default temperature is supported with this model", "check [llm] temperature"),
            (
                "This model's maximum context length is 4096",
                "lower [agent] history_tokens or [llm] max_tokens",
            ),
            ("there is no such model here", "check [llm] model"),
        ] {
            assert!(text(Kind::Reported(400), words).ends_with(advice), "{words}");
        }
    }

    #[test]
    fn a_cold_model_is_told_from_a_slow_one() {
        let config = config();
        let account = Account { config: &config, url: "u", attempts: 1, is_cold: true };
        let message = Fault::new(Kind::FirstTokenTimeout).failure(None, &account).message;
        assert!(message.contains("within 60s") && message.contains("may still be loading"), "{message}");
        assert!(message.ends_with("[llm] cold_first_token_timeout"), "{message}");
    }

    #[test]
    fn a_missing_key_is_told_from_a_wrong_one() {
        let config = config::Llm { api_key: None, ..config() };
        let account = Account { config: &config, url: "u", attempts: 1, is_cold: false };
        let failure = Fault::new(Kind::Status(401)).failure(None, &account);
        assert!(failure.message.ends_with("set [llm] api_key or OPENAI_API_KEY"), "{}", failure.message);
    }
}
