//! The loudness of a block, in the units of its RTP header extension (RFC 6464).

/// The level of silence, in dBov: steps below the loudest possible signal.
pub(crate) const SILENCE: i8 = -127;
/// A louder block probably holds speech. Conference servers choose speakers by the level itself.
const VOICE: i8 = -50;

/// A sound this far below the loudest recent one is a pause between sounds.
const PAUSE: f32 = 25.0;
/// The loudest level decays by this much every 20 ms: after two minutes it is as low as a pause.
const FORGETTING: f32 = 0.0043;

/// Tells pauses from sounds by their level alone. The voice detector within Opus takes a steady tone, such as music or
/// a hum, for background noise, and DTX would send nearly nothing of it.
#[derive(Debug)]
pub(crate) struct Pauses {
    loudest: f32,
}

impl Default for Pauses {
    fn default() -> Self {
        Self { loudest: f32::from(SILENCE) }
    }
}

impl Pauses {
    /// Whether the next 20 ms, of this level, are a pause.
    pub(crate) fn is_pause(&mut self, level: i8) -> bool {
        self.loudest = (self.loudest - FORGETTING).max(f32::from(level));
        !is_voice(level) || f32::from(level) < self.loudest - PAUSE
    }
}

/// From 0, the loudest, to -127 dBov.
pub(crate) fn dbov(samples: &[i16]) -> i8 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let mean = energy / samples.len().max(1) as f64;
    let full_scale = f64::from(i16::MAX).powi(2);
    let level = (10.0 * (mean / full_scale).log10()).round();
    level.clamp(f64::from(SILENCE), 0.0) as i8
}

pub(crate) fn is_voice(level: i8) -> bool {
    level > VOICE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_is_silent_or_far_below_what_was_loud() {
        let mut pauses = Pauses::default();
        assert!(pauses.is_pause(SILENCE) && pauses.is_pause(VOICE));
        assert!((0..10_000).all(|_| !pauses.is_pause(-30)), "a sound that goes on is none");
        assert!(!pauses.is_pause(-10));
        assert!(pauses.is_pause(-36) && !pauses.is_pause(-34));
        let forgotten = (0..6_000).position(|_| !pauses.is_pause(-36));
        assert!(forgotten.is_some_and(|at| at > 100), "{forgotten:?}");
    }

    #[test]
    fn levels_run_from_silence_to_full_scale() {
        assert_eq!(dbov(&[]), SILENCE);
        assert_eq!(dbov(&[0; 480]), SILENCE);
        assert_eq!(dbov(&[i16::MAX; 480]), 0);
        assert_eq!(dbov(&[i16::MIN; 480]), 0);
        assert_eq!(dbov(&[i16::MAX / 10; 480]), -20);
        assert!(is_voice(-20) && !is_voice(SILENCE));
    }
}
