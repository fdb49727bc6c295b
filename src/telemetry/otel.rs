//! The seam to OpenTelemetry: this file and those below it are the only ones that name its crates.
//!
//! Spans are made with explicit parents; the thread-local "current" context is never read. The SDK's own batch
//! processor drops spans without telling how many, and its exporter gives up after some seconds, so spans leave through
//! a processor of ours into the [`Spool`]; making and encoding them is OpenTelemetry's.

use std::fmt;
use std::time::{Duration, SystemTime};

use opentelemetry::trace::{
    Span as _, SpanBuilder, SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId,
    TraceState, Tracer as _, TracerProvider as _,
};
use opentelemetry::{Array, Context, InstrumentationScope, KeyValue, StringValue};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SdkTracer, SdkTracerProvider, SpanData, SpanProcessor, TracerProviderBuilder,
};
use otlp_spool::{Envelope, Post, Receiver, Spool};

use super::StartError;
use super::attributes::{Attribute, Value};
use super::recorder::{FinishedSpan, Recorder};
use super::settings::Settings;
use super::traceparent::TraceParent;

/// Not `ai`: OpenObserve would take the spans for those of Vercel's SDK.
const SCOPE: &str = "voiced";
/// The contract's longest span has about thirty.
const MAX_ATTRIBUTES: u32 = 128;

/// Makes spans. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct SpanSource {
    tracer: SdkTracer,
    /// None: no span is to survive this process.
    spool: Option<Spool>,
}

/// A span that has not ended.
#[derive(Debug)]
pub(super) struct Span {
    span: opentelemetry_sdk::trace::Span,
}

/// A span as the parent of others.
#[derive(Clone)]
pub(super) struct Parent(SpanContext);

/// The description of a span that was dropped without an end.
pub(super) struct Aborted<'a> {
    pub(super) attributes: &'a [Attribute],
    pub(super) message: &'static str,
}

/// The side of a call that a span describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Internal,
    Client,
}

/// Hands finished spans to a recorder.
#[derive(Debug)]
struct ToRecorder(Recorder);

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

    /// Finished spans are posted to the receiver, by way of the spool.
    pub(super) fn exported(
        config: &Settings,
        receiver: Receiver,
        spool: &otlp_spool::Settings,
        instance_id: &str,
    ) -> Result<(Self, Spool), StartError> {
        let resource = resource(config, instance_id);
        let spool = Spool::start(spool, Envelope::new(&resource, scope()), move || Post::new(&receiver))?;
        // A caller's decision not to sample is followed: half a trace is worth less than none.
        let builder = SdkTracerProvider::builder()
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)))
            .with_resource(resource)
            .with_span_processor(spool.clone());
        Ok((Self { spool: Some(spool.clone()), ..Self::new(builder) }, spool))
    }

    fn new(builder: TracerProviderBuilder) -> Self {
        // The limit is set here, because the SDK would read limits from variables that are no setting of ours.
        let provider = builder.with_max_attributes_per_span(MAX_ATTRIBUTES).build();
        Self { tracer: provider.tracer_with_scope(scope()), spool: None }
    }

    /// Writes down that a span began, with the form that it gets when this process is killed before it ends: its
    /// present attributes, without `heavy`, and `aborted`.
    pub(super) fn opened(&self, span: &Span, heavy: &[&str], aborted: &Aborted<'_>) {
        // Spans in memory do not survive the process, so they need not be written down.
        let Some(spool) = self.spool.as_ref().filter(|spool| spool.directory().is_some()) else { return };
        let Some(mut span) = span.span.exported_data() else { return };
        span.attributes.retain(|attribute| !heavy.contains(&attribute.key.as_str()));
        let attributes =
            aborted.attributes.iter().map(|(key, value)| KeyValue::new(*key, otel_value(value.clone())));
        span.attributes.extend(attributes);
        span.status = Status::error(aborted.message);
        // Its end is set when it is known.
        span.end_time = span.start_time;
        spool.opened(span);
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

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION")).build()
}

fn resource(config: &Settings, instance_id: &str) -> Resource {
    let attributes = super::resource::attributes(config, instance_id).into_iter();
    // The resource is built empty: the SDK's detectors would read the variables once more, past the configuration.
    Resource::builder_empty()
        .with_attributes(attributes.map(|(key, value)| KeyValue::new(key, value)))
        .build()
}

// === impl Span ===

impl Span {
    /// False when no reader will see the span, so that its attributes need not be made.
    pub(super) fn is_recording(&self) -> bool {
        self.span.is_recording()
    }

    pub(super) fn set(&mut self, (key, value): Attribute) {
        self.span.set_attribute(KeyValue::new(key, otel_value(value)));
    }

    pub(super) fn parent(&self) -> Parent {
        Parent(self.span.span_context().clone())
    }

    /// Ends the span: as Ok, or as Error with the message of the failure.
    pub(super) fn end(mut self, failure: Option<String>, end: SystemTime) {
        self.span.set_status(failure.map_or(Status::Ok, Status::error));
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
