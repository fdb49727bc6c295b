//! The seam to `opentelemetry-otlp`: its exporters turn telemetry into OTLP requests, and a client of ours takes these.
//!
//! No exporter reaches the network. Where a request goes, with which headers and when again, is decided where it is
//! sent ([`Post`](crate::Post)), so headers that an exporter reads from variables of the environment change nothing. The
//! crate's features for compression and for its own log are off: it would obey further variables, and would call an
//! export lost that only waits.

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::mpsc;
use std::task::{Context as Task, Waker};
use std::time::Duration;

use opentelemetry::{Context, ContextGuard, InstrumentationScope};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    LogExporter, MetricExporter, Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter as _, SdkLogRecord};
use opentelemetry_sdk::metrics::Temporality;
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::exporter::PushMetricExporter;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};

use crate::{Signal, StartError};

/// An exporter wants an address, and would read one from the environment.
const NOWHERE: &str = "http://localhost/";

/// The bytes of a request.
pub type RequestBody = Bytes;

/// Turns each span into a request of its own, for a function.
#[derive(Debug)]
pub(crate) struct Spans(SpanExporter);

/// Makes requests of metrics.
#[derive(Debug)]
pub struct MetricsEncoder {
    exporter: MetricExporter,
    bodies: mpsc::Receiver<Bytes>,
}

/// Makes requests of log records.
#[derive(Debug)]
pub struct LogsEncoder {
    exporter: LogExporter,
    bodies: mpsc::Receiver<Bytes>,
}

/// The client: it hands the body of each request to a function, and says that it was received.
struct Handing<F>(F);

/// Marks the log lines of this thread as caused by an export, until the mark is dropped: exported, each would cause
/// further ones.
pub fn mark_exporting() -> ContextGuard {
    Context::enter_telemetry_suppressed_scope()
}

/// Whether an export causes what this thread does now.
pub fn is_exporting() -> bool {
    Context::is_current_telemetry_suppressed()
}

// === impl Spans ===

impl Spans {
    pub(crate) fn new(take: impl Fn(Bytes) + Send + Sync + 'static) -> Result<Self, StartError> {
        let builder = handing(SpanExporter::builder().with_http(), take);
        let exporter = builder.build().map_err(|error| failed(Signal::Traces, &error))?;
        Ok(Self(exporter))
    }

    pub(crate) fn export(&self, span: SpanData) {
        complete(self.0.export(vec![span]));
    }
}

// === impl MetricsEncoder ===

impl MetricsEncoder {
    /// # Errors
    ///
    /// When the exporter cannot be made.
    pub fn new() -> Result<Self, StartError> {
        let (taken, bodies) = mpsc::sync_channel(1);
        let builder = handing(MetricExporter::builder().with_http(), move |body| drop(taken.try_send(body)));
        // Readers decide on temporality. It is set because the exporter would read it from the environment.
        let builder = builder.with_temporality(Temporality::Cumulative);
        let exporter = builder.build().map_err(|error| failed(Signal::Metrics, &error))?;
        Ok(Self { exporter, bodies })
    }

    /// The body of a request with these metrics.
    pub fn encode(&self, metrics: &ResourceMetrics) -> RequestBody {
        complete(self.exporter.export(metrics));
        self.bodies.try_recv().unwrap_or_default()
    }
}

// === impl LogsEncoder ===

impl LogsEncoder {
    /// # Errors
    ///
    /// When the exporter cannot be made.
    pub fn new(resource: &Resource) -> Result<Self, StartError> {
        let (taken, bodies) = mpsc::sync_channel(1);
        let builder = handing(LogExporter::builder().with_http(), move |body| drop(taken.try_send(body)));
        let mut exporter = builder.build().map_err(|error| failed(Signal::Logs, &error))?;
        exporter.set_resource(resource);
        Ok(Self { exporter, bodies })
    }

    /// The body of a request with these records.
    pub fn encode(&self, records: &[SdkLogRecord]) -> RequestBody {
        let scope = InstrumentationScope::default();
        let records: Vec<_> = records.iter().map(|record| (record, &scope)).collect();
        complete(self.exporter.export(LogBatch::new(&records)));
        self.bodies.try_recv().unwrap_or_default()
    }
}

// === how exporters are made and driven ===

fn handing<B>(builder: B, take: impl Fn(Bytes) + Send + Sync + 'static) -> B
where
    B: WithExportConfig + WithHttpConfig,
{
    builder
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(NOWHERE)
        .with_timeout(Duration::MAX)
        .with_retry_policy(RetryPolicy::disabled())
        .with_max_request_body_size(usize::MAX)
        .with_http_client(Handing(take))
}

/// Our client is ready at once, so one look ends an export, on any thread. It cannot fail: a request of any size is
/// taken.
fn complete(export: impl Future<Output = OTelSdkResult>) {
    let ended = pin!(export).as_mut().poll(&mut Task::from_waker(Waker::noop()));
    debug_assert!(ended.map(|ended| ended.is_ok()) == std::task::Poll::Ready(true));
}

fn failed(signal: Signal, error: &impl ToString) -> StartError {
    StartError::Exporter { signal: signal.name(), reason: error.to_string() }
}

// === impl Handing ===

impl<F> fmt::Debug for Handing<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handing")
    }
}

#[async_trait::async_trait]
impl<F: Fn(Bytes) + Send + Sync> HttpClient for Handing<F> {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        (self.0)(request.into_body());
        // An empty answer is one of full success.
        Ok(Response::new(Bytes::new()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::KeyValue;
    use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider};
    use opentelemetry::trace::{Span as _, Tracer, TracerProvider};
    use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
    use opentelemetry_proto::tonic::trace::v1::Span;
    use opentelemetry_sdk::logs::SdkLoggerProvider;
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use prost::Message;

    use super::*;

    #[test]
    fn each_span_is_handed_on_whole_on_the_thread_that_ends_it() {
        let taken = Arc::new(Mutex::new(Vec::new()));
        let bodies = taken.clone();
        let spans = Spans::new(move |body| bodies.lock().unwrap().push(body)).unwrap();
        let provider = SdkTracerProvider::builder().build();
        let mut span = provider.tracer("shop").start("checkout");
        span.set_attribute(KeyValue::new("items", 3));
        let data = span.exported_data().unwrap();
        spans.export(data.clone());
        spans.export(data.clone());
        let bodies = taken.lock().unwrap();
        assert_eq!(bodies.len(), 2);
        let request = ExportTraceServiceRequest::decode(bodies[0].clone()).unwrap();
        assert_eq!(request.resource_spans[0].scope_spans[0].spans, [Span::from(data)]);
    }

    #[test]
    fn log_records_become_one_request_each_time() {
        let resource = Resource::builder_empty().with_service_name("shop").build();
        let logger = SdkLoggerProvider::builder().build().logger("shop");
        let record = |text: &'static str| {
            let mut record = logger.create_log_record();
            record.set_observed_timestamp(std::time::UNIX_EPOCH);
            record.set_body(AnyValue::from(text));
            record
        };
        let logs = LogsEncoder::new(&resource).unwrap();
        for text in ["one", "two"] {
            let body = logs.encode(&[record(text)]);
            let holds = |word: &str| body.windows(word.len()).any(|part| part == word.as_bytes());
            assert!(holds(text) && holds("service.name"), "{body:?}");
        }
    }

    /// Runs the tests above once more, in a process where the variables ask for something else.
    #[test]
    fn variables_of_the_environment_change_no_request() {
        let mut again = std::process::Command::new(std::env::current_exe().unwrap());
        again.args(["exporter::tests::each_span", "exporter::tests::log_records"]);
        for (name, value) in [
            ("ENDPOINT", "no address"),
            ("TRACES_ENDPOINT", "no address"),
            ("HEADERS", "authorization=Basic%20YTpi,=,x"),
            ("PROTOCOL", "http/json"),
            ("COMPRESSION", "gzip"),
            ("TRACES_COMPRESSION", "zstd"),
            ("TIMEOUT", "0"),
        ] {
            again.env(format!("OTEL_EXPORTER_OTLP_{name}"), value);
        }
        let output = again.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("2 passed"), "{said}");
    }

    #[test]
    fn the_mark_of_an_export_ends_with_its_guard() {
        assert!(!is_exporting());
        let mark = mark_exporting();
        assert!(is_exporting());
        drop(mark);
        assert!(!is_exporting());
    }
}
