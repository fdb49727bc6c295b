//! The counts and measurements of the process: one set of instruments, read by `/metrics` and sent over OTLP.
//!
//! [`Metrics`] is passed as a value to every part that has something to count, and has a verb for each thing that
//! happens. The state machines know nothing of it; their shells count. Every label has a closed set of values: no
//! room, session or person ever becomes one.
//!
//! - `catalogue`: every metric once, with both of its names
//! - `label`: the closed sets
//! - `llm`: the counts of requests to the model
//! - `process`: the operating system's figures about the process; `observed`, beside this module, looks up the state of
//!   the other parts
//! - `meter`: the seam to OpenTelemetry's instruments; `text`: the format that Prometheus reads

pub(crate) mod catalogue;
mod label;
mod llm;
mod meter;
mod process;
mod text;

use std::sync::Arc;
use std::time::Duration;

use agent_worker::{Answered, JobResult, Observer};
use conversation::TurnOutcome;
use otlp_spool::{MetricsEncoder, RequestBody};
use url::Url;

use self::catalogue::Definition;
#[cfg(test)]
pub(crate) use self::label::error_class;
pub use self::label::{Holding, Panicked, Phase, Refusal, Restored, Resumption};
pub(crate) use self::llm::RequestEnd;
pub use self::llm::{LlmMetrics, OpenRequest};
pub use self::meter::Temporality;
use self::meter::{Counter, Histogram, Label, Meter};

/// The media type of [`Metrics::text`].
pub const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The process's instruments. Cheap to clone; the default ones are shared with no other part, for commands and tests.
#[derive(Clone)]
pub struct Metrics {
    instruments: Arc<Instruments>,
}

/// The form in which metrics are pushed.
#[derive(Clone, Debug)]
pub struct Push {
    pub temporality: Temporality,
    /// The attributes of this process, `service.name` and the like.
    pub resource: Vec<(String, String)>,
}

struct Instruments {
    meter: Meter,
    dispatch_answer: Histogram<f64>,
    jobs: Counter,
    resumptions: Counter,
    connects: Counter,
    room_losses: Counter,
    panics: Counter,
    turns: Counter,
    interruptions: Counter,
    first_word: Histogram<f64>,
    turn_duration: Histogram<f64>,
    texts_refused: Counter,
    http_closed: Counter,
    http_refused: Counter,
    llm: llm::Instruments,
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
        instruments.start_at_zero();
        process::observe(&instruments.meter);
        Self { instruments: Arc::new(instruments) }
    }

    pub(crate) fn session_resumed(&self, what: Resumption) {
        self.instruments.resumptions.add(1, &[Label::new("result", what.as_str())]);
    }

    /// Counts the outcome of a broken connection to a room.
    pub(crate) fn connection_restored(&self, how: Restored) {
        self.instruments.room_losses.add(1, &[Label::new("result", how.as_str())]);
    }

    pub fn panicked(&self, what: Panicked) {
        self.instruments.panics.add(1, &[Label::new("task", what.as_str())]);
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
            instruments.interruptions.add(1, &[Label::new("while", phase.as_str())]);
        }
        let outcome = Label::new("outcome", outcome.as_str());
        if let Some(first_word) = first_word {
            instruments.first_word.record(first_word.as_secs_f64(), &[]);
        }
        if let Some(duration) = duration {
            instruments.turn_duration.record(duration.as_secs_f64(), std::slice::from_ref(&outcome));
        }
        instruments.turns.add(1, &[outcome]);
    }

    /// Counts a text of a person that was not taken as a turn.
    pub fn text_refused(&self, refusal: Refusal) {
        self.instruments.texts_refused.add(1, &[Label::new("reason", refusal.as_str())]);
    }

    /// Counts a connection to our HTTP endpoints that was closed because another client came and all were in use.
    pub(crate) fn http_connection_closed(&self, what: Holding) {
        self.instruments.http_closed.add(1, &[Label::new("state", what.as_str())]);
    }

    /// Counts a long answer that was refused because clients have not taken so many others.
    pub(crate) fn http_answer_refused(&self) {
        self.instruments.http_refused.add(1, &[]);
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
        self.instruments.connects.add(1, &[]);
    }

    fn offer_answered(&self, answer: Answered, took: Duration) {
        self.instruments.dispatch_answer.record(took.as_secs_f64(), &[Label::new("answer", answer.as_str())]);
    }

    fn job_ended(&self, result: JobResult) {
        if result == JobResult::Panicked {
            self.panicked(Panicked::Session);
        }
        self.instruments.jobs.add(1, &[Label::new("result", result.as_str())]);
    }
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

// === impl Instruments ===

impl Instruments {
    fn new(meter: Meter) -> Self {
        Self {
            dispatch_answer: meter.seconds(&catalogue::DISPATCH_ANSWER),
            jobs: meter.counter(&catalogue::JOBS),
            resumptions: meter.counter(&catalogue::RESUMPTIONS),
            connects: meter.counter(&catalogue::CONNECTS),
            room_losses: meter.counter(&catalogue::ROOM_LOSSES),
            panics: meter.counter(&catalogue::PANICS),
            turns: meter.counter(&catalogue::TURNS),
            interruptions: meter.counter(&catalogue::INTERRUPTIONS),
            first_word: meter.seconds(&catalogue::FIRST_WORD),
            turn_duration: meter.seconds(&catalogue::TURN_DURATION),
            texts_refused: meter.counter(&catalogue::TEXTS_REFUSED),
            http_closed: meter.counter(&catalogue::HTTP_CLOSED),
            http_refused: meter.counter(&catalogue::HTTP_REFUSED),
            llm: llm::Instruments::new(&meter),
            meter,
        }
    }

    /// A counter that does not exist until something goes wrong cannot be alerted on.
    fn start_at_zero(&self) {
        self.jobs.start("result", JobResult::ALL.map(JobResult::as_str));
        self.resumptions.start("result", Resumption::ALL.map(Resumption::as_str));
        self.room_losses.start("result", Restored::ALL.map(Restored::as_str));
        self.panics.start("task", Panicked::ALL.map(Panicked::as_str));
        self.turns.start("outcome", label::TURN_OUTCOMES);
        self.interruptions.start("while", Phase::ALL.map(Phase::as_str));
        self.texts_refused.start("reason", Refusal::ALL.map(Refusal::as_str));
        self.http_closed.start("state", Holding::ALL.map(Holding::as_str));
        self.llm.start_at_zero();
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
