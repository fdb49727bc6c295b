//! The seam to OTLP's log messages: the only file that names them.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Wire;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use tracing::Level;

use crate::telemetry::attributes::Value;

/// The weight of a record in the queue besides its texts.
const RECORD_BYTES: usize = 256;

/// One event of the log.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Record {
    pub(super) time: SystemTime,
    pub(super) level: Level,
    /// The module that logged; becomes the scope.
    pub(super) target: String,
    pub(super) body: String,
    pub(super) attributes: Vec<(&'static str, Value)>,
    /// 0: none.
    pub(super) trace_id: u128,
    /// 0: none.
    pub(super) span_id: u64,
}

/// The body of a request with these records.
pub(super) fn request(records: Vec<Record>, resource: &[(String, String)]) -> Vec<u8> {
    let mut scopes: BTreeMap<String, Vec<LogRecord>> = BTreeMap::new();
    for mut record in records {
        let target = std::mem::take(&mut record.target);
        scopes.entry(target).or_default().push(record.into());
    }
    let scope = |name| InstrumentationScope { name, ..InstrumentationScope::default() };
    let scopes = scopes.into_iter().map(|(target, log_records)| ScopeLogs {
        scope: Some(scope(target)),
        log_records,
        schema_url: String::new(),
    });
    let attributes = resource.iter().map(|(key, value)| pair(key, Value::Text(value.clone()))).collect();
    let resource = Resource { attributes, ..Resource::default() };
    let logs =
        ResourceLogs { resource: Some(resource), scope_logs: scopes.collect(), schema_url: String::new() };
    ExportLogsServiceRequest { resource_logs: vec![logs] }.encode_to_vec()
}

// === impl Record ===

impl Record {
    /// About the number of bytes that it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        let texts = self.attributes.iter().map(|(_, value)| match value {
            Value::Text(text) => text.len(),
            _ => 0,
        });
        RECORD_BYTES + self.body.len() + texts.sum::<usize>()
    }
}

impl From<Record> for LogRecord {
    fn from(record: Record) -> Self {
        let since_1970 = record.time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let time = u64::try_from(since_1970.as_nanos()).unwrap_or(u64::MAX);
        let attributes = record.attributes.into_iter().map(|(key, value)| pair(key, value));
        Self {
            time_unix_nano: time,
            observed_time_unix_nano: time,
            severity_number: severity(record.level).into(),
            severity_text: record.level.as_str().to_owned(),
            body: Some(AnyValue { value: Some(Wire::StringValue(record.body)) }),
            attributes: attributes.collect(),
            // Ids of zeros are invalid; none are left out.
            trace_id: id(&record.trace_id.to_be_bytes()),
            span_id: id(&record.span_id.to_be_bytes()),
            ..Self::default()
        }
    }
}

fn id(bytes: &[u8]) -> Vec<u8> {
    if bytes.iter().all(|byte| *byte == 0) { Vec::new() } else { bytes.to_vec() }
}

fn severity(level: Level) -> SeverityNumber {
    match level {
        Level::ERROR => SeverityNumber::Error,
        Level::WARN => SeverityNumber::Warn,
        Level::INFO => SeverityNumber::Info,
        Level::DEBUG => SeverityNumber::Debug,
        Level::TRACE => SeverityNumber::Trace,
    }
}

fn pair(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(any(value)), ..KeyValue::default() }
}

fn any(value: Value) -> AnyValue {
    let value = match value {
        Value::Text(text) => Wire::StringValue(text),
        Value::Int(number) => Wire::IntValue(number),
        Value::Double(number) => Wire::DoubleValue(number),
        Value::Bool(value) => Wire::BoolValue(value),
        Value::Texts(texts) => {
            let values = texts.into_iter().map(|text| any(Value::Text(text))).collect();
            Wire::ArrayValue(ArrayValue { values })
        }
    };
    AnyValue { value: Some(value) }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::telemetry::signals) fn record(body: &str) -> Record {
        Record {
            time: UNIX_EPOCH,
            level: Level::WARN,
            target: "voiced::session".to_owned(),
            body: body.to_owned(),
            attributes: vec![("turn", Value::Int(3))],
            trace_id: 0,
            span_id: 0,
        }
    }

    #[test]
    fn ids_are_bytes_and_are_left_out_when_there_are_none() {
        let traced = Record { trace_id: 0x4bf9, span_id: 0xb7, ..record("traced") };
        let body =
            request(vec![traced, record("untraced")], &[("service.name".to_owned(), "test".to_owned())]);
        let sent = ExportLogsServiceRequest::decode(body.as_slice()).unwrap();
        let scope = &sent.resource_logs[0].scope_logs[0];
        assert_eq!(scope.scope.as_ref().unwrap().name, "voiced::session");
        let [traced, untraced] = scope.log_records.as_slice() else { panic!("{scope:?}") };
        assert_eq!(traced.trace_id[14..], [0x4b, 0xf9]);
        assert_eq!((traced.trace_id.len(), traced.span_id.len(), traced.span_id[7]), (16, 8, 0xb7));
        assert!(untraced.trace_id.is_empty() && untraced.span_id.is_empty());
        assert_eq!((traced.severity_number, traced.severity_text.as_str()), (13, "WARN"));
    }
}
