//! The seam to OpenTelemetry's metrics: the only file that names its crates for them.
//!
//! One provider has up to two readers. The first is read for each scrape, the second for each push, so that a push of
//! differences ("delta") does not disturb the scrapes. The SDK's periodic reader is not used: it keeps no differences
//! while the receiver is away. [`MetricsEncoder`] is OpenTelemetry's exporter.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use opentelemetry::KeyValue as Label;
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, HistogramDataPoint, Metric, MetricData, ResourceMetrics,
};
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    self as sdk, InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Stream,
};
use otlp_spool::{MetricsEncoder, RequestBody};

use super::Push;
use super::catalogue::{self, Definition, Kind};
use super::text::{Family, Series, Value};
use super::values::Values;

const SCOPE: &str = "voiced";
/// Far more than the closed sets of labels can make; series beyond it would be summed up in one.
const MAX_SERIES: usize = 200;

/// The period that a push counts: since the start, or since the push before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Temporality {
    #[default]
    Cumulative,
    Delta,
    /// Differences for counters, sums for values that are looked up: neither needs a memory.
    LowMemory,
}

pub(crate) struct Meter {
    meter: opentelemetry::metrics::Meter,
    /// Readers hold it weakly.
    _provider: SdkMeterProvider,
    scraped: Reader,
    pushed: Option<Reader>,
}

/// Takes the metrics when asked. Clones are the same reader.
#[derive(Clone, Debug)]
pub(super) struct Reader(Arc<ManualReader>);

/// A counter whose series these values tell apart.
pub(crate) struct Counter<V> {
    counter: opentelemetry::metrics::Counter<u64>,
    label: &'static str,
    of: PhantomData<fn(V)>,
}

/// A counter of time.
pub(crate) struct Seconds(opentelemetry::metrics::Counter<f64>);

pub(crate) struct Histogram<T>(opentelemetry::metrics::Histogram<T>);

// === impl Meter ===

impl Meter {
    pub(super) fn new(push: Option<Push>) -> Self {
        let scraped = Reader::new(Temporality::Cumulative);
        let mut builder = SdkMeterProvider::builder().with_reader(scraped.clone()).with_view(bounded);
        let mut pushed = None;
        if let Some(push) = push {
            let reader = Reader::new(push.temporality);
            builder = builder.with_reader(reader.clone()).with_resource(resource(push.resource));
            pushed = Some(reader);
        } else {
            // The default resource would read the OTEL variables, past the configuration.
            builder = builder.with_resource(resource(Vec::new()));
        }
        let provider = builder.build();
        let scope =
            opentelemetry::InstrumentationScope::builder(SCOPE).with_version(env!("CARGO_PKG_VERSION"));
        Self { meter: provider.meter_with_scope(scope.build()), _provider: provider, scraped, pushed }
    }

    /// A value that is looked up by each reader; None leaves it out.
    pub(super) fn observe(
        &self,
        definition: &'static Definition,
        labels: Vec<Label>,
        read: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        let (name, unit, help) = (definition.name, definition.unit, definition.help);
        let observe = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<f64>| {
            if let Some(value) = read() {
                observer.observe(value, &labels);
            }
        };
        // The provider keeps the callback; the handle is of no use to us.
        if definition.kind == Kind::Counter {
            let counter = self.meter.f64_observable_counter(name).with_unit(unit).with_description(help);
            counter.with_callback(observe).build();
        } else {
            let gauge = self.meter.f64_observable_gauge(name).with_unit(unit).with_description(help);
            gauge.with_callback(observe).build();
        }
    }

    /// All metrics in their present state, for a scrape.
    pub(super) fn read(&self) -> Vec<Family> {
        let metrics = self.scraped.collect();
        let scopes = metrics.scope_metrics();
        scopes.flat_map(|scope| scope.metrics()).filter_map(family).collect()
    }

    pub(super) fn pushed(&self) -> Option<&Reader> {
        self.pushed.as_ref()
    }
}

fn resource(attributes: Vec<(String, String)>) -> Resource {
    let attributes = attributes.into_iter().map(|(key, value)| Label::new(key, value));
    Resource::builder_empty().with_attributes(attributes).build()
}

fn bounded(_: &sdk::Instrument) -> Option<Stream> {
    Stream::builder().with_cardinality_limit(MAX_SERIES).build().ok()
}

// === impl Definition ===

impl Definition {
    fn bounds(&self) -> Vec<f64> {
        match self.kind {
            Kind::Histogram(bounds) => bounds.to_vec(),
            Kind::Counter | Kind::Gauge => Vec::new(),
        }
    }
}

// === impl Counter ===

impl<V: Values> Counter<V> {
    /// A counter with every known series at zero.
    pub(super) fn new(meter: &Meter, definition: &'static Definition) -> Self {
        let counter = meter.meter.u64_counter(definition.name);
        let counter = counter.with_unit(definition.unit).with_description(definition.help).build();
        let counter = Self { counter, label: definition.label, of: PhantomData };
        V::KNOWN.iter().for_each(|value| counter.add_many(0, *value));
        counter
    }

    pub(crate) fn add(&self, value: V) {
        self.add_many(1, value);
    }

    pub(crate) fn add_many(&self, count: u64, value: V) {
        self.counter.add(count, &value.labels(self.label));
    }
}

// === impl Seconds ===

impl Seconds {
    /// A counter at zero.
    pub(super) fn new(meter: &Meter, definition: &'static Definition) -> Self {
        let counter = meter.meter.f64_counter(definition.name);
        let counter = Self(counter.with_unit(definition.unit).with_description(definition.help).build());
        counter.add(Duration::ZERO);
        counter
    }

    pub(crate) fn add(&self, length: Duration) {
        self.0.add(length.as_secs_f64(), &[]);
    }
}

// === impl Histogram ===

impl Histogram<f64> {
    /// A histogram of fractions: seconds, rates.
    pub(super) fn new(meter: &Meter, definition: &'static Definition) -> Self {
        let histogram = meter.meter.f64_histogram(definition.name).with_boundaries(definition.bounds());
        Self(histogram.with_unit(definition.unit).with_description(definition.help).build())
    }
}

impl Histogram<u64> {
    /// A histogram of whole numbers.
    pub(super) fn new(meter: &Meter, definition: &'static Definition) -> Self {
        let histogram = meter.meter.u64_histogram(definition.name).with_boundaries(definition.bounds());
        Self(histogram.with_unit(definition.unit).with_description(definition.help).build())
    }
}

impl<T> Histogram<T> {
    pub(super) fn record(&self, value: T, labels: &[Label]) {
        self.0.record(value, labels);
    }
}

// === impl Reader ===

impl Reader {
    fn new(temporality: Temporality) -> Self {
        let temporality = match temporality {
            Temporality::Cumulative => sdk::Temporality::Cumulative,
            Temporality::Delta => sdk::Temporality::Delta,
            Temporality::LowMemory => sdk::Temporality::LowMemory,
        };
        Self(Arc::new(ManualReader::builder().with_temporality(temporality).build()))
    }

    fn collect(&self) -> ResourceMetrics {
        let mut metrics = ResourceMetrics::default();
        // It fails only for a provider that is gone, and then there is nothing to read.
        let _ = self.0.collect(&mut metrics);
        metrics
    }

    /// The body of an `ExportMetricsServiceRequest`.
    pub(super) fn otlp_request(&self, encoder: &MetricsEncoder) -> RequestBody {
        encoder.encode(&self.collect())
    }
}

impl MetricReader for Reader {
    fn register_pipeline(&self, pipeline: std::sync::Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> sdk::Temporality {
        self.0.temporality(kind)
    }
}

// === what was read ===

fn family(metric: &Metric) -> Option<Family> {
    let definition = catalogue::by_name(metric.name())?;
    let series = match metric.data() {
        AggregatedMetrics::F64(data) => series(data, |value| value),
        AggregatedMetrics::U64(data) => series(data, |value| value as f64),
        AggregatedMetrics::I64(data) => series(data, |value| value as f64),
    };
    Some(Family { definition, series })
}

fn series<T: Copy>(data: &MetricData<T>, number: fn(T) -> f64) -> Vec<Series> {
    match data {
        MetricData::Gauge(gauge) => {
            let points = gauge.data_points();
            points.map(|point| one(point.attributes(), Value::Number(number(point.value())))).collect()
        }
        MetricData::Sum(sum) => {
            let points = sum.data_points();
            points.map(|point| one(point.attributes(), Value::Number(number(point.value())))).collect()
        }
        MetricData::Histogram(histogram) => {
            let points = histogram.data_points();
            points.map(|point| one(point.attributes(), buckets(point, number))).collect()
        }
        MetricData::ExponentialHistogram(_) => Vec::new(),
    }
}

fn buckets<T: Copy>(point: &HistogramDataPoint<T>, number: fn(T) -> f64) -> Value {
    Value::Histogram { counts: point.bucket_counts().collect(), sum: number(point.sum()) }
}

fn one<'a>(attributes: impl Iterator<Item = &'a Label>, value: Value) -> Series {
    let label = |label: &Label| (label.key.to_string(), label.value.to_string());
    let mut labels: Vec<(String, String)> = attributes.map(label).collect();
    labels.sort();
    Series { labels, value }
}
