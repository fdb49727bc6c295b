//! How long a person spoke, from the verdicts of the detector: pure.

use std::time::{Duration, Instant};

use speech::vad::Event;

/// Adds up speech without the pauses in it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct SpeechTime {
    /// The first moment of the speech under way.
    since: Option<Instant>,
    length: Duration,
}

// === impl SpeechTime ===

impl SpeechTime {
    pub(super) fn step(&mut self, event: Event) {
        match event {
            Event::SpeechStarted { at } | Event::SpeechResumed { at } => self.since = Some(at),
            Event::SpeechPaused { at } | Event::SpeechEnded { at } => {
                let since = self.since.take();
                self.length += since.map_or(Duration::ZERO, |since| at.saturating_duration_since(since));
            }
        }
    }

    /// The speech since the last call. Speech that goes on counts once it has ended.
    pub(super) fn take(&mut self) -> Duration {
        std::mem::take(&mut self.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_do_not_count_and_speech_counts_once() {
        let zero = Instant::now();
        let at = |ms| zero + Duration::from_millis(ms);
        let mut time = SpeechTime::default();
        for event in [
            Event::SpeechStarted { at: at(100) },
            Event::SpeechPaused { at: at(400) },
            Event::SpeechResumed { at: at(600) },
            Event::SpeechEnded { at: at(1100) },
        ] {
            time.step(event);
        }
        assert_eq!(time.take(), Duration::from_millis(800));
        assert_eq!(time.take(), Duration::ZERO);
    }

    #[test]
    fn a_pause_that_becomes_the_end_counts_once() {
        let zero = Instant::now();
        let mut time = SpeechTime::default();
        time.step(Event::SpeechStarted { at: zero });
        time.step(Event::SpeechPaused { at: zero + Duration::from_millis(300) });
        time.step(Event::SpeechEnded { at: zero + Duration::from_millis(300) });
        assert_eq!(time.take(), Duration::from_millis(300));
    }
}
