//! The counts of requests to the speech services, and of spoken turns.

use std::time::Duration;

use speech_services::Report;

use super::Metrics;
use super::catalogue::Instruments;
use super::label::AttemptLabel;

/// The figures of a turn that was spoken, or whose reply was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Spoken {
    /// From the last speech to the first sound.
    pub(crate) e2e_latency: Option<Duration>,
    pub(crate) transcription_delay: Option<Duration>,
    pub(crate) end_of_turn_delay: Option<Duration>,
    pub(crate) tts_ttfb: Option<Duration>,
    pub(crate) heard: Duration,
    pub(crate) played: Duration,
}

// === impl Metrics ===

impl Metrics {
    /// Counts a request for a transcript that is over.
    pub(crate) fn stt_request_ended(&self, report: &Report) {
        let Instruments { stt_requests, stt_errors, stt_audio, .. } = &*self.instruments;
        stt_requests.add(AttemptLabel::from(&report.outcome));
        let failures = report.attempts.iter().filter_map(|attempt| attempt.failure.as_ref());
        failures.for_each(|failure| stt_errors.add(failure.into()));
        stt_audio.add(report.audio);
    }

    /// Counts a request for speech that is over.
    pub(crate) fn tts_request_ended(&self, report: &Report) {
        let Instruments { tts_requests, tts_errors, tts_audio, tts_characters, .. } = &*self.instruments;
        tts_requests.add(AttemptLabel::from(&report.outcome));
        let failures = report.attempts.iter().filter_map(|attempt| attempt.failure.as_ref());
        failures.for_each(|failure| tts_errors.add(failure.into()));
        tts_audio.add(report.audio);
        tts_characters.add_many(report.characters, ());
    }

    pub(crate) fn turn_spoken(&self, turn: &Spoken) {
        let instruments = &self.instruments;
        let delays = [
            (&instruments.e2e_latency, turn.e2e_latency),
            (&instruments.transcription_delay, turn.transcription_delay),
            (&instruments.end_of_turn_delay, turn.end_of_turn_delay),
            (&instruments.tts_ttfb, turn.tts_ttfb),
        ];
        for (histogram, delay) in delays {
            delay.into_iter().for_each(|delay| histogram.record(delay.as_secs_f64(), &[]));
        }
        instruments.heard.add(turn.heard);
        instruments.played.add(turn.played);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use conversation::{Attempt, Failure};
    use speech_services::Outcome;

    use super::*;

    fn report(outcome: Outcome, failures: &[&str]) -> Report {
        let now = Instant::now();
        let attempt = |class: &&str| Attempt {
            started: now,
            ended: now,
            http_status: None,
            request_id: None,
            first_byte: None,
            failure: Some(Failure::new(*class, "")),
        };
        Report {
            started: now,
            ended: now,
            attempts: failures.iter().map(attempt).collect(),
            time_to_first_byte: None,
            audio: Duration::from_millis(1500),
            characters: 12,
            tokens: None,
            outcome,
        }
    }

    fn assert_lines(metrics: &Metrics, lines: &[&str]) {
        let text = metrics.text();
        for line in lines {
            assert!(text.lines().any(|known| known == *line), "{line} in {text}");
        }
    }

    #[test]
    fn requests_are_counted_by_outcome_and_attempts_by_error() {
        let metrics = Metrics::default();
        metrics.stt_request_ended(&report(Outcome::Complete, &["503"]));
        metrics.stt_request_ended(&report(Outcome::Interrupted, &[]));
        let failed = Outcome::Failed(Failure::new("401", ""));
        metrics.tts_request_ended(&report(failed, &["first_audio_timeout", "401"]));
        assert_lines(
            &metrics,
            &[
                "voiced_stt_requests_total{outcome=\"complete\"} 1",
                "voiced_stt_requests_total{outcome=\"interrupted\"} 1",
                "voiced_stt_requests_total{outcome=\"failed\"} 0",
                "voiced_stt_attempt_errors_total{class=\"503\"} 1",
                "voiced_stt_audio_seconds_total 3",
                "voiced_tts_requests_total{outcome=\"failed\"} 1",
                "voiced_tts_attempt_errors_total{class=\"first_audio_timeout\"} 1",
                "voiced_tts_attempt_errors_total{class=\"401\"} 1",
                "voiced_tts_characters_total 12",
                "voiced_tts_audio_seconds_total 1.5",
            ],
        );
    }

    #[test]
    fn a_figure_that_was_not_measured_is_in_no_histogram() {
        let metrics = Metrics::default();
        assert_lines(&metrics, &["voiced_turn_heard_seconds_total 0", "voiced_turn_played_seconds_total 0"]);
        let turn = Spoken {
            end_of_turn_delay: Some(Duration::from_millis(500)),
            heard: Duration::from_millis(2250),
            ..Spoken::default()
        };
        metrics.turn_spoken(&turn);
        assert_lines(
            &metrics,
            &[
                "voiced_turn_end_of_turn_delay_seconds_bucket{le=\"0.4\"} 0",
                "voiced_turn_end_of_turn_delay_seconds_bucket{le=\"0.5\"} 1",
                "voiced_turn_heard_seconds_total 2.25",
            ],
        );
        let text = metrics.text();
        assert!(
            !text.contains("e2e_latency_seconds_count") && !text.contains("tts_ttfb_seconds_count"),
            "{text}"
        );
    }
}
