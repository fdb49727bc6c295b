//! What is recorded of a turn that was spoken, or whose reply was: figures made of the moments of the turn.
//!
//! A figure whose moments contradict each other, as when speech went on after the first sound of the reply, is left out:
//! it would be negative, and no figure at all is better than zero.

use std::time::{Duration, Instant};

use speech_services::Report;

use crate::telemetry::spans::{SpeechUsage, SpokenFigures};
use crate::voice::{SpokenReply, SpokenTurn};

/// The speech of a turn, for every place that records it.
#[derive(Clone, Debug, Default)]
pub(super) struct SpokenRecord {
    /// The last moment of the person's speech.
    pub(super) last_speech: Option<Instant>,
    /// From there to the first sound of the reply.
    pub(super) e2e_latency: Option<Duration>,
    /// The reply sounded.
    pub(super) has_sound: bool,
    pub(super) figures: SpokenFigures,
    /// The requests for transcripts, and those for speech.
    pub(super) stt: Vec<Report>,
    pub(super) tts: Vec<Report>,
}

/// How a person spoke a turn.
#[derive(Clone, Debug)]
pub(super) struct SpokenQuestion {
    last_speech: Option<Instant>,
    final_at: Option<Instant>,
    ended: Instant,
    heard: Duration,
    requests: Vec<Report>,
}

// === impl SpokenRecord ===

impl SpokenRecord {
    /// `question` is None for a turn that was written. `first_sound` is when the reply began to sound.
    pub(super) fn new(
        question: Option<SpokenQuestion>,
        reply: SpokenReply,
        first_sound: Option<Instant>,
    ) -> Self {
        let last_speech = question.as_ref().and_then(|question| question.last_speech);
        let since_speech = |at: Option<Instant>| at?.checked_duration_since(last_speech?);
        let figures = SpokenFigures {
            transcription_delay: since_speech(question.as_ref().and_then(|question| question.final_at)),
            end_of_turn_delay: since_speech(question.as_ref().map(|question| question.ended)),
            tts_ttfb: reply.time_to_first_byte,
            heard: question.as_ref().map(|question| question.heard).filter(|heard| !heard.is_zero()),
            played: reply.usage.map(|_| reply.played),
            cut: reply.cut,
            stt: question.as_ref().and_then(|question| usage(&question.requests)),
            tts: reply.usage,
        };
        Self {
            last_speech,
            e2e_latency: since_speech(first_sound),
            has_sound: first_sound.is_some(),
            figures,
            stt: question.map(|question| question.requests).unwrap_or_default(),
            tts: reply.requests,
        }
    }

    /// The latency of the turn, where `written` is the time from its end to the first word. A person who spoke waits from
    /// their last speech, and for the first sound where there is one.
    pub(super) fn latency(&self, written: Option<Duration>) -> Option<Duration> {
        match (self.last_speech, self.has_sound) {
            (None, _) => written,
            (Some(_), true) => self.e2e_latency,
            (Some(_), false) => Some(written? + self.figures.end_of_turn_delay?),
        }
    }
}

// === impl SpokenQuestion ===

impl From<SpokenTurn> for SpokenQuestion {
    fn from(turn: SpokenTurn) -> Self {
        let SpokenTurn { last_speech, final_at, ended, heard, requests, .. } = turn;
        Self { last_speech, final_at, ended, heard, requests }
    }
}

/// None: nothing was asked for.
fn usage(requests: &[Report]) -> Option<SpeechUsage> {
    let mut usage = SpeechUsage::default();
    requests.iter().for_each(|report| usage.add(report));
    (!requests.is_empty()).then_some(usage)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// A question whose last speech was at `zero`, with the other moments so long after it.
    fn question(zero: Instant, final_at: u64, ended: u64) -> SpokenQuestion {
        SpokenQuestion {
            last_speech: Some(zero),
            final_at: Some(zero + ms(final_at)),
            ended: zero + ms(ended),
            heard: ms(1300),
            requests: Vec::new(),
        }
    }

    fn record(question: SpokenQuestion, first_sound: Option<Instant>) -> SpokenRecord {
        SpokenRecord::new(Some(question), SpokenReply::default(), first_sound)
    }

    #[test]
    fn delays_count_from_the_last_speech() {
        let zero = Instant::now();
        let record = record(question(zero, 180, 500), Some(zero + ms(810)));
        let SpokenFigures { transcription_delay, end_of_turn_delay, heard, .. } = record.figures;
        assert_eq!(
            [transcription_delay, end_of_turn_delay, heard],
            [Some(ms(180)), Some(ms(500)), Some(ms(1300))]
        );
        assert_eq!(record.latency(Some(ms(200))), Some(ms(810)));
    }

    #[test]
    fn a_figure_whose_moments_disagree_is_left_out() {
        let zero = Instant::now();
        let early = question(zero + ms(1000), 0, 500);
        let early = SpokenQuestion { final_at: Some(zero), ..early };
        let record = record(early, Some(zero + ms(900)));
        assert_eq!((record.figures.transcription_delay, record.e2e_latency), (None, None));
        assert_eq!(record.latency(Some(ms(200))), None);
        assert_eq!(record.figures.end_of_turn_delay, Some(ms(500)), "the others stay");
    }

    #[test]
    fn a_reply_without_sound_is_waited_for_until_its_first_word() {
        let zero = Instant::now();
        let silent = record(question(zero, 180, 500), None);
        assert_eq!(silent.latency(Some(ms(200))), Some(ms(700)));
        assert_eq!(silent.latency(None), None);
        let written = SpokenRecord::new(None, SpokenReply::default(), None);
        assert_eq!(written.latency(Some(ms(200))), Some(ms(200)));
    }

    #[test]
    fn a_written_turn_with_a_spoken_reply_has_figures_of_the_voice_alone() {
        let reply = SpokenReply {
            usage: Some(SpeechUsage { characters: 12, ..SpeechUsage::default() }),
            time_to_first_byte: Some(ms(90)),
            played: ms(1190),
            ..SpokenReply::default()
        };
        let record = SpokenRecord::new(None, reply, Some(Instant::now()));
        let SpokenFigures { tts_ttfb, played, heard, stt, end_of_turn_delay, .. } = record.figures;
        assert_eq!((tts_ttfb, played), (Some(ms(90)), Some(ms(1190))));
        assert_eq!((heard, stt, end_of_turn_delay), (None, None, None));
        assert_eq!(record.latency(Some(ms(200))), Some(ms(200)));
    }
}
