//! The log as records for OTLP: the same events and fields that stderr gets, at INFO and above.
//!
//! The ids of a record are the fields `trace_id` and `span_id` of its event, because nothing here has a thread-local
//! "current" trace. Lines that the export itself causes are left out, or it would export its own words for ever.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use bounded::text::within_bytes;
use conversation::Secrets;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record as Recorded};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer};
use tracing_subscriber::registry::LookupSpan;

use super::queue::LogQueue;
use super::records::Record;
use crate::telemetry::attributes::Value;

/// How the targets of OpenTelemetry's crates begin, whose words about themselves go into no log.
const SDK: &str = "opentelemetry";
/// A longer text is cut. Bytes.
const MAX_TEXT: usize = 16 << 10;

/// Queues log events.
pub struct LogLayer {
    queue: LogQueue,
    secrets: Secrets,
}

/// Fields as they were written.
#[derive(Clone, Debug, Default)]
struct Fields {
    message: String,
    /// The module, where the crate `log` was used.
    target: Option<String>,
    trace_id: u128,
    span_id: u64,
    others: Vec<(&'static str, Value)>,
}

// === impl LogQueue ===

impl LogQueue {
    /// The layer that puts the process's log into this queue, without the secrets that a library may have logged.
    pub fn layer(&self, secrets: Secrets) -> LogLayer {
        LogLayer { queue: self.clone(), secrets }
    }
}

// === impl LogLayer ===

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Recorded<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let level = *event.metadata().level();
        if level > Level::INFO || otlp_spool::is_exporting() {
            return;
        }
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(of_span) = span.extensions().get::<Fields>() {
                of_span.others.iter().for_each(|(key, value)| fields.set(key, value.clone()));
            }
        }
        event.record(&mut fields);
        let target = fields.target.take().unwrap_or_else(|| event.metadata().target().to_owned());
        if !target.starts_with(SDK) {
            self.queue.push(fields.record(level, target, &self.secrets));
        }
    }
}

// === impl Fields ===

impl Fields {
    fn record(self, level: Level, target: String, secrets: &Secrets) -> Record {
        let safe = |(key, value)| match value {
            Value::Text(text) => (key, Value::Text(cut(secrets.taken_out(&text)))),
            other => (key, other),
        };
        Record {
            time: SystemTime::now(),
            level,
            target,
            body: cut(secrets.taken_out(&self.message)),
            attributes: self.others.into_iter().map(safe).collect(),
            trace_id: self.trace_id,
            span_id: self.span_id,
        }
    }

    /// The innermost value of a key counts.
    fn set(&mut self, key: &'static str, value: Value) {
        match self.others.iter_mut().find(|(known, _)| *known == key) {
            Some((_, known)) => *known = value,
            None => self.others.push((key, value)),
        }
    }

    fn text(&mut self, field: &Field, text: String) {
        match field.name() {
            "message" => self.message = text,
            "log.target" => self.target = Some(text),
            "log.module_path" | "log.file" | "log.line" => {}
            "trace_id" if let Some(id) = hex(&text, 32) => self.trace_id = id,
            "span_id" if let Some(id) = hex(&text, 16).and_then(|id| u64::try_from(id).ok()) => {
                self.span_id = id
            }
            name => self.set(name, Value::Text(text)),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.text(field, format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.text(field, value.to_owned());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), Value::Bool(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), Value::Double(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), Value::Int(value));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() != "log.line" {
            self.set(field.name(), value.into());
        }
    }

    /// Durations in milliseconds come in this type; OTLP has no number as long.
    fn record_u128(&mut self, field: &Field, value: u128) {
        self.set(field.name(), u64::try_from(value).unwrap_or(u64::MAX).into());
    }
}

/// Exactly `digits` hexadecimal digits, not all zero.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let well_formed = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = well_formed.then(|| u128::from_str_radix(text, 16).ok()).flatten()?;
    (id != 0).then_some(id)
}

fn cut(text: Cow<'_, str>) -> String {
    match within_bytes(&text, MAX_TEXT) {
        start if start.len() < text.len() => format!("{start}…"),
        _ => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use tracing::{debug, error, info, info_span, warn};
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;
    use conversation::Secret;

    /// The records that `speak` puts into the queue.
    fn logged(speak: impl FnOnce()) -> Vec<Record> {
        let queue = LogQueue::default();
        let secrets = [Secret::new("hush-hush-hush")].into_iter().collect();
        let subscriber = tracing_subscriber::registry().with(queue.layer(secrets));
        tracing::subscriber::with_default(subscriber, speak);
        queue.close();
        std::iter::from_fn(|| queue.next_batch()).flat_map(|batch| batch.records).collect()
    }

    fn attribute<'a>(record: &'a Record, key: &str) -> Option<&'a Value> {
        record.attributes.iter().find(|(known, _)| *known == key).map(|(_, value)| value)
    }

    #[test]
    fn a_record_has_message_level_fields_and_those_of_its_spans() {
        let records = logged(|| {
            let span = info_span!("session", room = "demo", session = tracing::field::Empty).entered();
            span.record("session", "RM_1");
            info!(turn = 3, total_ms = 20_u128, estimated = true, room = "inner", "turn answered");
        });
        let [record] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((record.body.as_str(), record.level), ("turn answered", Level::INFO));
        assert_eq!(record.target, module_path!());
        assert_eq!(attribute(record, "turn"), Some(&Value::Int(3)));
        assert_eq!(attribute(record, "total_ms"), Some(&Value::Int(20)));
        assert_eq!(attribute(record, "estimated"), Some(&Value::Bool(true)));
        assert_eq!(attribute(record, "session"), Some(&Value::Text("RM_1".to_owned())));
        assert_eq!(attribute(record, "room"), Some(&Value::Text("inner".to_owned())), "the event's own wins");
        assert_eq!((record.trace_id, record.span_id), (0, 0));
    }

    #[test]
    fn ids_become_the_records_own_and_no_attributes() {
        let trace_id = "4bf92f3577b34da6a3ce929d0e0e4736";
        let records = logged(|| {
            error!(trace_id, span_id = %"00f067aa0ba902b7", "turn failed");
            error!(trace_id = "not an id", "another");
        });
        assert_eq!(records[0].trace_id, 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
        assert_eq!(records[0].span_id, 0x00f0_67aa_0ba9_02b7);
        assert_eq!(records[0].attributes, []);
        assert_eq!(records[1].trace_id, 0);
        assert_eq!(attribute(&records[1], "trace_id"), Some(&Value::Text("not an id".to_owned())));
    }

    #[test]
    fn what_the_export_causes_and_what_is_below_info_stays_out() {
        let records = logged(|| {
            debug!("too quiet");
            warn!(target: "opentelemetry_sdk", "a logger has no name");
            let exporting = otlp_spool::mark_exporting();
            warn!(target: "hyper::client", "closed");
            error!("export of logs: refused");
            drop(exporting);
            warn!(target: "log", { log.target = "hyper_util::client" }, "by way of the crate log");
        });
        let said: Vec<_> =
            records.iter().map(|record| (record.target.as_str(), record.body.as_str())).collect();
        assert_eq!(said, [("hyper_util::client", "by way of the crate log")]);
    }

    #[test]
    fn secrets_are_taken_out_of_message_and_fields() {
        let records = logged(|| {
            let _span = info_span!("session", room = "hush-hush-hush").entered();
            warn!(target: "library", key = "hush-hush-hush", "sent hush-hush-hush");
        });
        assert_eq!(records[0].body, "sent [secret]");
        for key in ["key", "room"] {
            assert_eq!(attribute(&records[0], key), Some(&Value::Text("[secret]".to_owned())));
        }
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let records = logged(|| info!("{}", "ü".repeat(MAX_TEXT)));
        assert!(records[0].body.len() <= MAX_TEXT + '…'.len_utf8() && records[0].body.ends_with('…'));
    }
}
