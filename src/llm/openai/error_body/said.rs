//! A server's account of an error, and its consequences: the kind, and whether another attempt may succeed.

use std::time::Duration;

use crate::llm::error::{Fault, Kind};

/// Codes of success that some servers send in every event.
const SUCCESS: [&str; 5] = ["0", "200", "success", "ok", "none"];

/// A server's account of an error, as far as it gave one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::llm) struct Said {
    pub(in crate::llm::openai) message: Option<String>,
    /// A word or a number.
    pub(super) code: Option<String>,
    /// The first code that is a status of HTTP.
    pub(super) status: Option<u16>,
    pub(super) r#type: Option<String>,
    /// The field that the error is about.
    pub(super) param: Option<String>,
    pub(in crate::llm::openai) retry_after: Option<Duration>,
}

pub(super) fn is_success(code: &str) -> bool {
    SUCCESS.iter().any(|success| code.eq_ignore_ascii_case(success))
}

// === impl Said ===

impl Said {
    /// The fault that an error in a stream stands for.
    pub(in crate::llm::openai) fn fault(self) -> Fault {
        let kind = self.kind();
        let is_final = kind == Kind::ProviderError && !self.may_pass();
        Fault { detail: self.words(self.status), retry_after: self.retry_after, is_final, ..Fault::new(kind) }
    }

    fn kind(&self) -> Kind {
        if self.is_quota() {
            return Kind::QuotaExceeded;
        }
        if self.names().any(|name| FILTERS.contains(&name.as_str())) {
            return Kind::ContentFilter;
        }
        match self.status() {
            Some(status) => Kind::Reported(status),
            None if self.names().any(|name| REFUSALS.contains(&name.as_str())) => Kind::RequestRefused,
            None => Kind::ProviderError,
        }
    }

    pub(in crate::llm::openai) fn is_quota(&self) -> bool {
        self.names().any(|name| QUOTAS.contains(&name.as_str()))
    }

    /// The HTTP status that the code is or stands for.
    fn status(&self) -> Option<u16> {
        let named =
            |name: String| STATUSES.iter().find(|(known, _)| *known == name).map(|(_, status)| *status);
        self.status.or_else(|| self.names().find_map(named))
    }

    /// Whether another attempt may succeed, where no status is known, judged by the wording.
    fn may_pass(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default().to_lowercase();
        let sounds = |words: &[&str]| words.iter().any(|word| message.contains(word));
        let is_theirs = self.names().any(|name| name.contains("server"));
        is_theirs || sounds(&PASSING) || !sounds(&FINAL)
    }

    fn names(&self) -> impl Iterator<Item = String> {
        [&self.code, &self.r#type].into_iter().flatten().map(|name| name.to_lowercase())
    }

    /// "code: message", as far as there is any, without a code that `status` repeats.
    pub(in crate::llm::openai) fn words(&self, status: Option<u16>) -> Option<String> {
        let known = status.map(|status| status.to_string());
        let code = self.code.as_ref().filter(|code| !is_success(code)).or(self.r#type.as_ref());
        let code = code.filter(|code| known.as_ref() != Some(code));
        let words: Vec<&str> =
            [code, self.message.as_ref()].into_iter().flatten().map(String::as_str).collect();
        (!words.is_empty()).then(|| words.join(": "))
    }

    /// Whether the server does not take this field of the request, in contrast to a field whose value it does not
    /// accept.
    pub(in crate::llm::openai) fn refuses(&self, field: &str) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        let texts = [&self.code, &self.r#type].into_iter().flatten().map(String::as_str).chain([message]);
        let sounds_so =
            texts.map(str::to_lowercase).any(|text| REFUSING.iter().any(|word| text.contains(word)));
        sounds_so && (self.param.as_deref() == Some(field) || has_word(message, field))
    }

    /// Whether the account holds no reason.
    pub(in crate::llm::openai) fn is_bare(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default().trim().to_lowercase();
        let message = message.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ' ');
        message.is_empty() || BARE.contains(&message)
    }

    /// This account, with its missing parts taken from `other`.
    pub(super) fn or(self, other: Said) -> Self {
        Self {
            message: self.message.or(other.message),
            code: self.code.or(other.code),
            status: self.status.or(other.status),
            r#type: self.r#type.or(other.r#type),
            param: self.param.or(other.param),
            retry_after: self.retry_after.or(other.retry_after),
        }
    }

    /// This account, and the message of `other`.
    pub(super) fn and(self, other: Said) -> Self {
        let messages: Vec<&str> =
            [&self.message, &other.message].into_iter().flatten().map(String::as_str).collect();
        let message = (!messages.is_empty()).then(|| messages.join("; "));
        Self { message, ..self.or(other) }
    }
}

/// Whether `word` stands in `text` as a word of its own, so that `max_tokens` is not found in `max_tokens_total`.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + word.len()..].chars().next();
        ![before, after].into_iter().flatten().any(is_part)
    })
}

const QUOTAS: [&str; 8] = [
    "exceeded_current_quota_error",
    "billing_not_active",
    "insufficient_user_quota",
    "credit_balance_too_low",
    "insufficient_quota",
    "billing_hard_limit_reached",
    "insufficient_balance",
    "quota_exceeded",
];

const FILTERS: [&str; 4] =
    ["content_filter", "content_policy_violation", "responsibleaipolicyviolation", "moderation_blocked"];

/// Types that blame the request, of which no status is known.
const REFUSALS: [&str; 6] = [
    "invalid_request_error",
    "invalid_request",
    "validation",
    "validation_error",
    "context_length_exceeded",
    "bad_request",
];

/// The HTTP statuses that codes and types stand for: Google's, Anthropic's, OpenAI's, vLLM's, TGI's.
const STATUSES: [(&str, u16); 31] = [
    ("invalid_argument", 400),
    ("failed_precondition", 400),
    ("badrequesterror", 400),
    ("invalid_api_key", 401),
    ("authentication_error", 401),
    ("authenticationerror", 401),
    ("unauthenticated", 401),
    ("unauthorized", 401),
    ("permission_denied", 403),
    ("permission_error", 403),
    ("permissiondeniederror", 403),
    ("forbidden", 403),
    ("not_found", 404),
    ("not_found_error", 404),
    ("notfounderror", 404),
    ("model_not_found", 404),
    ("request_too_large", 413),
    ("unprocessableentityerror", 422),
    ("resource_exhausted", 429),
    ("rate_limit_error", 429),
    ("rate_limit_exceeded", 429),
    ("ratelimiterror", 429),
    ("overloaded", 429),
    ("api_error", 500),
    ("internal", 500),
    ("internalservererror", 500),
    ("unavailable", 503),
    ("service_unavailable", 503),
    ("deadline_exceeded", 504),
    ("timeout_error", 504),
    ("overloaded_error", 529),
];

/// The phrases by which servers say that they do not take a field.
const REFUSING: [&str; 24] = [
    "not support",
    "unsupported",
    "unknown",
    "unrecognized",
    "not recognized",
    "extra",
    "not permitted",
    "not allowed",
    "disallowed",
    "forbidden",
    "unexpected",
    "deprecated",
    "should not exist",
    "invalid parameter",
    "invalid temperature",
    "not a valid parameter",
    "no such field",
    "cannot be used",
    "not available",
    "instead of",
    "must be 1",
    "is allowed",
    "only temperature",
    "only the default",
];

/// The messages of refusals without a reason.
const BARE: [&str; 4] = ["bad request", "unprocessable entity", "unprocessable content", "error"];

/// The words by which an error without a status sounds temporary.
const PASSING: [&str; 15] = [
    "try again",
    "retry",
    "rate limit",
    "overload",
    "capacity",
    "timeout",
    "timed out",
    "deadline",
    "unavailable",
    "internal",
    "upstream",
    "busy",
    "loading",
    "temporar",
    "contact support",
];

/// The words by which an error that has none of those sounds permanent.
const FINAL: [&str; 19] = [
    "too many words",
    "too many tokens",
    "too long",
    "too large",
    "exceed",
    "maximum",
    "context length",
    "not found",
    "no such",
    "not exist",
    "invalid",
    "not valid",
    "not support",
    "unsupported",
    "required",
    "not allowed",
    "denied",
    "api key",
    "must ",
];
