//! The counts and measurements of the process: one set of instruments, read by `/metrics` and sent over OTLP.
//!
//! [`Metrics`] is passed as a value to every part that has something to count; its instruments come from the catalogue.
//! The state machines know nothing of it; their shells count. Every label has a closed set of values: no
//! room, session or person ever becomes one.
//!
//! - `catalogue`: every metric once, with both of its names, its instrument and its labels
//! - `label`: the closed sets; `values`: the labels that they become
//! - `llm`: the counts of requests to the model; `speech`: those of requests to the speech services, and of spoken turns
//! - `process`: the operating system's figures about the process; `observed`, beside this module, looks up the state of
//!   the other parts
//! - `meter`: the seam to OpenTelemetry's instruments; `text`: the format that Prometheus reads

pub(crate) mod catalogue;
mod label;
mod llm;
mod meter;
mod process;
mod speech;
mod text;
mod values;

use std::sync::Arc;
use std::time::Duration;

use agent_worker::{Answered, JobResult, Observer};
use conversation::TurnOutcome;
use otlp_spool::{MetricsEncoder, RequestBody};
use url::Url;

use self::catalogue::{Definition, Instruments};
pub(crate) use self::label::Tokens;
use self::label::TurnLabel;
#[cfg(test)]
pub(crate) use self::label::error_class;
pub use self::label::{Holding, Panicked, Pause, Phase, Refusal, Restored, Resumption, Wordless};
pub(crate) use self::llm::RequestEnd;
pub use self::llm::{LlmMetrics, OpenRequest};
pub use self::meter::Temporality;
use self::meter::{Label, Meter};
pub(crate) use self::speech::Spoken;
use self::values::Values;

/// The media type of [`Metrics::text`].
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process's instruments. Cheap to clone; the default ones are shared with no other part, for commands and tests.
#[derive(Clone)]
pub struct Metrics {
    pub(crate) instruments: Arc<Instruments>,
}

/// The form in which metrics are pushed.
#[derive(Clone, Debug)]
pub struct Push {
    pub temporality: Temporality,
    /// The attributes of this process, `service.name` and the like.
    pub resource: Vec<(String, String)>,
}

// === impl Metrics ===

impl Default for Metrics {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Metrics {
    /// With `push`, the metrics can also be taken by [`Metrics::otlp_request`].
    pub fn new(push: Option<Push>) -> Self {
        let instruments = Instruments::new(Meter::new(push));
        process::observe(&instruments.meter);
        Self { instruments: Arc::new(instruments) }
    }

    pub fn panicked(&self, what: Panicked) {
        self.instruments.panics.add(what);
    }

    /// Counts a turn that is over. `first_word` is since its words were heard, `duration` since its call began; None:
    /// there was none.
    pub fn turn_ended(
        &self,
        outcome: &TurnOutcome,
        phase: Phase,
        first_word: Option<Duration>,
        duration: Option<Duration>,
    ) {
        let instruments = &self.instruments;
        if let TurnOutcome::Interrupted = outcome {
            instruments.interruptions.add(phase);
        }
        let label = TurnLabel::from(outcome);
        if let Some(first_word) = first_word {
            instruments.first_word.record(first_word.as_secs_f64(), &[]);
        }
        if let Some(duration) = duration {
            instruments.turn_duration.record(duration.as_secs_f64(), &label.labels("outcome"));
        }
        instruments.turns.add(label);
    }

    /// The counter of the requests to one model.
    pub fn llm(&self, model: &str, base_url: &Url) -> LlmMetrics {
        LlmMetrics::new(self.clone(), model, base_url)
    }

    /// Shows a value that is looked up at each reading; None leaves it out. To be called once for a definition.
    pub(crate) fn observe(
        &self,
        definition: &'static Definition,
        read: impl Fn() -> Option<f64> + Send + Sync + 'static,
    ) {
        self.instruments.meter.observe(definition, Vec::new(), read);
    }

    /// All metrics in Prometheus' text format.
    pub fn text(&self) -> String {
        text::render(&self.instruments.meter.read())
    }

    /// All metrics as the body of an OTLP request; None when no receiver is to get them.
    pub fn otlp_request(&self, encoder: &MetricsEncoder) -> Option<RequestBody> {
        self.instruments.meter.pushed().map(|reader| reader.otlp_request(encoder))
    }
}

impl Observer for Metrics {
    fn connecting(&self) {
        self.instruments.connects.add(());
    }

    fn offer_answered(&self, answer: Answered, took: Duration) {
        self.instruments.dispatch_answer.record(took.as_secs_f64(), &[Label::new("answer", answer.as_str())]);
    }

    fn job_ended(&self, result: JobResult) {
        if result == JobResult::Panicked {
            self.panicked(Panicked::Session);
        }
        self.instruments.jobs.add(result);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use conversation::Failure;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};
    use prost::Message;

    /// The points of the metric of jobs that count failed ones.
    fn failed_jobs(request: &ExportMetricsServiceRequest) -> Vec<number_data_point::Value> {
        let metrics = &request.resource_metrics[0].scope_metrics[0].metrics;
        let jobs = metrics.iter().find(|metric| metric.name == catalogue::JOBS.name).unwrap();
        let Some(metric::Data::Sum(sum)) = &jobs.data else { panic!("{jobs:?}") };
        let failed = Value::StringValue("failed".to_owned());
        let is_failed = |value: &Option<Value>| value.as_ref() == Some(&failed);
        let points = sum.data_points.iter().filter(|point| {
            point.attributes.iter().any(|pair| is_failed(&pair.value.as_ref().unwrap().value))
        });
        points.filter_map(|point| point.value).collect()
    }

    fn llm(metrics: &Metrics) -> LlmMetrics {
        metrics.llm("gpt-x", &"http://llm.test/v1".parse().unwrap())
    }

    #[test]
    fn failures_with_names_of_two_hundred_rooms_make_one_series() {
        let metrics = Metrics::default();
        let llm = llm(&metrics);
        for room in 0..200 {
            llm.attempt_ended(&TurnOutcome::Failed(Failure::new(format!("room-{room}"), "")));
        }
        let text = metrics.text();
        let errors: Vec<&str> =
            text.lines().filter(|line| line.starts_with("voiced_llm_attempt_errors_total{")).collect();
        assert_eq!(errors, [r#"voiced_llm_attempt_errors_total{class="other"} 200"#]);
    }

    #[test]
    fn a_request_without_an_end_is_counted_as_aborted() {
        let metrics = Metrics::default();
        drop(llm(&metrics).request(std::time::Instant::now()));
        let text = metrics.text();
        assert!(text.contains("voiced_llm_requests_total{outcome=\"aborted\"} 1\n"), "{text}");
    }

    #[test]
    fn a_scrape_and_a_push_of_differences_do_not_disturb_each_other() {
        let push = Push { temporality: Temporality::Delta, resource: Vec::new() };
        let (metrics, encoder) = (Metrics::new(Some(push)), MetricsEncoder::new().unwrap());
        for _ in 0..2 {
            metrics.job_ended(JobResult::Failed);
            let request = metrics.otlp_request(&encoder).unwrap();
            let request = ExportMetricsServiceRequest::decode(request).unwrap();
            assert_eq!(failed_jobs(&request), [number_data_point::Value::AsInt(1)]);
        }
        assert!(metrics.text().contains("voiced_worker_jobs_total{result=\"failed\"} 2\n"));
    }
}
