//! The shapes of the collector's file. Every field may be absent, because the encoding leaves defaults out.

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Map, Number, Value};

use super::{Attributes, Span, SpanKind, Status};

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Request {
    resource_spans: Vec<ResourceSpans>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ResourceSpans {
    resource: Resource,
    scope_spans: Vec<ScopeSpans>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resource {
    attributes: Vec<KeyValue>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct ScopeSpans {
    scope: Scope,
    spans: Vec<WireSpan>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Scope {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct WireSpan {
    trace_id: String,
    span_id: String,
    parent_span_id: String,
    name: String,
    kind: u8,
    start_time_unix_nano: Value,
    end_time_unix_nano: Value,
    attributes: Vec<KeyValue>,
    events: Vec<Event>,
    links: Vec<Link>,
    status: WireStatus,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Event {
    name: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Link {
    trace_id: String,
    span_id: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct WireStatus {
    code: u8,
    message: String,
}

#[derive(Deserialize)]
struct KeyValue {
    key: String,
    #[serde(default)]
    value: Map<String, Value>,
}

impl Request {
    pub(super) fn into_spans(self) -> Result<Vec<Span>> {
        let mut spans = Vec::new();
        for resource_spans in self.resource_spans {
            let resource = attributes(resource_spans.resource.attributes)?;
            for scope_spans in resource_spans.scope_spans {
                for span in scope_spans.spans {
                    spans.push(span.into_span(&resource, &scope_spans.scope.name)?);
                }
            }
        }
        Ok(spans)
    }
}

impl WireSpan {
    fn into_span(self, resource: &Attributes, scope: &str) -> Result<Span> {
        Ok(Span {
            kind: kind(self.kind)?,
            start_ns: unsigned(&self.start_time_unix_nano)?,
            end_ns: unsigned(&self.end_time_unix_nano)?,
            status: status(self.status.code)?,
            status_message: self.status.message,
            attributes: attributes(self.attributes)?,
            events: self.events.into_iter().map(|event| event.name).collect(),
            links: self.links.into_iter().map(|link| (link.trace_id, link.span_id)).collect(),
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent_id: Some(self.parent_span_id).filter(|id| !id.is_empty()),
            name: self.name,
            resource: resource.clone(),
            scope: scope.to_owned(),
        })
    }
}

fn kind(number: u8) -> Result<SpanKind> {
    Ok(match number {
        0 => SpanKind::Unspecified,
        1 => SpanKind::Internal,
        2 => SpanKind::Server,
        3 => SpanKind::Client,
        4 => SpanKind::Producer,
        5 => SpanKind::Consumer,
        other => bail!("{other} is no span kind"),
    })
}

fn status(number: u8) -> Result<Status> {
    Ok(match number {
        0 => Status::Unset,
        1 => Status::Ok,
        2 => Status::Error,
        other => bail!("{other} is no status code"),
    })
}

fn attributes(pairs: Vec<KeyValue>) -> Result<Attributes> {
    let decode = |pair: KeyValue| Ok((pair.key, value(&pair.value)?));
    pairs.into_iter().map(decode).collect()
}

/// An `AnyValue`: an object with one member that names the type.
fn value(any: &Map<String, Value>) -> Result<Value> {
    let Some((kind, inner)) = any.iter().next() else {
        return Ok(Value::Null);
    };
    match kind.as_str() {
        "stringValue" | "boolValue" | "bytesValue" => Ok(inner.clone()),
        "intValue" => Ok(signed(inner)?.into()),
        "doubleValue" => Ok(double(inner)),
        "arrayValue" => {
            elements(inner).map(|it| value(members(it)?)).collect::<Result<_>>().map(Value::Array)
        }
        "kvlistValue" => elements(inner).map(pair).collect::<Result<_>>().map(Value::Object),
        other => bail!("{other} is no type of an attribute value"),
    }
}

fn elements(list: &Value) -> impl Iterator<Item = &Value> {
    list["values"].as_array().into_iter().flatten()
}

fn members(value: &Value) -> Result<&Map<String, Value>> {
    value.as_object().with_context(|| format!("{value} is no attribute value"))
}

/// Key and value of an attribute.
pub(crate) fn pair(entry: &Value) -> Result<(String, Value)> {
    let key = entry["key"].as_str().with_context(|| format!("{entry} has no key"))?;
    Ok((key.to_owned(), value(members(&entry["value"])?)?))
}

fn signed(value: &Value) -> Result<i64> {
    let number = value.as_str().map_or_else(|| value.as_i64(), |text| text.parse().ok());
    number.with_context(|| format!("{value} is no integer"))
}

fn unsigned(value: &Value) -> Result<u64> {
    let number = value.as_str().map_or_else(|| value.as_u64(), |text| text.parse().ok());
    number.with_context(|| format!("{value} is no time"))
}

/// A whole double is written without a fraction, and must not become an int. `"NaN"` and the infinities, which are no
/// JSON numbers, stay strings.
fn double(value: &Value) -> Value {
    let number = value.as_f64().and_then(Number::from_f64);
    number.map_or_else(|| value.clone(), Value::Number)
}
