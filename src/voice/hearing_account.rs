//! What is counted and logged of one microphone.

use speech::vad::Level;
use speech_services::Report;

use crate::metrics::{Metrics, Wordless};
use crate::room::audio::RATE;

/// Sounds without words are logged for each of the first few, then only counted: a room can be full of them.
const LOGGED: u64 = 5;
/// The samples of a frame.
const FRAME: u64 = RATE as u64 / 100;

pub(super) struct HearingAccount {
    metrics: Metrics,
    /// The sounds that made no request so far.
    passed_over: u64,
    /// The sounds that were logged.
    logged: u64,
    /// The samples that speech to text did not take.
    dropped: u64,
}

// === impl HearingAccount ===

impl HearingAccount {
    pub(super) fn new(metrics: &Metrics) -> Self {
        Self { metrics: metrics.clone(), passed_over: 0, logged: 0, dropped: 0 }
    }

    /// Speech to text did not take so many samples in all.
    pub(super) fn dropped(&mut self, samples: u64) {
        if samples <= self.dropped {
            return;
        }
        let frames = |samples: u64| samples / FRAME;
        self.metrics.instruments.frames_dropped.add_many(frames(samples) - frames(self.dropped), ());
        if std::mem::replace(&mut self.dropped, samples) == 0 {
            tracing::warn!(
                "speech to text does not keep up: frames of the microphone are dropped; see whether its server is \
                 overloaded"
            );
        }
    }

    /// So many sounds in all were like speech and made no request.
    pub(super) fn passed_over(&mut self, count: u64, level: Level) {
        let new = count.saturating_sub(std::mem::replace(&mut self.passed_over, count));
        if new == 0 {
            return;
        }
        self.metrics.instruments.speech_wordless.add_many(new, Wordless::NoRequest);
        if self.may_log() {
            let Level { now, person, background } = level;
            tracing::info!(
                level = now,
                person,
                background,
                "a sound like speech made no request: it was too short, too quiet or struck (levels in dB)"
            );
        }
    }

    /// Speech was transcribed, and had no words.
    pub(super) fn no_words(&mut self) {
        self.metrics.instruments.speech_wordless.add(Wordless::NoWords);
        if self.may_log() {
            tracing::info!("what sounded like speech had no words; it is no turn");
        }
    }

    /// Speech was the agent's own, which came back.
    pub(super) fn echo(&mut self) {
        self.metrics.instruments.speech_wordless.add(Wordless::Echo);
        if self.may_log() {
            tracing::info!("the agent's own words came back through the microphone; they are no turn");
        }
    }

    /// A request for a transcript is over.
    pub(super) fn request(&self, report: &Report) {
        self.metrics.stt_request_ended(report);
    }

    fn may_log(&mut self) -> bool {
        self.logged += 1;
        self.logged <= LOGGED
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::tests as log;

    const LEVEL: Level = Level { now: -40.0, person: None, background: None };

    #[test]
    fn sounds_are_counted_one_by_one_and_logged_a_few_times() {
        let metrics = Metrics::default();
        let mut account = HearingAccount::new(&metrics);
        let said = log::said(|| (1..=10).for_each(|count| account.passed_over(2 * count, LEVEL)));
        assert_eq!(said.matches("made no request").count(), 5, "{said}");
        account.passed_over(20, LEVEL);
        account.no_words();
        account.echo();
        for (result, count) in [("no_request", 20), ("no_words", 1), ("echo", 1)] {
            let line = format!("voiced_speech_wordless_total{{result=\"{result}\"}} {count}\n");
            assert!(metrics.text().contains(&line), "{}", metrics.text());
        }
    }

    #[test]
    fn dropped_frames_are_counted_each_and_logged_once() {
        let metrics = Metrics::default();
        let mut account = HearingAccount::new(&metrics);
        // They are dropped by pieces of five.
        let said = log::said(|| (0..100).for_each(|at| account.dropped(at / 10 * 5 * FRAME)));
        assert_eq!(said.matches("does not keep up").count(), 1, "{said}");
        assert!(metrics.text().contains("voiced_speech_frames_dropped_total 45\n"));
    }
}
