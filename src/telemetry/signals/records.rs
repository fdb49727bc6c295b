//! The seam to OpenTelemetry's logs: the only file that names its crates for them.

use std::time::SystemTime;

use opentelemetry::KeyValue;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};
use otlp_spool::{LogsEncoder, RequestBody};
use tracing::Level;

use crate::telemetry::StartError;
use crate::telemetry::attributes::Value;

/// The SDK wants a name. A record's own scope is its module.
const SCOPE: &str = "voiced";
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

/// Makes the requests of one process.
#[derive(Debug)]
pub(super) struct Requests {
    /// The SDK has no other maker of records. Nothing is emitted by it.
    logger: SdkLogger,
    encoder: LogsEncoder,
}

// === impl Requests ===

impl Requests {
    pub(super) fn new(resource: Vec<(String, String)>) -> Result<Self, StartError> {
        let attributes = resource.into_iter().map(|(key, value)| KeyValue::new(key, value));
        // Neither resource has what the SDK's detectors read in variables, past the configuration.
        let resource = Resource::builder_empty().with_attributes(attributes).build();
        let provider = SdkLoggerProvider::builder().with_resource(Resource::builder_empty().build()).build();
        Ok(Self { logger: provider.logger(SCOPE), encoder: LogsEncoder::new(&resource)? })
    }

    /// The body of a request with these records.
    pub(super) fn with(&self, records: Vec<Record>) -> RequestBody {
        let records: Vec<SdkLogRecord> = records.into_iter().map(|record| self.filled(record)).collect();
        self.encoder.encode(&records)
    }

    fn filled(&self, record: Record) -> SdkLogRecord {
        let mut filled = self.logger.create_log_record();
        filled.set_timestamp(record.time);
        filled.set_observed_timestamp(record.time);
        filled.set_severity_number(severity(record.level));
        filled.set_severity_text(record.level.as_str());
        filled.set_target(record.target);
        filled.set_body(record.body.into());
        filled.add_attributes(record.attributes.into_iter().map(|(key, value)| (key, any(value))));
        if record.trace_id != 0 {
            filled.set_trace_context(record.trace_id.into(), record.span_id.into(), None);
        }
        filled
    }
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

fn severity(level: Level) -> Severity {
    match level {
        Level::ERROR => Severity::Error,
        Level::WARN => Severity::Warn,
        Level::INFO => Severity::Info,
        Level::DEBUG => Severity::Debug,
        Level::TRACE => Severity::Trace,
    }
}

fn any(value: Value) -> AnyValue {
    match value {
        Value::Text(text) => text.into(),
        Value::Int(number) => number.into(),
        Value::Double(number) => number.into(),
        Value::Bool(value) => value.into(),
        Value::Texts(texts) => texts.into_iter().collect(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::UNIX_EPOCH;

    use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value as Wire;
    use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue};
    use prost::Message;

    use super::{Level, Record, Requests, Value};

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
    fn a_request_has_resource_scope_ids_and_typed_values() {
        let values = vec![
            ("turn", Value::Int(3)),
            ("ratio", Value::Double(0.5)),
            ("estimated", Value::Bool(true)),
            ("names", Value::Texts(vec!["ada".to_owned()])),
        ];
        let traced = Record { trace_id: 0x4bf9, span_id: 0xb7, attributes: values, ..record("traced") };
        let requests = Requests::new(vec![("service.name".to_owned(), "test".to_owned())]).unwrap();
        let body = requests.with(vec![traced, record("untraced")]);
        let sent = ExportLogsServiceRequest::decode(body).unwrap().resource_logs.remove(0);
        assert_eq!(sent.resource.unwrap().attributes[0].key, "service.name");
        let [scope] = sent.scope_logs.as_slice() else { panic!("one module, one scope") };
        assert_eq!(scope.scope.as_ref().unwrap().name, "voiced::session");
        let [traced, untraced] = scope.log_records.as_slice() else { panic!("{scope:?}") };
        assert_eq!(traced.trace_id[14..], [0x4b, 0xf9]);
        assert_eq!((traced.trace_id.len(), traced.span_id.len(), traced.span_id[7]), (16, 8, 0xb7));
        assert!(untraced.trace_id.is_empty() && untraced.span_id.is_empty());
        assert_eq!((traced.severity_number, traced.severity_text.as_str()), (13, "WARN"));
        let values = traced.attributes.iter().map(|pair| pair.value.clone().unwrap().value.unwrap());
        let names =
            ArrayValue { values: vec![AnyValue { value: Some(Wire::StringValue("ada".to_owned())) }] };
        let expected =
            [Wire::IntValue(3), Wire::DoubleValue(0.5), Wire::BoolValue(true), Wire::ArrayValue(names)];
        assert_eq!(values.collect::<Vec<_>>(), expected);
    }
}
