//! Spans in their OTLP encoding, in which the spool writes them and a receiver gets them.
//!
//! A batch is an `ExportTraceServiceRequest` in protobuf (OTLP 1.x, `opentelemetry/proto/collector/trace/v1`), so that
//! a file of the spool can be posted by any tool: `curl --data-binary @FILE -H 'Content-Type: application/x-protobuf'`.

use std::collections::BTreeSet;

use opentelemetry::InstrumentationScope;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use opentelemetry_proto::tonic::{common, resource};
use opentelemetry_proto::transform::common::tonic::ResourceAttributesWithSchema;
use opentelemetry_sdk::Resource;
use prost::Message;
use prost::bytes::Buf;

/// One span, encoded once for its whole way: the journal writes these bytes, and a batch is put together from them.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct WireSpan {
    key: SpanKey,
    /// Nanoseconds since 1970: the end, or the start where there is no later end.
    latest: u64,
    encoded: Vec<u8>,
}

/// The identity of a span within one process: trace id and span id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SpanKey([u8; 16], [u8; 8]);

/// Resource and instrumentation scope, which all spans of one process have in common.
#[derive(Clone, Debug, PartialEq)]
pub struct Envelope(ResourceSpans);

/// [`ExportTraceServiceRequest`] and its content down to the spans, which are encoded already: to protobuf a message
/// within another is a field of bytes.
#[derive(Clone, PartialEq, Message)]
struct Request {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<Resources>,
}

#[derive(Clone, PartialEq, Message)]
struct Resources {
    #[prost(message, optional, tag = "1")]
    resource: Option<resource::v1::Resource>,
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<Scope>,
    #[prost(string, tag = "3")]
    schema_url: String,
}

#[derive(Clone, PartialEq, Message)]
struct Scope {
    #[prost(message, optional, tag = "1")]
    scope: Option<common::v1::InstrumentationScope>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    spans: Vec<Vec<u8>>,
}

/// The part of a [`Span`] that the spool goes by.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(bytes = "vec", tag = "1")]
    trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    span_id: Vec<u8>,
    #[prost(fixed64, tag = "7")]
    start: u64,
    #[prost(fixed64, tag = "8")]
    end: u64,
}

// === impl WireSpan ===

impl WireSpan {
    pub(crate) fn key(&self) -> SpanKey {
        self.key
    }

    pub(crate) fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// None when these are not the bytes of a span with valid ids.
    pub(crate) fn new(encoded: Vec<u8>) -> Option<Self> {
        let Head { trace_id, span_id, start, end } = Head::decode(encoded.as_slice()).ok()?;
        let key = SpanKey(trace_id.try_into().ok()?, span_id.try_into().ok()?);
        Some(Self { key, latest: end.max(start), encoded })
    }

    /// The spans of a request.
    pub(crate) fn all(request: impl Buf) -> Vec<Self> {
        let resources = Request::decode(request).unwrap_or_default().resources;
        let scopes = resources.into_iter().flat_map(|resource| resource.scopes);
        scopes.flat_map(|scope| scope.spans).filter_map(Self::new).collect()
    }

    /// Bytes on the wire.
    pub(crate) fn len(&self) -> usize {
        self.encoded.len()
    }

    pub(crate) fn latest(&self) -> u64 {
        self.latest
    }

    /// Sets the end of a span that was left open.
    pub(crate) fn ended_at(self, nanos: u64) -> Self {
        let ended = Span::decode(self.encoded.as_slice()).ok().and_then(|mut span| {
            span.end_time_unix_nano = nanos.max(span.start_time_unix_nano);
            Self::new(span.encode_to_vec())
        });
        ended.unwrap_or(self)
    }
}

// === impl Envelope ===

impl Envelope {
    pub fn new(resource: &Resource, scope: InstrumentationScope) -> Self {
        let ResourceAttributesWithSchema { attributes, schema_url } = resource.into();
        let resource = resource::v1::Resource { attributes: attributes.0, ..Default::default() };
        let scope = ScopeSpans { scope: Some((scope, None).into()), ..Default::default() };
        Self(ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![scope],
            schema_url: schema_url.unwrap_or_default(),
        })
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.0.encode_to_vec()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        ResourceSpans::decode(bytes).ok().map(Self)
    }

    /// A request with these spans.
    pub(crate) fn batch(&self, spans: Vec<WireSpan>) -> Vec<u8> {
        let ResourceSpans { resource, scope_spans, schema_url } = self.0.clone();
        let scope = scope_spans.into_iter().next().and_then(|scope| scope.scope);
        let spans = spans.into_iter().map(|span| span.encoded).collect();
        let resources = Resources { resource, scopes: vec![Scope { scope, spans }], schema_url };
        Request { resources: vec![resources] }.encode_to_vec()
    }
}

/// Halves a batch, so that one bad trace cannot hold back the others. Traces stay whole; None when there is but one, or
/// the batch cannot be read.
pub(crate) fn cut(batch: &[u8]) -> Option<[Vec<u8>; 2]> {
    let request = ExportTraceServiceRequest::decode(batch).ok()?;
    let traces: BTreeSet<&[u8]> = spans(&request).map(|span| span.trace_id.as_slice()).collect();
    let middle = traces.iter().nth(traces.len() / 2)?.to_vec();
    if traces.len() < 2 {
        return None;
    }
    let first = keep(request.clone(), |span| span.trace_id < middle);
    let second = keep(request, |span| span.trace_id >= middle);
    Some([first.encode_to_vec(), second.encode_to_vec()])
}

/// The number of spans in a batch. None when it cannot be read.
pub(crate) fn count(batch: &[u8]) -> Option<usize> {
    Some(spans(&ExportTraceServiceRequest::decode(batch).ok()?).count())
}

fn spans(request: &ExportTraceServiceRequest) -> impl Iterator<Item = &Span> {
    request.resource_spans.iter().flat_map(|resource| &resource.scope_spans).flat_map(|scope| &scope.spans)
}

fn keep(mut request: ExportTraceServiceRequest, wanted: impl Fn(&Span) -> bool) -> ExportTraceServiceRequest {
    for scope in request.resource_spans.iter_mut().flat_map(|resource| &mut resource.scope_spans) {
        scope.spans.retain(&wanted);
    }
    request
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A span with ids made of one byte each.
    pub(crate) fn span(trace: u8, id: u8) -> WireSpan {
        let span = Span {
            trace_id: vec![trace; 16],
            span_id: vec![id; 8],
            name: format!("span {id}"),
            start_time_unix_nano: 1_000,
            ..Span::default()
        };
        WireSpan::new(span.encode_to_vec()).unwrap()
    }

    /// Trace and span of each span in a batch, made by [`span`].
    pub(crate) fn ids(batch: &[u8]) -> Vec<(u8, u8)> {
        let request = ExportTraceServiceRequest::decode(batch).unwrap();
        spans(&request).map(|span| (span.trace_id[0], span.span_id[0])).collect()
    }

    pub(crate) fn envelope() -> Envelope {
        let resource = Resource::builder_empty().with_service_name("test").build();
        Envelope::new(&resource, InstrumentationScope::builder("voiced").build())
    }

    #[test]
    fn a_batch_is_cut_between_traces_until_one_is_left() {
        let batch = envelope().batch(vec![span(1, 1), span(2, 2), span(1, 3), span(3, 4), span(1, 5)]);
        let [first, second] = cut(&batch).unwrap();
        assert_eq!((count(&first), count(&second)), (Some(3), Some(2)));
        assert_eq!(cut(&first), None);
        let [third, fourth] = cut(&second).unwrap();
        assert_eq!((count(&third), count(&fourth)), (Some(1), Some(1)));
        assert_eq!(cut(&envelope().batch(Vec::new())), None);
        assert_eq!(cut(b"no protobuf"), None);
    }

    #[test]
    fn a_batch_keeps_resource_and_scope() {
        let batch = ExportTraceServiceRequest::decode(envelope().batch(vec![span(1, 1)]).as_slice()).unwrap();
        let resource = &batch.resource_spans[0];
        assert_eq!(resource.resource.as_ref().unwrap().attributes[0].key, "service.name");
        assert_eq!(resource.scope_spans[0].scope.as_ref().unwrap().name, "voiced");
        assert_eq!(Envelope::decode(&envelope().encode()), Some(envelope()));
    }

    #[test]
    fn a_span_never_ends_before_it_starts() {
        assert_eq!(span(1, 1).ended_at(7).latest(), 1_000);
        assert_eq!(span(1, 1).ended_at(2_000).latest(), 2_000);
    }
}
