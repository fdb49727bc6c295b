//! The failures of a request, whether trying again may help, and the messages to the operator.

use std::time::Duration;

use conversation::Failure;

use crate::service::Service;

/// The reason why a request got no transcript or no whole speech.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The HTTP status of the last answer, if there was one.
    pub status: Option<u16>,
    /// The same request may succeed a moment later. It was tried as often as the settings allow.
    pub retryable: bool,
    pub failure: Failure,
}

/// Why no client could be made of the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BuildError {
    #[error("{0} holds characters that no HTTP header may hold (a line break?): copy the key again")]
    ApiKey(&'static str),
    #[error("{0} = \"{1}\" is no http or https URL with a host")]
    BaseUrl(&'static str, String),
}

/// One attempt's failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) kind: Kind,
    /// The provider's or the network's own words.
    pub(crate) words: Option<String>,
    /// How long the provider asks us to stay away.
    pub(crate) retry_after: Option<Duration>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A refusal with this HTTP status.
    Status(u16),
    /// 429, and no wait will help.
    Quota,
    Connect,
    Certificate,
    ConnectTimeout,
    /// No whole transcript in time.
    AnswerTimeout,
    FirstAudioTimeout,
    /// The audio stopped coming.
    StallTimeout,
    TotalTimeout,
    ConnectionLost,
    /// An answer that is no transcript.
    NotATranscript,
    /// An answer in this form, which cannot be played.
    NotPlayable(&'static str),
    /// Audio whose header or events cannot be read.
    Malformed(&'static str),
    /// A whole answer without a sample.
    NoAudio,
    /// More than we take of an answer.
    TooLong,
    /// An error in an answer with status 200.
    Reported,
}

// === impl Fault ===

impl Fault {
    pub(crate) fn with_words(kind: Kind, words: impl Into<String>) -> Self {
        Self { words: Some(words.into()), ..Self::from(kind) }
    }

    /// The failure as callers see it. `words` are those of the fault that may be shown.
    pub(crate) fn failure(
        &self,
        service: &Service,
        url: &str,
        words: Option<&str>,
        attempts: usize,
    ) -> Failure {
        let what = self.kind.what_happened(service, url);
        let shown = words.map(|words| format!(" ({words})")).unwrap_or_default();
        let tries = if attempts > 1 { format!(" after {attempts} attempts") } else { String::new() };
        let advice = self.kind.what_to_do(service).map(|advice| format!(": {advice}")).unwrap_or_default();
        Failure { class: self.kind.class(), message: format!("{what}{shown}{tries}{advice}") }
    }
}

impl From<Kind> for Fault {
    fn from(kind: Kind) -> Self {
        Self { kind, words: None, retry_after: None }
    }
}

// === impl Kind ===

impl Kind {
    /// `error.type`: the HTTP status, or a class of our own.
    pub(crate) fn class(self) -> String {
        let class = match self {
            Kind::Status(status) => return status.to_string(),
            Kind::Quota => "429",
            Kind::Connect | Kind::Certificate => "connect",
            Kind::ConnectTimeout => "connect_timeout",
            Kind::AnswerTimeout => "answer_timeout",
            Kind::FirstAudioTimeout => "first_audio_timeout",
            Kind::StallTimeout => "stall_timeout",
            Kind::TotalTimeout => "total_timeout",
            Kind::ConnectionLost => "connection_lost",
            Kind::NotATranscript => "not_a_transcript",
            Kind::NotPlayable(_) => "not_playable",
            Kind::Malformed(_) => "malformed_audio",
            Kind::NoAudio => "no_audio",
            Kind::TooLong => "too_long",
            Kind::Reported => "provider_error",
        };
        class.to_owned()
    }

    /// Whether the same request may succeed a moment later.
    pub(crate) fn is_retryable(self) -> bool {
        match self {
            Kind::Status(status) => matches!(status, 408 | 409 | 429 | 500..),
            Kind::Connect
            | Kind::ConnectTimeout
            | Kind::AnswerTimeout
            | Kind::FirstAudioTimeout
            | Kind::StallTimeout
            | Kind::ConnectionLost
            | Kind::NoAudio
            | Kind::Reported => true,
            Kind::Quota
            | Kind::Certificate
            | Kind::TotalTimeout
            | Kind::NotATranscript
            | Kind::NotPlayable(_)
            | Kind::Malformed(_)
            | Kind::TooLong => false,
        }
    }

    /// Whether the words come from the network, which cannot quote the request.
    pub(crate) fn is_of_network(self) -> bool {
        matches!(self, Kind::Connect | Kind::Certificate | Kind::Status(300..400))
    }

    fn what_happened(self, service: &Service, url: &str) -> String {
        let timeout = service.timeout;
        match self {
            Kind::Status(401) => format!("{url} refused our key with HTTP 401"),
            Kind::Status(status) => format!("{url} answered HTTP {status}"),
            Kind::Quota => format!("{url} answered HTTP 429: the account's quota is used up"),
            Kind::Connect => format!("cannot connect to {url}"),
            Kind::Certificate => format!("the certificate of {url} is not trusted"),
            Kind::ConnectTimeout => format!("connecting to {url} took too long"),
            Kind::AnswerTimeout => format!("no transcript from {url} within {timeout:?}"),
            Kind::FirstAudioTimeout => format!("no audio from {url} within {timeout:?}"),
            Kind::StallTimeout => format!("{url} stopped sending in the middle of the speech"),
            Kind::TotalTimeout => format!("{url} took too long to send the whole speech"),
            Kind::ConnectionLost => format!("the connection to {url} broke off"),
            Kind::NotATranscript => format!("{url} answered with something other than a transcript"),
            Kind::NotPlayable(form) => format!("{url} answered with {form}, which cannot be played"),
            Kind::Malformed(fault) => format!("{url} sent audio that cannot be read: {fault}"),
            Kind::NoAudio => format!("{url} sent no audio for a text with words"),
            Kind::TooLong => format!("{url} sent a longer answer than is taken"),
            Kind::Reported => format!("{url} reported an error in place of the answer"),
        }
    }

    /// The remedy. None where the reason is not known.
    fn what_to_do(self, service: &Service) -> Option<String> {
        let names = &service.names;
        let advice = match self {
            Kind::Status(401 | 403) if service.api_key.is_none() => format!("set {}", names.api_key),
            Kind::Status(401 | 403) => format!("check {}", names.api_key),
            Kind::Status(404) => {
                format!("check {} = \"{}\" and {}", names.model, service.model, names.base_url)
            }
            Kind::Status(300..400) => format!("put the address that it redirects to into {}", names.base_url),
            Kind::Status(413) => "the server takes shorter utterances only; see its limits".to_owned(),
            Kind::Status(429) => "ask the provider for a higher rate limit".to_owned(),
            Kind::Status(400 | 422) => {
                format!("check {} and {}; the server's log may say more", names.model, names.voice)
            }
            Kind::Quota => "see to the account's plan and billing at the provider".to_owned(),
            Kind::Connect | Kind::ConnectTimeout => {
                format!("check that the server is up and {} is right", names.base_url)
            }
            Kind::Certificate => format!("check {}, and that {} is right", names.ca_file, names.base_url),
            Kind::AnswerTimeout | Kind::FirstAudioTimeout => {
                format!("see whether the server is overloaded or loading a model, or raise {}", names.timeout)
            }
            Kind::StallTimeout | Kind::TotalTimeout => "see whether the server is overloaded".to_owned(),
            Kind::NotATranscript => {
                format!("check that {} is an OpenAI-compatible API, with its /v1", names.base_url)
            }
            Kind::NotPlayable("a page" | "JSON") => {
                format!("check that {} is an OpenAI-compatible API, with its /v1", names.base_url)
            }
            Kind::NotPlayable(_) | Kind::Malformed(_) => {
                "choose a model or server that answers response_format \"pcm\" with pcm or wav".to_owned()
            }
            Kind::NoAudio => format!("check {} and {}", names.model, names.voice),
            Kind::Status(500..) | Kind::ConnectionLost => {
                "see the provider's status page or the server's log".to_owned()
            }
            Kind::Status(_) | Kind::TooLong | Kind::Reported => return None,
        };
        Some(advice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conversation::Secret;

    fn message(kind: Kind, key: Option<&str>, attempts: usize) -> String {
        let mut service = Service::new("http://stt.test/v1".parse().unwrap(), "whisper");
        service.names.api_key = "[stt] api_key";
        service.api_key = key.map(Secret::new);
        Fault::from(kind).failure(&service, "http://stt.test/v1", Some("its words"), attempts).message
    }

    #[test]
    fn messages_say_what_happened_where_and_what_to_do() {
        assert_eq!(
            message(Kind::Status(401), Some("sk-hidden"), 1),
            "http://stt.test/v1 refused our key with HTTP 401 (its words): check [stt] api_key"
        );
        assert_eq!(
            message(Kind::AnswerTimeout, None, 2),
            "no transcript from http://stt.test/v1 within 5s (its words) after 2 attempts: see whether the server is \
             overloaded or loading a model, or raise timeout"
        );
        assert!(message(Kind::Status(401), None, 1).ends_with("set [stt] api_key"));
    }

    #[test]
    fn only_some_statuses_are_worth_another_attempt() {
        let retryable = |status| Kind::Status(status).is_retryable();
        assert!([408, 409, 429, 500, 502, 503, 504, 529].into_iter().all(retryable));
        assert!(![301, 400, 401, 403, 404, 413, 422].into_iter().any(retryable));
    }
}
