//! What counts as speech, and since when.

use std::time::Duration;

/// What tells speech from other sound.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Provider {
    /// Silero's model: about 3 ms of processor time for a second of sound.
    #[default]
    Silero,
    /// Loudness above the background: nearly free, and music, tones and clicks are speech to it.
    Energy,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    pub provider: Provider,
    /// The probability from which a window begins speech: 0.5.
    pub start: f32,
    /// The probability below which a window is silence: 0.35.
    pub stop: f32,
    /// How long speech has to last before it counts: 50 ms.
    pub min_speech: Duration,
    /// The silence after which a pause is told, when a batch recogniser can be asked: 64 ms.
    pub pause: Duration,
    /// The silence after which speech has ended: 250 ms.
    pub min_silence: Duration,
    /// The sound before the speech that belongs to it: 500 ms.
    pub prefix: Duration,
    /// The time without a frame after which speech has ended, as when the person is muted in a word: 400 ms.
    pub missing: Duration,
    /// How far below the person's own level sound still counts, in dB: 23.
    pub below_person: f32,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            provider: Provider::Silero,
            start: 0.5,
            stop: 0.35,
            min_speech: Duration::from_millis(50),
            pause: Duration::from_millis(64),
            min_silence: Duration::from_millis(250),
            prefix: Duration::from_millis(500),
            missing: Duration::from_millis(400),
            below_person: 23.0,
        }
    }
}
