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

const MESSAGES: [&str; 14] = [
    "message",
    "msg",
    "error_message",
    "error_description",
    "error_msg",
    "errorMessage",
    "err_msg",
    "Message",
    "details",
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
    let said = value_says(value, 0).unwrap_or_default();
    match &said.message {
        Some(_) => Some(said),
        // A code alone says little: the rest of the body may say more.
        None => excerpt(text).map(|excerpt| said.or(excerpt)),
    }
}

/// What an event says of an error. None: it is none.
pub(super) fn of_event(event: &Object<'_>) -> Option<Said> {
    let error = within(event).map(|said| with_message(said, event).or(beside(event)));
    let groq = || within(&event.object("x_groq")?);
    error.or_else(groq).or_else(|| failed_response(event)).or_else(|| bare(event))
}

/// The error in the field `error` of an event, a choice or a delta.
pub(super) fn within(holder: &Object<'_>) -> Option<Said> {
    let error = holder.all("error").find(|error| is_meant(error))?;
    Some(value_says(error, 1).unwrap_or_default())
}

/// NestJS and others write a name into `error` and the words beside it.
fn with_message(said: Said, event: &Object<'_>) -> Said {
    let is_name =
        event.all("error").all(|error| json::object(error).is_none() && !error.get().starts_with('['));
    match event.text(&MESSAGES).filter(|_| is_name && !event.has("choices")) {
        Some(message) => Said { message: shortened(&message), r#type: said.r#type.or(said.message), ..said },
        None => said,
    }
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
    if event.has("choices") || event.get("response").is_some_and(|response| json::object(response).is_none())
    {
        return None;
    }
    let code =
        CODES.iter().filter(|name| **name != "status").find_map(|name| event.get(name)).and_then(json::words);
    if code.is_some_and(|code| is_success(&code)) {
        return None;
    }
    let is_failure = |text: String| {
        let text = text.to_lowercase();
        text == "error" || text == "failed" || text.ends_with(".failed") || text.ends_with(".error")
    };
    let named = ["object", "type", "status"].iter().filter_map(|name| event.text(&[name])).any(is_failure);
    let listed =
        ["errors", "detail", "error_code", "error_type"].iter().any(|name| event.all(name).any(is_meant));
    let unsuccessful = event.get("success").is_some_and(|success| success.get() == "false");
    let worded =
        event.text(&MESSAGES[..8]).is_some() && event.text(&["type"]).is_none_or(|kind| kind != "ping");
    let is_error = named || listed || unsuccessful || worded;
    is_error.then(|| {
        object_says(event, 0)
            .filter(|said| said.message.is_some())
            .or_else(|| object_says(&event.object("response")?, 1))
            .unwrap_or_default()
    })
}

/// Whether the value of a field `error` means that there is one: some servers send an empty one with each event.
fn is_meant(error: &RawValue) -> bool {
    if let Some(object) = json::object(error) {
        let code = CODES.iter().find_map(|name| object.get(name)).and_then(json::words);
        let says = || object.text(&MESSAGES).is_some() || object.text(&TYPES).is_some() || nested(&object);
        return code.map_or_else(says, |code| !is_success(&code));
    }
    match error.get() {
        "false" | "0" => false,
        list if list.starts_with('[') => json::items(error).into_iter().any(is_meant),
        _ => json::text(error).is_none_or(|text| !text.trim().is_empty() && !is_success(text.trim())),
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
        (*place != "message" || said.message != json::text(inner)).then_some((place, inner, said))
    });
    let said = match inner.next() {
        Some((place, inner, said)) if *place == "error" && json::text(inner).is_some() => {
            with_message(said, object)
        }
        Some((.., said)) => said,
        None => Said::default(),
    };
    let said = said.or(own_says(object));
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

/// Google's `RetryInfo` (`"retryDelay": "34s"`), and what others call it.
fn retry_delay(object: &Object<'_>) -> Option<Duration> {
    let details = object.all("details").flat_map(json::items).filter_map(json::object);
    let places = details.chain(object.object("metadata"));
    let mut delays = places.chain([Object::default()]).filter_map(|place| delay(&place));
    delays.next().or_else(|| delay(object))
}

fn delay(object: &Object<'_>) -> Option<Duration> {
    let names = ["retryDelay", "retry_after", "retryAfter", "retry_after_seconds"];
    let value = names.iter().find_map(|name| object.get(name));
    let seconds = value.and_then(|value| match json::object(value) {
        Some(duration) => duration.count(&["seconds"]).map(|seconds| seconds as f64),
        None => seconds(&json::words(value)?),
    });
    let milliseconds = || object.count(&["retry_after_ms"]).map(|milliseconds| milliseconds as f64 / 1000.0);
    seconds.or_else(milliseconds).and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
}

/// "34s", "34.5" or "34000ms".
fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    match text.strip_suffix("ms") {
        Some(milliseconds) => milliseconds.trim().parse::<f64>().ok().map(|number| number / 1000.0),
        None => text.trim_end_matches('s').trim().parse().ok(),
    }
}

/// The beginning of a body of no known shape; of a page, its title or its text.
fn excerpt(text: &str) -> Option<Said> {
    if matches!(text, "{}" | "[]" | "null") {
        return None;
    }
    let text = if text.starts_with('<') {
        title(text).unwrap_or_else(|| without_tags(text))
    } else {
        text.to_owned()
    };
    shortened(&text).map(|text| Said { message: Some(text), ..Said::default() })
}

fn title(page: &str) -> Option<String> {
    let folded = page.to_ascii_lowercase();
    let start = folded.find("<title>")? + "<title>".len();
    let end = start + folded[start..].find("</title>")?;
    Some(page[start..end].to_owned())
}

fn without_tags(page: &str) -> String {
    let texts = page.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    texts.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ")
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
        let sounds = |words: &[&str]| words.iter().any(|word| message.contains(word));
        let is_theirs = self.names().any(|name| name.contains("server"));
        is_theirs || sounds(&PASSING) || !sounds(&FINAL)
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

    /// Whether no reason is in it.
    pub(super) fn is_bare(&self) -> bool {
        let message = self.message.as_deref().unwrap_or_default().trim().to_lowercase();
        let message = message.trim_start_matches(|letter: char| letter.is_ascii_digit() || letter == ' ');
        message.is_empty() || BARE.contains(&message)
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

/// What refuses without a reason.
const BARE: [&str; 4] = ["bad request", "unprocessable entity", "unprocessable content", "error"];

/// By these words an error without a status sounds as if it may pass,
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

/// and by these, without one of those, as if it will not.
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

#[cfg(test)]
mod tests;
