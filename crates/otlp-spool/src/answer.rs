//! The content of a receiver's answer, in protobuf as the specification demands it, or in JSON as several receivers
//! send it whatever the form of the request.

use prost::Message;
use serde_json::Value;

use crate::Signal;
use crate::http::Reply;

/// The depth at which a JSON body may hold a message within an `error` or a list of them.
const DEEPEST: usize = 4;

/// Items that a receiver did not take of a request that it took (OTLP specification, "Partial Success").
#[derive(Clone, PartialEq, Message)]
pub(super) struct PartialSuccess {
    #[prost(int64, tag = "1")]
    pub(super) rejected: i64,
    #[prost(string, tag = "2")]
    pub(super) error_message: String,
}

/// The answer to an export request: the same message on the wire for every signal.
#[derive(Clone, PartialEq, Message)]
struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `google.rpc.Status`, the body of a failed OTLP request (OTLP specification, "Failures").
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(int32, tag = "1")]
    code: i32,
    #[prost(string, tag = "2")]
    message: String,
}

/// The items that a receiver says it did not take; None for an answer that is no OTLP.
pub(super) fn partial_success(reply: &Reply, signal: Signal) -> Option<PartialSuccess> {
    match json(reply) {
        Some(json) => partial_in_json(&json, signal),
        None => Response::decode(reply.body.as_slice()).ok()?.partial_success,
    }
}

/// The words of an answer that refuses.
pub(super) fn refusal(reply: &Reply) -> String {
    let is_protobuf =
        || ["application/x-protobuf", "application/protobuf"].contains(&reply.media_type().as_str());
    match json(reply).and_then(|json| message_in(&json, DEEPEST)) {
        Some(message) => message,
        None if is_protobuf() => {
            RpcStatus::decode(reply.body.as_slice()).map(|status| status.message).unwrap_or_default()
        }
        None => String::from_utf8_lossy(&reply.body).into_owned(),
    }
}

// === JSON ===

/// The body as JSON, where it is declared as such, or begins as no protobuf of ours can.
fn json(reply: &Reply) -> Option<Value> {
    let media_type = reply.media_type();
    let is_said = media_type.ends_with("/json") || media_type.ends_with("+json");
    let is_seen = reply.body.trim_ascii_start().starts_with(b"{");
    if is_said || is_seen { serde_json::from_slice(&reply.body).ok() } else { None }
}

/// Names in lower camel case or as the `.proto` has them: readers of proto3 JSON take both.
fn partial_in_json(json: &Value, signal: Signal) -> Option<PartialSuccess> {
    let (camel, snake) = match signal {
        Signal::Traces => ("rejectedSpans", "rejected_spans"),
        Signal::Metrics => ("rejectedDataPoints", "rejected_data_points"),
        Signal::Logs => ("rejectedLogRecords", "rejected_log_records"),
    };
    let partial = either(json, "partialSuccess", "partial_success")?;
    let rejected = either(partial, camel, snake).map_or(0, int64);
    let error_message = either(partial, "errorMessage", "error_message").and_then(Value::as_str);
    Some(PartialSuccess { rejected, error_message: error_message.unwrap_or_default().to_owned() })
}

fn either<'v>(json: &'v Value, camel: &str, snake: &str) -> Option<&'v Value> {
    let set = |name: &str| json.get(name).filter(|value| !value.is_null());
    set(camel).or_else(|| set(snake))
}

/// An `int64` of proto3 JSON: a string or a number, with an exponent or not. A value that is too large becomes the
/// largest one, and a value that is no number becomes zero.
fn int64(value: &Value) -> i64 {
    let text = match value {
        Value::String(text) => text.trim(),
        Value::Number(number) => {
            return number.as_i64().or_else(|| number.as_f64().map(saturated)).unwrap_or(0);
        }
        _ => return 0,
    };
    text.parse().unwrap_or_else(|_| text.parse().map_or(0, saturated))
}

fn saturated(number: f64) -> i64 {
    // A cast of a float ends at the limits, and takes no number for zero.
    number as i64
}

/// The message of a `google.rpc.Status`, or of another error body as gateways in front of receivers write it.
fn message_in(json: &Value, depth: usize) -> Option<String> {
    if depth == 0 {
        return None;
    }
    let of = |name: &str| json.get(name).and_then(|inner| message_in(inner, depth - 1));
    match json {
        Value::String(text) => Some(text.clone()).filter(|text| !text.trim().is_empty()),
        Value::Array(items) => items.first().and_then(|item| message_in(item, depth - 1)),
        Value::Object(_) => {
            let names = ["message", "error", "errors", "detail", "errorMessage", "error_message"];
            names.iter().copied().chain(["partialSuccess", "partial_success"]).find_map(of)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;
    use reqwest::header::{CONTENT_TYPE, HeaderMap};

    use super::*;

    fn reply(content_type: &str, body: &[u8]) -> Reply {
        let mut headers = HeaderMap::new();
        if !content_type.is_empty() {
            headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        }
        Reply { status: StatusCode::OK, headers, body: body.to_vec() }
    }

    fn partial(content_type: &str, body: &str, signal: Signal) -> Option<(i64, String)> {
        let partial = partial_success(&reply(content_type, body.as_bytes()), signal)?;
        Some((partial.rejected, partial.error_message))
    }

    #[test]
    fn partial_success_in_json_is_read_for_every_signal() {
        let names = [
            (Signal::Traces, "rejectedSpans", "rejected_spans"),
            (Signal::Metrics, "rejectedDataPoints", "rejected_data_points"),
            (Signal::Logs, "rejectedLogRecords", "rejected_log_records"),
        ];
        for (signal, camel, snake) in names {
            let bodies = [
                format!(r#"{{"partialSuccess":{{"{camel}":"2","errorMessage":"too old"}}}}"#),
                format!(r#"{{"partialSuccess":{{"{camel}":2,"errorMessage":"too old"}},"more":[]}}"#),
                format!(r#"{{"partial_success":{{"{snake}":"2","error_message":"too old"}}}}"#),
                format!(r#"{{"partialSuccess":{{"{camel}":null,"{snake}":2.0,"error_message":"too old"}}}}"#),
                format!("\n {{\"partialSuccess\": {{\"{camel}\": \"2e0\", \"errorMessage\": \"too old\"}}}}"),
            ];
            for (body, content_type) in bodies.iter().zip([
                "application/json",
                "Application/JSON; charset=utf-8",
                "text/json",
                "application/vnd.otlp+json",
                "",
            ]) {
                let expected = Some((2, "too old".to_owned()));
                assert_eq!(partial(content_type, body, signal), expected, "{content_type} {body}");
            }
        }
    }

    #[test]
    fn counts_that_no_receiver_can_mean_are_bounded() {
        let rejected = |count: &str| {
            let body = format!(r#"{{"partialSuccess":{{"rejectedSpans":{count}}}}}"#);
            partial("application/json", &body, Signal::Traces).map(|(rejected, _)| rejected)
        };
        for (count, expected) in [
            ("0", 0),
            ("-3", -3),
            ("\"-3\"", -3),
            ("\" 7 \"", 7),
            ("9223372036854775807", i64::MAX),
            ("\"99999999999999999999\"", i64::MAX),
            ("99999999999999999999", i64::MAX),
            ("1e300", i64::MAX),
            ("\"NaN\"", 0),
            ("\"many\"", 0),
            ("[2]", 0),
            ("true", 0),
        ] {
            assert_eq!(rejected(count), Some(expected), "{count}");
        }
    }

    #[test]
    fn what_says_nothing_of_rejected_items_is_no_partial_success() {
        for body in
            ["{}", "null", "[]", "{\"partialSuccess\":null}", "{", "", "not json", "{\"rejectedSpans\":2}"]
        {
            assert_eq!(partial("application/json", body, Signal::Traces), None, "{body}");
        }
        let other = r#"{"partialSuccess":{"rejectedLogRecords":"2"}}"#;
        assert_eq!(partial("application/json", other, Signal::Traces), Some((0, String::new())));
    }

    #[test]
    fn protobuf_is_read_whatever_the_answer_calls_itself() {
        let success = PartialSuccess { rejected: 2, error_message: "too old".to_owned() };
        let body = Response { partial_success: Some(success.clone()) }.encode_to_vec();
        for content_type in ["application/x-protobuf", "", "application/json"] {
            let read = partial_success(&reply(content_type, &body), Signal::Logs);
            assert_eq!(read, Some(success.clone()), "{content_type}");
        }
    }

    #[test]
    fn the_words_of_a_refusal_are_found() {
        for (body, expected) in [
            (r#"{"code":3,"message":"unknown field","details":[]}"#, "unknown field"),
            (r#"{"error":"no such stream"}"#, "no such stream"),
            (r#"{"error":{"type":"x","message":"no such stream"}}"#, "no such stream"),
            (r#"{"errors":[{"message":"first"},{"message":"second"}]}"#, "first"),
            (r#"{"detail":"not here"}"#, "not here"),
            (r#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"too old"}}"#, "too old"),
            (r#"{"message":"","error":"said here"}"#, "said here"),
            (r#"{"code":401}"#, r#"{"code":401}"#),
            ("plain words", "plain words"),
        ] {
            assert_eq!(refusal(&reply("application/json", body.as_bytes())), expected, "{body}");
        }
        let status = RpcStatus { code: 3, message: "unknown field".to_owned() }.encode_to_vec();
        assert_eq!(refusal(&reply("application/x-protobuf", &status)), "unknown field");
        assert_eq!(refusal(&reply("text/plain", b"as it is")), "as it is");
    }
}
