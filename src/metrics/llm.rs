//! The counts of requests to the model.

use std::time::{Duration, Instant};

use conversation::{Failure, TurnOutcome, Usage};
use url::Url;

use super::Metrics;
use super::catalogue::Instruments;
use super::label::{AttemptLabel, Panicked, RequestLabel, Tokens, error_class};
use super::meter::Label;
use crate::attributes as key;

/// GenAI: `input` or `output`.
const GEN_AI_TOKEN_TYPE: &str = "gen_ai.token.type";

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
        self.instruments().llm_attempts.add(AttemptLabel::from(outcome));
        if let Some(failure) = outcome.failure() {
            self.instruments().llm_errors.add(failure.into());
        }
    }

    /// A task of the library that reads streams panicked.
    pub(crate) fn panicked(&self) {
        self.metrics.panicked(Panicked::Stream);
    }

    pub(crate) fn reply_cut(&self) {
        self.instruments().llm_cut.add(());
    }

    fn instruments(&self) -> &Instruments {
        &self.metrics.instruments
    }

    fn target(&self, label: Option<Label>) -> Vec<Label> {
        self.target.iter().cloned().chain(label).collect()
    }

    fn count_tokens(&self, usage: Usage) {
        for (tokens, count) in Tokens::of(usage) {
            self.instruments().llm_tokens.add_many(count, tokens);
        }
        // The conventions forbid reporting counts that were not measured.
        if usage.estimated || usage == Usage::default() {
            return;
        }
        for (kind, count) in [("input", usage.input), ("output", usage.output)] {
            let labels = self.target(Some(Label::new(GEN_AI_TOKEN_TYPE, kind)));
            self.instruments().llm_tokens_used.record(count, &labels);
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
        instruments.llm_requests.add(RequestLabel::from(end.outcome));
        let error = end.outcome.failure().map(|failure| Label::new(key::ERROR_TYPE, error_class(failure)));
        instruments.llm_duration.record(took.as_secs_f64(), &self.llm.target(error));
        let Some(first) = end.time_to_first_token else { return };
        instruments.llm_first_token.record(first.as_secs_f64(), &self.llm.target);
        if *end.outcome == TurnOutcome::Answered
            && let Some(rate) = token_rate(end.usage, took.saturating_sub(first))
        {
            instruments.llm_token_rate.record(rate, &[]);
        }
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        if !self.over {
            let outcome = TurnOutcome::Aborted(Failure::aborted("its caller did not wait for its end"));
            self.llm.instruments().llm_requests.add(RequestLabel::from(&outcome));
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
