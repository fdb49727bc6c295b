//! The counts of requests to the model.

use std::time::{Duration, Instant};

use conversation::{Failure, TurnOutcome, Usage};
use url::Url;

use super::label::{Panicked, REQUEST_OUTCOMES, error_class, request_outcome};
use super::meter::{Counter, Histogram, Label, Meter};
use super::{Metrics, catalogue};
use crate::attributes as key;

/// GenAI: `input` or `output`.
const GEN_AI_TOKEN_TYPE: &str = "gen_ai.token.type";

pub(super) struct Instruments {
    requests: Counter,
    attempts: Counter,
    errors: Counter,
    duration: Histogram<f64>,
    first_token: Histogram<f64>,
    tokens_used: Histogram<u64>,
    tokens: Counter,
    token_rate: Histogram<f64>,
    cut: Counter,
}

/// Counts the requests to one model. Cheap to clone.
#[derive(Clone, Debug)]
pub struct LlmMetrics {
    metrics: Metrics,
    /// The attributes that the GenAI conventions want on each of their metrics. All of them are from the
    /// configuration: the model that a provider says has answered could be any text.
    target: Vec<Label>,
}

/// A request under way. Dropped without an end, it is counted as aborted.
#[derive(Debug)]
pub struct OpenRequest {
    llm: LlmMetrics,
    started: Instant,
    over: bool,
}

/// The end of a request.
#[derive(Debug)]
pub(crate) struct RequestEnd<'a> {
    pub(crate) outcome: &'a TurnOutcome,
    pub(crate) usage: Usage,
    pub(crate) time_to_first_token: Option<Duration>,
}

// === impl Instruments ===

impl Instruments {
    pub(super) fn new(meter: &Meter) -> Self {
        Self {
            requests: meter.counter(&catalogue::LLM_REQUESTS),
            attempts: meter.counter(&catalogue::LLM_ATTEMPTS),
            errors: meter.counter(&catalogue::LLM_ERRORS),
            duration: meter.seconds(&catalogue::LLM_DURATION),
            first_token: meter.seconds(&catalogue::LLM_FIRST_TOKEN),
            tokens_used: meter.amounts(&catalogue::LLM_TOKENS_USED),
            tokens: meter.counter(&catalogue::LLM_TOKENS),
            token_rate: meter.seconds(&catalogue::LLM_TOKEN_RATE),
            cut: meter.counter(&catalogue::LLM_CUT),
        }
    }

    pub(super) fn start_at_zero(&self) {
        self.requests.start("outcome", REQUEST_OUTCOMES);
        self.attempts.start("outcome", REQUEST_OUTCOMES.into_iter().filter(|outcome| *outcome != "aborted"));
        self.cut.add(0, &[]);
    }
}

// === impl LlmMetrics ===

impl LlmMetrics {
    pub(super) fn new(metrics: Metrics, model: &str, base_url: &Url) -> Self {
        let host = base_url.host_str().unwrap_or_default().to_owned();
        let port = base_url.port_or_known_default().unwrap_or_default();
        let target = vec![
            Label::new(key::GEN_AI_OPERATION_NAME, "chat"),
            Label::new(key::GEN_AI_PROVIDER_NAME, "openai"),
            Label::new(key::GEN_AI_REQUEST_MODEL, model.to_owned()),
            Label::new(key::SERVER_ADDRESS, host),
            Label::new(key::SERVER_PORT, i64::from(port)),
        ];
        Self { metrics, target }
    }

    /// A request begins at `now`.
    pub(crate) fn request(&self, now: Instant) -> OpenRequest {
        OpenRequest { llm: self.clone(), started: now, over: false }
    }

    /// One attempt ended: well, by a failure, or because the turn did not want it any more.
    pub(crate) fn attempt_ended(&self, outcome: &TurnOutcome) {
        self.instruments().attempts.add(1, &[Label::new("outcome", request_outcome(outcome))]);
        if let Some(failure) = outcome.failure() {
            self.instruments().errors.add(1, &[Label::new("class", error_class(failure))]);
        }
    }

    /// A task of the library that reads streams panicked.
    pub(crate) fn panicked(&self) {
        self.metrics.panicked(Panicked::Stream);
    }

    pub(crate) fn reply_cut(&self) {
        self.instruments().cut.add(1, &[]);
    }

    fn instruments(&self) -> &Instruments {
        &self.metrics.instruments.llm
    }

    fn target(&self, label: Option<Label>) -> Vec<Label> {
        self.target.iter().cloned().chain(label).collect()
    }

    fn count_tokens(&self, usage: Usage) {
        let estimated = if usage.estimated { "true" } else { "false" };
        let kinds = [
            ("input", Some(usage.input)),
            ("output", Some(usage.output)),
            ("cached_input", usage.cached_input),
        ];
        for (kind, count) in kinds {
            let labels = [Label::new("type", kind), Label::new("estimated", estimated)];
            self.instruments().tokens.add(count.unwrap_or_default(), &labels);
        }
        // The conventions forbid reporting counts that were not measured.
        if usage.estimated || usage == Usage::default() {
            return;
        }
        for (kind, count) in [("input", usage.input), ("output", usage.output)] {
            let labels = self.target(Some(Label::new(GEN_AI_TOKEN_TYPE, kind)));
            self.instruments().tokens_used.record(count, &labels);
        }
    }
}

// === impl OpenRequest ===

impl OpenRequest {
    pub(crate) fn end(mut self, now: Instant, end: &RequestEnd<'_>) {
        self.over = true;
        let took = now.saturating_duration_since(self.started);
        self.llm.count_tokens(end.usage);
        let instruments = self.llm.instruments();
        instruments.requests.add(1, &[Label::new("outcome", request_outcome(end.outcome))]);
        let error = end.outcome.failure().map(|failure| Label::new(key::ERROR_TYPE, error_class(failure)));
        instruments.duration.record(took.as_secs_f64(), &self.llm.target(error));
        let Some(first) = end.time_to_first_token else { return };
        instruments.first_token.record(first.as_secs_f64(), &self.llm.target);
        if *end.outcome == TurnOutcome::Answered
            && let Some(rate) = token_rate(end.usage, took.saturating_sub(first))
        {
            instruments.token_rate.record(rate, &[]);
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if !self.over {
            let outcome = TurnOutcome::Aborted(Failure::aborted("its caller did not wait for its end"));
            self.llm.instruments().requests.add(1, &[Label::new("outcome", request_outcome(&outcome))]);
        }
    }
}

/// None where there is nothing to divide: a reply of one piece, or tokens that the provider did not count.
fn token_rate(usage: Usage, speaking: Duration) -> Option<f64> {
    let seconds = speaking.as_secs_f64();
    let measured = !usage.estimated && usage.output > 1 && seconds > 0.001;
    // The first token stands at the beginning of that time; token counts are exact as f64.
    measured.then(|| (usage.output - 1) as f64 / seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_needs_measured_tokens_and_some_time() {
        let usage = Usage { output: 101, ..Usage::default() };
        assert_eq!(token_rate(usage, Duration::from_secs(2)), Some(50.0));
        assert_eq!(token_rate(usage, Duration::ZERO), None);
        assert_eq!(token_rate(Usage { estimated: true, ..usage }, Duration::from_secs(2)), None);
        assert_eq!(token_rate(Usage { output: 1, ..usage }, Duration::from_secs(2)), None);
    }
}
