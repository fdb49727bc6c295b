//! Metrics and log records as the collector's file exporters write them: OTLP/JSON, one export request a line.

use anyhow::{Context, Result};
use serde_json::Value;

use crate::spans::Attributes;
use crate::spans::wire;

/// One point of one metric, with the fields of its resource and scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    pub name: String,
    pub unit: String,
    pub data: Data,
    pub attributes: Attributes,
    /// The attributes of the resource: `service.name` and the like.
    pub resource: Attributes,
}

/// The value of a point.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    Gauge(f64),
    Sum { value: f64, monotonic: bool, temporality: Temporality },
    Histogram { count: u64, sum: f64, bounds: usize, temporality: Temporality },
}

/// The moment since which a point counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Temporality {
    Unspecified,
    Delta,
    Cumulative,
}

/// One log record, with the fields of its resource and scope.
#[derive(Debug, Clone, PartialEq)]
pub struct LogRecord {
    /// Nanoseconds since the Unix epoch.
    pub time_ns: u64,
    /// 9 is INFO, 13 WARN, 17 ERROR.
    pub severity: u64,
    pub body: String,
    pub attributes: Attributes,
    /// 32 hexadecimal digits; empty when it belongs to no trace.
    pub trace_id: String,
    /// 16 hexadecimal digits, or empty.
    pub span_id: String,
    /// The name of the instrumentation scope.
    pub scope: String,
    pub resource: Attributes,
}

/// Decodes the file of metrics.
pub fn metrics(file: &[u8]) -> Result<Vec<Metric>> {
    decode(file, ["resourceMetrics", "scopeMetrics", "metrics"], |metric, _, resource| {
        points(metric, resource)
    })
}

/// Decodes the file of logs.
pub fn logs(file: &[u8]) -> Result<Vec<LogRecord>> {
    decode(file, ["resourceLogs", "scopeLogs", "logRecords"], |record, scope, resource| {
        Ok(vec![log_record(record, scope, resource)?])
    })
}

/// Walks down resources, scopes and items, whose members have these names.
fn decode<T>(
    file: &[u8],
    [resources, scopes, items]: [&str; 3],
    read: impl Fn(&Value, &str, &Attributes) -> Result<Vec<T>>,
) -> Result<Vec<T>> {
    let mut decoded = Vec::new();
    for (index, line) in crate::spans::complete_lines(file)?.lines().enumerate() {
        let request: Value = serde_json::from_str(line)
            .with_context(|| format!("line {} of the collector's file", index + 1))?;
        for resource in list(&request, resources) {
            let attributes = attributes(&resource["resource"])?;
            for scope in list(resource, scopes) {
                let name = scope["scope"]["name"].as_str().unwrap_or_default();
                for item in list(scope, items) {
                    decoded.extend(read(item, name, &attributes)?);
                }
            }
        }
    }
    Ok(decoded)
}

fn points(metric: &Value, resource: &Attributes) -> Result<Vec<Metric>> {
    let (kind, data) = ["gauge", "sum", "histogram"]
        .into_iter()
        .find_map(|kind| metric.get(kind).map(|data| (kind, data)))
        .with_context(|| format!("{metric} has no data that we know"))?;
    let temporality = match data["aggregationTemporality"].as_u64() {
        Some(1) => Temporality::Delta,
        Some(2) => Temporality::Cumulative,
        _ => Temporality::Unspecified,
    };
    let read = |point: &Value| {
        let data = match kind {
            "gauge" => Data::Gauge(value(point)?),
            "sum" => {
                let monotonic = data["isMonotonic"].as_bool().unwrap_or_default();
                Data::Sum { value: value(point)?, monotonic, temporality }
            }
            _ => Data::Histogram {
                count: unsigned(&point["count"]),
                sum: point["sum"].as_f64().unwrap_or_default(),
                bounds: list(point, "explicitBounds").count(),
                temporality,
            },
        };
        let text = |name: &str| metric[name].as_str().unwrap_or_default().to_owned();
        let resource = resource.clone();
        Ok(Metric { name: text("name"), unit: text("unit"), data, attributes: attributes(point)?, resource })
    };
    list(data, "dataPoints").map(read).collect()
}

fn log_record(record: &Value, scope: &str, resource: &Attributes) -> Result<LogRecord> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(LogRecord {
        time_ns: unsigned(&record["timeUnixNano"]),
        severity: record["severityNumber"].as_u64().unwrap_or_default(),
        body: text(&record["body"]["stringValue"]),
        attributes: attributes(record)?,
        trace_id: text(&record["traceId"]),
        span_id: text(&record["spanId"]),
        scope: scope.to_owned(),
        resource: resource.clone(),
    })
}

fn value(point: &Value) -> Result<f64> {
    match (&point["asDouble"], &point["asInt"]) {
        (Value::Number(number), _) => number.as_f64().context("a number out of range"),
        (_, Value::String(number)) => number.parse().with_context(|| format!("{number:?} is no integer")),
        _ => anyhow::bail!("{point} has no value"),
    }
}

fn unsigned(value: &Value) -> u64 {
    value.as_str().and_then(|text| text.parse().ok()).unwrap_or_default()
}

fn attributes(holder: &Value) -> Result<Attributes> {
    list(holder, "attributes").map(wire::pair).collect()
}

fn list<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn points_keep_their_kind_temporality_and_attributes() {
        let request = json!({"resourceMetrics": [{
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "voiced"}}]},
            "scopeMetrics": [{"scope": {"name": "voiced"}, "metrics": [
                {"name": "turns", "unit": "{turn}", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
                    {"asInt": "3", "attributes": [{"key": "outcome", "value": {"stringValue": "answered"}}]}]}},
                {"name": "up", "gauge": {"dataPoints": [{"asDouble": 1}]}},
                {"name": "took", "histogram": {"aggregationTemporality": 1, "dataPoints": [
                    {"count": "2", "sum": 0.5, "bucketCounts": ["1", "1"], "explicitBounds": [0.1]}]}},
            ]}]
        }]});
        let metrics = metrics(format!("{request}\n{{\"res").as_bytes()).unwrap();
        let data: Vec<&Data> = metrics.iter().map(|metric| &metric.data).collect();
        let expected = [
            Data::Sum { value: 3.0, monotonic: true, temporality: Temporality::Cumulative },
            Data::Gauge(1.0),
            Data::Histogram { count: 2, sum: 0.5, bounds: 1, temporality: Temporality::Delta },
        ];
        assert_eq!(data, expected.iter().collect::<Vec<_>>());
        assert_eq!(
            (metrics[0].unit.as_str(), metrics[0].attributes["outcome"].as_str()),
            ("{turn}", Some("answered"))
        );
        assert_eq!(metrics[2].resource["service.name"], "voiced");
    }

    #[test]
    fn a_log_record_has_its_ids() {
        let request = json!({"resourceLogs": [{"scopeLogs": [{"scope": {"name": "voiced::session"}, "logRecords": [
            {"timeUnixNano": "5", "severityNumber": 9, "body": {"stringValue": "hello"}, "traceId": "4bf9", "spanId": "b7",
             "attributes": [{"key": "turn", "value": {"intValue": "3"}}]}]}]}]});
        let logs = logs(format!("{request}\n").as_bytes()).unwrap();
        assert_eq!((logs[0].time_ns, logs[0].severity, logs[0].body.as_str()), (5, 9, "hello"));
        assert_eq!((logs[0].trace_id.as_str(), logs[0].span_id.as_str()), ("4bf9", "b7"));
        assert_eq!((logs[0].scope.as_str(), &logs[0].attributes["turn"]), ("voiced::session", &json!(3)));
    }
}
