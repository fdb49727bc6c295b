//! What servers say of an error, in whichever shape and place: the body of a refusal, an event, or a part of one.
//!
//! OpenAI's `{"error": {…}}`; text in its place (TGI, Ollama); lists (Gemini, Cloudflare); `detail` (FastAPI, vLLM, Mistral);
//! bare objects (older vLLM, FastChat); `base_resp` (MiniMax).

use std::time::Duration;

use serde_json::value::RawValue;

use super::json::{self, Object};
use crate::llm::error::{Fault, Kind};

/// An error within an error within a list is as deep as servers go.
const MAX_DEPTH: usize = 5;
/// Of a list of errors, so many are told.
const MAX_ITEMS: usize = 3;
/// Of a body that is not JSON, so much is told.
const MAX_EXCERPT_CHARS: usize = 400;

const MESSAGES: [&str; 9] = [
    "message",
    "msg",
    "error_message",
    "error_description",
    "status_msg",
    "title",
    "description",
    "reason",
    "text",
];
const CODES: [&str; 9] = [
    "code",
    "error_code",
    "status_code",
    "statusCode",
    "http_status",
    "http_status_code",
    "http_code",
    "status",
    "errorCode",
];
const TYPES: [&str; 2] = ["type", "error_type"];
/// Where an error may be within an object.
const PLACES: [&str; 6] = ["error", "errors", "detail", "message", "base_resp", "errorDetails"];

/// Codes of success that some servers send in every event.
const SUCCESS: [&str; 5] = ["0", "200", "success", "ok", "none"];

/// A server's account of an error, as far as it gave one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) message: Option<String>,
    /// A word or a number.
    code: Option<String>,
    /// The first code that is a status of HTTP.
    status: Option<u16>,
    r#type: Option<String>,
    /// The field that the error is about.
    param: Option<String>,
    pub(super) retry_after: Option<Duration>,
}

/// Reads the body of a refusal. A body of no known shape is quoted as it is.
pub(super) fn explain(body: &[u8]) -> Option<Said> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim().trim_start_matches('\u{feff}');
    let Ok(value) = serde_json::from_str::<&RawValue>(text) else { return excerpt(text) };
    value_says(value, 0).or_else(|| excerpt(text))
}

/// What an event says of an error. None: it is none.
pub(super) fn of_event(event: &Object<'_>) -> Option<Said> {
    let error = within(event).map(|said| said.or(beside(event)));
    let groq = || within(&event.object("x_groq")?);
    error.or_else(groq).or_else(|| failed_response(event)).or_else(|| bare(event))
}

/// The error in the field `error` of an event, a choice or a delta.
pub(super) fn within(holder: &Object<'_>) -> Option<Said> {
    let error = holder.all("error").find(|error| is_meant(error))?;
    Some(value_says(error, 1).unwrap_or_default())
}

/// What stands beside the field `error` where that is text: TGI's `error_type`, or a status.
fn beside(event: &Object<'_>) -> Said {
    let mut codes = CODES.iter().filter_map(|name| event.get(name)).filter_map(json::words);
    let status = codes.find_map(|code| status_of(&code));
    Said {
        code: status.map(|status| status.to_string()),
        status,
        r#type: event.text(&["error_type"]),
        ..Said::default()
    }
}

/// An error that is told by text alone.
pub(super) fn of_text(text: &str) -> Said {
    Said { message: shortened(text), ..Said::default() }
}

/// MiniMax's `base_resp`, which every one of its events has.
fn failed_response(event: &Object<'_>) -> Option<Said> {
    let said = own_says(&event.object("base_resp")?);
    said.code.as_deref().is_some_and(|code| !is_success(code)).then_some(said)
}

/// An object that is nothing but an error.
fn bare(event: &Object<'_>) -> Option<Said> {
    if event.has("choices") || event.has("response") {
        return None;
    }
    let named =
        ["object", "type", "status"].iter().any(|name| event.text(&[name]).as_deref() == Some("error"));
    let listed =
        ["errors", "detail", "error_code", "error_type"].iter().any(|name| event.all(name).any(is_meant));
    let coded = event.text(&["message", "msg"]).is_some() && event.has("code");
    (named || listed || coded).then(|| object_says(event, 0).unwrap_or_default())
}

/// Whether the value of a field `error` means that there is one: some servers send an empty one with each event.
fn is_meant(error: &RawValue) -> bool {
    if let Some(object) = json::object(error) {
        let code = CODES.iter().find_map(|name| object.get(name)).and_then(json::words);
        let failed = code.is_some_and(|code| !is_success(&code));
        return failed
            || object.text(&MESSAGES).is_some()
            || object.text(&TYPES).is_some()
            || nested(&object);
    }
    match error.get() {
        "false" | "0" => false,
        list if list.starts_with('[') => json::items(error).into_iter().any(is_meant),
        _ => json::text(error).is_none_or(|text| !text.trim().is_empty()),
    }
}

fn nested(object: &Object<'_>) -> bool {
    PLACES.iter().filter_map(|place| object.get(place)).any(|inner| inner.get().len() > 2)
}

fn status_of(code: &str) -> Option<u16> {
    code.parse().ok().filter(|status| (400..600).contains(status))
}

fn is_success(code: &str) -> bool {
    SUCCESS.iter().any(|success| code.eq_ignore_ascii_case(success))
}

fn value_says(value: &RawValue, depth: usize) -> Option<Said> {
    if depth > MAX_DEPTH {
        return None;
    }
    if let Some(object) = json::object(value) {
        return object_says(&object, depth);
    }
    if value.get().starts_with('[') {
        let said = json::items(value).into_iter().filter_map(|item| value_says(item, depth + 1));
        return said.take(MAX_ITEMS).reduce(Said::and);
    }
    let text = json::text(value).filter(|text| !text.trim().is_empty())?;
    json_within(&text, depth).or_else(|| Some(of_text(&text)))
}

/// Gateways pass the body of the server behind them on as text.
fn json_within(text: &str, depth: usize) -> Option<Said> {
    let value = text.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str::<&RawValue>(text));
    value_says(value?.ok()?, depth + 1)
}

fn object_says(object: &Object<'_>, depth: usize) -> Option<Said> {
    let inner = PLACES.iter().filter_map(|place| Some((place, object.get(place)?)));
    let mut inner = inner.filter_map(|(place, inner)| {
        let said = value_says(inner, depth + 1)?;
        // A plain message is one of the object's own fields.
        (*place != "message" || said.message != json::text(inner)).then_some(said)
    });
    let inner = inner.next();
    let said = inner.unwrap_or_default().or(own_says(object));
    (said != Said::default()).then_some(said)
}

/// What the fields of an object itself say.
fn own_says(object: &Object<'_>) -> Said {
    let message = object.text(&MESSAGES).filter(|text| !text.trim().is_empty());
    let codes = || CODES.iter().filter_map(|name| object.get(name)).filter_map(json::words);
    Said {
        message: message.and_then(|message| shortened(&with_place(object, &with_upstream(object, message)))),
        code: codes().find(|code| !code.is_empty()),
        status: codes().find_map(|code| status_of(&code)),
        r#type: object.text(&TYPES),
        param: object.text(&["param"]),
        retry_after: retry_delay(object),
    }
}

/// OpenRouter keeps the words of the server behind it in `metadata.raw`.
fn with_upstream(object: &Object<'_>, message: String) -> String {
    match object.object("metadata").and_then(|metadata| metadata.text(&["raw"])) {
        Some(raw) => format!("{message}: {raw}"),
        None => message,
    }
}

/// FastAPI names the field by its path: `"loc": ["body", "model"]`.
fn with_place(object: &Object<'_>, message: &str) -> String {
    let Some(loc) = object.get("loc") else { return message.to_owned() };
    let path: Vec<String> = json::items(loc).into_iter().filter_map(json::words).collect();
    format!("{}: {message}", path.join("."))
}

/// Google's `RetryInfo` (`"retryDelay": "34s"`), and a plain `retry_after` in seconds.
fn retry_delay(object: &Object<'_>) -> Option<Duration> {
    let seconds = |text: String| text.trim().trim_end_matches('s').parse().ok();
    let plain = object.get("retry_after").and_then(json::words).and_then(seconds);
    let details = object.all("details").flat_map(json::items).filter_map(json::object);
    let google = details.filter_map(|detail| detail.text(&["retryDelay"])).find_map(seconds);
    google.or(plain).and_then(|seconds: f64| Duration::try_from_secs_f64(seconds).ok())
}

/// The beginning of a body of no known shape; of a page, its title.
fn excerpt(text: &str) -> Option<Said> {
    let title = || text.split_once("<title>")?.1.split_once("</title>").map(|(title, _)| title);
    let text = if text.starts_with('<') { title()? } else { text };
    shortened(text).map(|text| Said { message: Some(text), ..Said::default() })
}

fn shortened(text: &str) -> Option<String> {
    let text: String = text.trim().chars().take(MAX_EXCERPT_CHARS).collect();
    (!text.is_empty()).then_some(text)
}

// === impl Said ===

impl Said {
    /// The fault that an error in a stream stands for.
    pub(super) fn fault(self) -> Fault {
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

    pub(super) fn is_quota(&self) -> bool {
        self.names().any(|name| QUOTAS.contains(&name.as_str()))
    }

    /// The HTTP status that the code is or stands for.
    fn status(&self) -> Option<u16> {
        let named =
            |name: String| STATUSES.iter().find(|(known, _)| *known == name).map(|(_, status)| *status);
        self.status.or_else(|| self.names().find_map(named))
    }

    /// Whether another attempt may go well, where no status is known: as the words sound.
    fn may_pass(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default().to_lowercase();
        !FINAL.iter().any(|word| message.contains(word))
    }

    fn names(&self) -> impl Iterator<Item = String> {
        [&self.code, &self.r#type].into_iter().flatten().map(|name| name.to_lowercase())
    }

    /// "code: message", as far as there is any, without a code that `status` says already.
    pub(super) fn words(&self, status: Option<u16>) -> Option<String> {
        let known = status.map(|status| status.to_string());
        let code = self.code.as_ref().filter(|code| !is_success(code)).or(self.r#type.as_ref());
        let code = code.filter(|code| known.as_ref() != Some(code));
        let words: Vec<&str> =
            [code, self.message.as_ref()].into_iter().flatten().map(String::as_str).collect();
        (!words.is_empty()).then(|| words.join(": "))
    }

    /// Whether the server does not take this field of the request, as told from one whose value it does not like.
    pub(super) fn refuses(&self, field: &str) -> bool {
        let message = self.message.as_deref().unwrap_or_default();
        let texts = [&self.code, &self.r#type].into_iter().flatten().map(String::as_str).chain([message]);
        let sounds_so =
            texts.map(str::to_lowercase).any(|text| REFUSING.iter().any(|word| text.contains(word)));
        sounds_so && (self.param.as_deref() == Some(field) || has_word(message, field))
    }

    /// This, with what it lacks taken from `other`.
    fn or(self, other: Said) -> Self {
        Self {
            message: self.message.or(other.message),
            code: self.code.or(other.code),
            status: self.status.or(other.status),
            r#type: self.r#type.or(other.r#type),
            param: self.param.or(other.param),
            retry_after: self.retry_after.or(other.retry_after),
        }
    }

    /// This, and the message of `other`.
    fn and(self, other: Said) -> Self {
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

const QUOTAS: [&str; 4] =
    ["insufficient_quota", "billing_hard_limit_reached", "insufficient_balance", "quota_exceeded"];

const FILTERS: [&str; 4] =
    ["content_filter", "content_policy_violation", "responsibleaipolicyviolation", "moderation_blocked"];

/// Types that say that the request is to blame, of which no status is known.
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

/// How servers say that they do not take a field.
const REFUSING: [&str; 9] = [
    "not support",
    "unsupported",
    "unknown",
    "unrecognized",
    "extra",
    "not permitted",
    "not allowed",
    "unexpected",
    "is allowed",
];

/// By these words an error without a status sounds as if it will not pass.
const FINAL: [&str; 18] = [
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
    "support",
    "required",
    "not allowed",
    "denied",
    "api key",
    "must ",
];

#[cfg(test)]
mod tests;
