//! The errors that servers report, in whichever shape and place: the body of a refusal, an event, or a part of one.
//!
//! OpenAI's `{"error": {…}}`; text in its place (TGI, Ollama); lists (Gemini, Cloudflare); `detail` (FastAPI, vLLM,
//! Mistral); bare objects (older vLLM, FastChat); `base_resp` (MiniMax).

use std::time::Duration;

use outbound::retry_after::seconds;
use serde_json::value::RawValue;

use super::json::{self, Object};

pub(in crate::llm) use said::Said;
use said::is_success;

mod said;

/// The deepest nesting that servers send: an error within an error within a list.
const MAX_DEPTH: usize = 5;
/// The most errors of a list that are reported.
const MAX_ITEMS: usize = 3;
/// The most characters of a body other than JSON that are reported.
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
/// MiniMax's codes and the statuses of HTTP that they stand for.
const MINIMAX: [(&str, u16); 14] = [
    ("1000", 500),
    ("1001", 504),
    ("1002", 429),
    ("1004", 401),
    ("1008", 402),
    ("1013", 500),
    ("1024", 500),
    ("1033", 500),
    ("1039", 429),
    ("1041", 429),
    ("2013", 400),
    ("2045", 429),
    ("2049", 401),
    ("2056", 429),
];
/// The places of an error within an object.
const PLACES: [&str; 6] = ["error", "errors", "detail", "message", "base_resp", "errorDetails"];

/// Reads the body of a refusal. A body of no known shape is quoted as it is.
pub(super) fn explain(body: &[u8]) -> Option<Said> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim().trim_start_matches('\u{feff}');
    let Ok(value) = serde_json::from_str::<&RawValue>(text) else { return excerpt(text) };
    let said = value_says(value, 0).unwrap_or_default();
    match &said.message {
        Some(_) => Some(said),
        // A code alone explains little: the rest of the body may explain more.
        None => excerpt(text).map(|excerpt| said.or(excerpt)),
    }
}

/// The error that an event reports. None: it is no error.
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

/// The details beside the field `error` where that is text: TGI's `error_type`, or a status.
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

/// An error that consists of text alone.
pub(super) fn of_text(text: &str) -> Said {
    Said { message: shortened(text), ..Said::default() }
}

/// MiniMax's `base_resp`, which every one of its events has.
fn failed_response(event: &Object<'_>) -> Option<Said> {
    let said = own_says(&event.object("base_resp")?);
    let code = said.code.clone().filter(|code| !is_success(code))?;
    let status = MINIMAX.iter().find(|(known, _)| *known == code).map(|(_, status)| *status);
    Some(Said { status: status.or(said.status), ..said })
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

/// Whether the value of a field `error` means that there is an error: some servers send an empty one with each event.
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

/// The account in the fields of an object itself.
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

/// Google's `RetryInfo` (`"retryDelay": "34s"`), and its equivalents of other servers.
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

#[cfg(test)]
mod tests;
