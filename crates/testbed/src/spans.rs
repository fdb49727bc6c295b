//! Spans as the collector's file exporter writes them: OTLP/JSON, one export request a line.
//!
//! The encoding is the OTLP specification's: ids are hexadecimal, 64-bit integers are strings, enums are numbers.

pub(crate) mod wire;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

/// Attributes by key. An int stays an integer and a double a float: `json!(3)` and `json!(3.0)` are different values.
pub type Attributes = BTreeMap<String, Value>;

/// One span, with the fields of its resource and scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// 32 hexadecimal digits.
    pub trace_id: String,
    /// 16 hexadecimal digits.
    pub span_id: String,
    /// The parent's span id; a root has none.
    pub parent_id: Option<String>,
    pub name: String,
    pub kind: SpanKind,
    /// Nanoseconds since the Unix epoch.
    pub start_ns: u64,
    /// Nanoseconds since the Unix epoch.
    pub end_ns: u64,
    pub status: Status,
    /// The description that goes with an error.
    pub status_message: String,
    pub attributes: Attributes,
    /// The names of the span's events.
    pub events: Vec<String>,
    /// The trace and span ids that the span links to.
    pub links: Vec<(String, String)>,
    /// The attributes of the resource: `service.name` and the like.
    pub resource: Attributes,
    /// The name of the instrumentation scope.
    pub scope: String,
}

/// The side of a call that a span describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanKind {
    Unspecified,
    Internal,
    Server,
    Client,
    Producer,
    Consumer,
}

/// How the work of a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Unset,
    Ok,
    Error,
}

impl Span {
    /// Zero when the clock went backwards.
    pub fn duration(&self) -> Duration {
        Duration::from_nanos(self.end_ns.saturating_sub(self.start_ns))
    }

    pub fn attribute(&self, key: &str) -> Option<&Value> {
        self.attributes.get(key)
    }

    /// An attribute that is a string.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.attribute(key)?.as_str()
    }

    /// An attribute that is an int, not a double.
    pub fn int(&self, key: &str) -> Option<i64> {
        self.attribute(key)?.as_i64()
    }

    /// An attribute that is a double, not an int.
    pub fn double(&self, key: &str) -> Option<f64> {
        self.attribute(key).filter(|value| value.is_f64())?.as_f64()
    }
}

/// Decodes the collector's file. The text after the last newline is still being written and is left out.
pub fn decode(file: &[u8]) -> Result<Vec<Span>> {
    let text = complete_lines(file)?;
    let mut spans = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let request = serde_json::from_str::<wire::Request>(line)
            .map_err(anyhow::Error::from)
            .and_then(wire::Request::into_spans)
            .with_context(|| format!("line {} of the collector's file", index + 1))?;
        spans.extend(request);
    }
    Ok(spans)
}

/// The text without the line that is still being written.
pub(crate) fn complete_lines(file: &[u8]) -> Result<&str> {
    let complete = file.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    std::str::from_utf8(&file[..complete]).context("the collector's file is not UTF-8")
}

/// Groups spans by trace. The spans of a trace are ordered by their start, the traces by the start of their first span.
pub fn by_trace(spans: &[Span]) -> Vec<Vec<Span>> {
    let mut traces: BTreeMap<&str, Vec<Span>> = BTreeMap::new();
    for span in spans {
        traces.entry(&span.trace_id).or_default().push(span.clone());
    }
    let mut traces: Vec<Vec<Span>> = traces.into_values().collect();
    for trace in &mut traces {
        trace.sort_by_key(|span| span.start_ns);
    }
    traces.sort_by_key(|trace| trace[0].start_ns);
    traces
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn span(fields: Value) -> Value {
        let mut span = json!({
            "traceId": "4bf92f3577b34da6a3ce929d0e0e4736", "spanId": "00f067aa0ba902b7", "parentSpanId": "", "name": "turn",
            "kind": 1, "startTimeUnixNano": "1000", "endTimeUnixNano": "3500", "status": {}
        });
        let members = span.as_object_mut().unwrap();
        members.extend(fields.as_object().unwrap().clone());
        span
    }

    fn file(spans: Value) -> Vec<u8> {
        let request = json!({"resourceSpans": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "voiced"}}]},
            "scopeSpans": [{"scope": {"name": "voiced.turn"}, "spans": spans}]
        }]});
        format!("{request}\n").into_bytes()
    }

    #[test]
    fn a_span_comes_with_its_resource_and_scope() {
        let spans =
            decode(&file(json!([span(json!({"kind": 3, "parentSpanId": "b7ad6b7169203331"}))]))).unwrap();
        let [span] = spans.as_slice() else { panic!("one span, not {}", spans.len()) };
        assert_eq!(span.resource["service.name"], "voiced");
        assert_eq!(span.scope, "voiced.turn");
        assert_eq!(span.kind, SpanKind::Client);
        assert_eq!(span.parent_id.as_deref(), Some("b7ad6b7169203331"));
        assert_eq!(span.duration(), Duration::from_nanos(2500));
    }

    #[test]
    fn attribute_values_keep_their_types() {
        let attributes = json!([
            {"key": "text", "value": {"stringValue": "7"}},
            {"key": "int", "value": {"intValue": "7"}},
            {"key": "double", "value": {"doubleValue": 7}},
            {"key": "bool", "value": {"boolValue": false}},
            {"key": "list", "value": {"arrayValue": {"values": [{"stringValue": "stop"}, {"intValue": "2"}]}}},
            {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": true}}]}}},
            {"key": "none", "value": {}},
            {"key": "nan", "value": {"doubleValue": "NaN"}},
        ]);
        let spans = decode(&file(json!([span(json!({"attributes": attributes}))]))).unwrap();
        let span = &spans[0];
        assert_eq!((span.text("text"), span.int("text")), (Some("7"), None));
        assert_eq!((span.int("int"), span.double("int")), (Some(7), None));
        assert_eq!((span.int("double"), span.double("double")), (None, Some(7.0)));
        assert_eq!(span.attribute("bool"), Some(&json!(false)));
        assert_eq!(span.attribute("list"), Some(&json!(["stop", 2])));
        assert_eq!(span.attribute("map"), Some(&json!({"k": true})));
        assert_eq!(span.attribute("none"), Some(&Value::Null));
        assert_eq!(span.attribute("nan"), Some(&json!("NaN")));
        assert_eq!(span.attribute("absent"), None);
    }

    #[test]
    fn status_events_and_links_are_read() {
        let spans = decode(&file(json!([
            span(json!({"status": {"code": 1}})),
            span(json!({"status": {"code": 2, "message": "429 Too Many Requests"}})),
            span(json!({"events": [{"name": "retry"}], "links": [{"traceId": "a", "spanId": "b"}]})),
        ])))
        .unwrap();
        assert_eq!(spans[0].status, Status::Ok);
        assert_eq!(
            (spans[1].status, spans[1].status_message.as_str()),
            (Status::Error, "429 Too Many Requests")
        );
        assert_eq!(spans[2].status, Status::Unset);
        assert_eq!(spans[2].events, ["retry"]);
        assert_eq!(spans[2].links, [("a".to_owned(), "b".to_owned())]);
    }

    #[test]
    fn a_line_that_is_still_being_written_is_left_out() {
        let mut text = file(json!([span(json!({}))]));
        text.extend_from_slice(br#"{"resourceSpans":[{"resou"#);
        assert_eq!(decode(&text).unwrap().len(), 1);
        assert!(decode(b"").unwrap().is_empty());
    }

    #[test]
    fn a_broken_line_is_named() {
        let mut text = file(json!([]));
        text.extend_from_slice(b"broken\n");
        let error = decode(&text).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error:#}");
    }

    #[test]
    fn traces_and_their_spans_are_ordered_by_start() {
        let at = |trace: &str, name: &str, start: u64| {
            span(json!({"traceId": trace, "name": name, "startTimeUnixNano": start.to_string()}))
        };
        let spans =
            decode(&file(json!([at("b", "late", 20), at("a", "other", 15), at("b", "early", 10)]))).unwrap();
        let traces = by_trace(&spans);
        let names: Vec<Vec<&str>> =
            traces.iter().map(|trace| trace.iter().map(|span| span.name.as_str()).collect()).collect();
        assert_eq!(names, [vec!["early", "late"], vec!["other"]]);
    }
}
