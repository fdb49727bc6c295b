//! The seam to OpenTelemetry: the only file that names its crates.
//!
//! Spans are made with explicit parents; the thread-local "current" context is never read. The SDK's own batch
//! processor drops spans without telling how many, and the exporter hides what the receiver said, so the processor is
//! ours ([`Exporter`]) and the exporter posts through a client of ours ([`OtlpHttp`]); encoding, compression and retries
//! are OpenTelemetry's.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Compression, Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanExporter as _, SpanProcessor, TracerProviderBuilder,
};
use prost::Message;

use super::StartError;
use super::attributes::{Attribute, Value};
use super::delivery::{Delivery, Trouble};
use super::export::{Carrier, Exporter, Limits};
use super::otlp_http::OtlpHttp;
use super::recorder::{FinishedSpan, Recorder};
use super::traceparent::TraceParent;
use crate::config;

/// Not `ai`: OpenObserve would take the spans for those of Vercel's SDK.
const SCOPE: &str = "voiced";
/// The contract's longest span has about thirty.
const MAX_ATTRIBUTES: u32 = 128;
/// What a span weighs in the queue besides its texts.
const SPAN_BYTES: usize = 1024;

/// The queue of spans on their way out.
pub(super) type SpanExport = Exporter<SpanData>;

/// Makes spans. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct SpanSource {
    tracer: SdkTracer,
}

/// A span that has not ended.
#[derive(Debug)]
pub(super) struct Span {
    span: opentelemetry_sdk::trace::Span,
}

/// A span as the parent of others.
#[derive(Clone)]
pub(super) struct Parent(SpanContext);

/// Which side of a call a span describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Internal,
    Client,
}

/// Hands finished spans to the export queue.
#[derive(Debug)]
struct ToExporter(SpanExport);

/// Hands finished spans to a recorder.
#[derive(Debug)]
struct ToRecorder(Recorder);

/// Carries batches to an OTLP receiver.
struct OtlpCarrier {
    exporter: SpanExporter,
    http: Arc<OtlpHttp>,
}

/// [`OtlpHttp`] as the client of the OTLP exporter.
#[derive(Debug)]
struct OtlpClient(Arc<OtlpHttp>);

// === impl SpanSource ===

impl SpanSource {
    /// Spans get ids, for logs, and go nowhere.
    pub(super) fn silent() -> Self {
        Self::new(SdkTracerProvider::builder().with_sampler(Sampler::AlwaysOff))
    }

    /// Finished spans can be read from `recorder`.
    pub(super) fn recorded(recorder: Recorder) -> Self {
        let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
        let builder = SdkTracerProvider::builder().with_sampler(sampler);
        Self::new(builder.with_span_processor(ToRecorder(recorder)))
    }

    /// Finished spans are posted to `otlp_endpoint`.
    pub(super) fn exported(
        config: &config::Telemetry,
        url: url::Url,
        instance_id: &str,
    ) -> Result<(Self, SpanExport), StartError> {
        let resource = resource(config, instance_id);
        let (config, carried) = (config.clone(), resource.clone());
        let exporter = Exporter::start(Limits::default(), move || OtlpCarrier::new(&config, url, &carried))?;
        // A caller who decided not to sample is obeyed: half a trace is worth less than none.
        let builder = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            .with_resource(resource)
            .with_span_processor(ToExporter(exporter.clone()));
        Ok((Self::new(builder), exporter))
    }

    fn new(builder: TracerProviderBuilder) -> Self {
        let scope = InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION")).build();
        // Set here, because the SDK would read limits from variables that are no setting of ours.
        let provider = builder.with_max_attributes_per_span(MAX_ATTRIBUTES).build();
        Self { tracer: provider.tracer_with_scope(scope) }
    }

    /// Starts a trace, or joins the caller's.
    pub(super) fn root(&self, name: &'static str, caller: Option<TraceParent>, start: SystemTime) -> Span {
        let context = caller.map_or_else(Context::new, |caller| {
            let flags = TraceFlags::default().with_sampled(caller.sampled);
            let (trace, span) = (TraceId::from(caller.trace_id), SpanId::from(caller.span_id));
            let caller = SpanContext::new(trace, span, flags, true, TraceState::default());
            Context::new().with_remote_span_context(caller)
        });
        self.start(name, Kind::Internal, &context, start)
    }

    pub(super) fn child(&self, parent: &Parent, name: &'static str, kind: Kind, start: SystemTime) -> Span {
        let context = Context::new().with_remote_span_context(parent.0.clone());
        self.start(name, kind, &context, start)
    }

    fn start(&self, name: &'static str, kind: Kind, parent: &Context, start: SystemTime) -> Span {
        let mut builder = SpanBuilder::from_name(name).with_start_time(start);
        builder.span_kind = Some(match kind {
            Kind::Internal => SpanKind::Internal,
            Kind::Client => SpanKind::Client,
        });
        Span { span: self.tracer.build_with_context(builder, parent) }
    }
}

fn resource(config: &config::Telemetry, instance_id: &str) -> Resource {
    let attributes = super::resource::attributes(config, instance_id).into_iter();
    // Built empty: the SDK's detectors would read the variables once more, past the configuration.
    Resource::builder_empty()
        .with_attributes(attributes.map(|(key, value)| KeyValue::new(key, value)))
        .build()
}

// === impl Span ===

impl Span {
    /// False when nobody will see the span, so that its attributes need not be made.
    pub(super) fn is_recording(&self) -> bool {
        self.span.is_recording()
    }

    pub(super) fn set(&mut self, (key, value): Attribute) {
        self.span.set_attribute(KeyValue::new(key, otel_value(value)));
    }

    pub(super) fn parent(&self) -> Parent {
        Parent(self.span.span_context().clone())
    }

    /// Ends the span: Ok, or Error with a message.
    pub(super) fn end(mut self, outcome: Result<(), String>, end: SystemTime) {
        self.span.set_status(outcome.map_or_else(Status::error, |()| Status::Ok));
        self.span.end_with_timestamp(end);
    }
}

fn otel_value(value: Value) -> opentelemetry::Value {
    match value {
        Value::Text(text) => text.into(),
        Value::Int(number) => number.into(),
        Value::Double(number) => number.into(),
        Value::Bool(value) => value.into(),
        Value::Texts(texts) => {
            let texts = texts.into_iter().map(StringValue::from).collect();
            opentelemetry::Value::Array(Array::String(texts))
        }
    }
}

// === impl Parent ===

impl Parent {
    /// 32 hexadecimal digits.
    pub(super) fn trace_id(&self) -> String {
        self.0.trace_id().to_string()
    }

    /// 16 hexadecimal digits.
    pub(super) fn span_id(&self) -> String {
        self.0.span_id().to_string()
    }
}

impl fmt::Debug for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.0.trace_id(), self.0.span_id())
    }
}

// === impl ToExporter ===

impl SpanProcessor for ToExporter {
    fn on_start(&self, _span: &mut opentelemetry_sdk::trace::Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        let bytes = weight(&span);
        self.0.push(span, bytes);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// Called when the last tracer is dropped: what is queued still goes out, but nobody waits for it.
    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        self.0.close();
        Ok(())
    }
}

/// About what a span takes in memory.
fn weight(span: &SpanData) -> usize {
    let texts = span.attributes.iter().map(|attribute| match &attribute.value {
        opentelemetry::Value::String(text) => text.as_str().len(),
        _ => 0,
    });
    texts.sum::<usize>() + SPAN_BYTES
}

// === impl ToRecorder ===

impl SpanProcessor for ToRecorder {
    fn on_start(&self, _span: &mut opentelemetry_sdk::trace::Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.push(finished(span));
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}

fn finished(span: SpanData) -> FinishedSpan {
    let has_parent = span.parent_span_id != SpanId::INVALID;
    FinishedSpan {
        name: span.name.into_owned(),
        kind: if span.span_kind == SpanKind::Client { Kind::Client } else { Kind::Internal },
        trace_id: span.span_context.trace_id().to_string(),
        span_id: span.span_context.span_id().to_string(),
        parent_id: has_parent.then(|| span.parent_span_id.to_string()),
        start: span.start_time,
        end: span.end_time,
        error: match span.status {
            Status::Error { description } => Some(description.into_owned()),
            Status::Ok | Status::Unset => None,
        },
        attributes: span.attributes.into_iter().map(our_attribute).collect(),
    }
}

fn our_attribute(attribute: KeyValue) -> (String, Value) {
    let value = match attribute.value {
        opentelemetry::Value::Bool(value) => Value::Bool(value),
        opentelemetry::Value::I64(number) => Value::Int(number),
        opentelemetry::Value::F64(number) => Value::Double(number),
        opentelemetry::Value::Array(Array::String(texts)) => {
            Value::Texts(texts.into_iter().map(String::from).collect())
        }
        other => Value::Text(other.as_str().into_owned()),
    };
    (attribute.key.to_string(), value)
}

// === impl OtlpCarrier ===

impl OtlpCarrier {
    fn new(config: &config::Telemetry, url: url::Url, resource: &Resource) -> Result<Self, StartError> {
        let http = Arc::new(OtlpHttp::from_config(config, url.clone())?);
        let mut builder = SpanExporter::builder()
            .with_http()
            .with_http_client(OtlpClient(http.clone()))
            .with_protocol(Protocol::HttpBinary)
            // The full URL: from a variable, the crate would append /v1/traces once more.
            .with_endpoint(url)
            .with_timeout(config.otlp_timeout);
        if config.otlp_gzip {
            builder = builder.with_compression(Compression::Gzip);
        }
        let mut exporter = builder.build().map_err(|error| StartError::Exporter(error.to_string()))?;
        exporter.set_resource(resource);
        Ok(Self { exporter, http })
    }
}

impl Carrier<SpanData> for OtlpCarrier {
    fn carry(&mut self, batch: Vec<SpanData>) -> Delivery {
        // Only the answer to this batch may explain it.
        drop(self.http.take_last());
        let result = futures::executor::block_on(self.exporter.export(batch));
        let attempt = self.http.take_last();
        if let Some(trouble) = attempt.as_ref().and_then(|attempt| self.http.explain(attempt)) {
            return Delivery::Failed(trouble);
        }
        if let Err(error) = result {
            let message = format!("the batch could not be sent: {error}");
            return Delivery::Failed(Trouble { class: "encoding".to_owned(), message });
        }
        let partial = attempt.and_then(Result::ok).and_then(|reply| partial_success(&reply.body));
        partial.map_or(Delivery::Accepted, |partial| rejection(&partial, &self.http))
    }
}

/// What the receiver said of spans it did not take; an answer that is no OTLP says nothing.
fn partial_success(body: &[u8]) -> Option<ExportTracePartialSuccess> {
    let partial = ExportTraceServiceResponse::decode(body).ok()?.partial_success?;
    (partial.rejected_spans > 0 || !partial.error_message.is_empty()).then_some(partial)
}

fn rejection(partial: &ExportTracePartialSuccess, http: &OtlpHttp) -> Delivery {
    let rejected = u64::try_from(partial.rejected_spans).unwrap_or(0);
    let (url, reason) = (http.shown_url(), http.quoted(&partial.error_message));
    let message = match rejected {
        0 => format!("{url} took the spans with a warning: \"{reason}\""),
        _ => format!(
            "{url} rejected {rejected} spans: \"{reason}\"; if they are too old, raise its limit \
             (OpenObserve: ZO_INGEST_ALLOWED_UPTO)"
        ),
    };
    Delivery::Partial { rejected, trouble: Trouble { class: "partial success".to_owned(), message } }
}

// === impl OtlpClient ===

#[async_trait::async_trait]
impl HttpClient for OtlpClient {
    /// Blocks; it is called on the export thread only. Of the request's headers only those that describe the body are
    /// taken: the crate adds whatever the OTEL variables say, over what it was given.
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let (head, body) = request.into_parts();
        let mut described = reqwest::header::HeaderMap::new();
        for name in [reqwest::header::CONTENT_TYPE, reqwest::header::CONTENT_ENCODING] {
            if let Some(value) = head.headers.get(&name) {
                described.insert(name, value.clone());
            }
        }
        let reply = self.0.post(described, body.into())?;
        let mut response = Response::new(Bytes::from(reply.body));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        Ok(response)
    }
}
