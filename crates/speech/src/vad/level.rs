//! Loudness of windows, and the quietest of the last seconds.

use super::onset::{self, Onset};
use super::silero::WINDOW;

/// The level of digital silence, in dB below full scale.
pub(super) const SILENCE: f32 = -100.0;
/// The windows of one block of [`Floor`]: a second.
const BLOCK: u32 = 31;

/// Measures windows above 120 Hz, so that hum and an offset of the converter do not count.
#[derive(Default)]
pub(super) struct Meter {
    last_input: f32,
    last_output: f32,
    onset: Onset,
}

/// The background: the lowest smoothed level of the last three to four seconds.
pub(super) struct Floor {
    smoothed: f32,
    blocks: [f32; 4],
    seen: u32,
}

// === impl Meter ===

impl Meter {
    /// The mean level of a window, in dB below full scale.
    pub(super) fn level(&mut self, window: &[f32; WINDOW]) -> f32 {
        let mut energy = 0.0;
        for block in window.chunks_exact(onset::BLOCK) {
            let block = self.energy(block);
            self.onset.hear(block / onset::BLOCK as f32);
            energy += block;
        }
        (10.0 * (energy / WINDOW as f32).max(1e-12).log10()).max(SILENCE)
    }

    /// Whether what is heard was struck rather than spoken.
    pub(super) fn is_struck(&self) -> bool {
        self.onset.is_struck()
    }

    fn energy(&mut self, block: &[f32]) -> f32 {
        let mut energy = 0.0;
        for &sample in block {
            self.last_output = 0.955 * (self.last_output + sample - self.last_input);
            self.last_input = sample;
            energy += self.last_output * self.last_output;
        }
        energy
    }
}

// === impl Floor ===

impl Floor {
    pub(super) fn new() -> Self {
        Self { smoothed: 0.0, blocks: [f32::INFINITY; 4], seen: 0 }
    }

    pub(super) fn hear(&mut self, level: f32) {
        self.smoothed = if self.seen == 0 { level } else { 0.7 * self.smoothed + 0.3 * level };
        if self.seen.is_multiple_of(BLOCK) {
            self.blocks.rotate_right(1);
            self.blocks[0] = self.smoothed;
        }
        self.blocks[0] = self.blocks[0].min(self.smoothed);
        self.seen = self.seen.saturating_add(1);
    }

    /// None in the first second.
    pub(super) fn level(&self) -> Option<f32> {
        (self.seen >= BLOCK).then(|| self.blocks.iter().copied().fold(f32::INFINITY, f32::min))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(hertz: f32, amplitude: f32) -> [f32; WINDOW] {
        std::array::from_fn(|at| amplitude * (std::f32::consts::TAU * hertz * at as f32 / 16_000.0).sin())
    }

    #[test]
    fn a_tone_of_full_scale_has_three_decibels_below_it() {
        assert!((Meter::default().level(&tone(1000.0, 1.0)) + 3.0).abs() < 0.4);
        assert_eq!(Meter::default().level(&[0.0; WINDOW]), SILENCE);
    }

    #[test]
    fn a_constant_offset_is_silence_after_a_few_windows() {
        let mut meter = Meter::default();
        let last = (0..10).map(|_| meter.level(&[0.3; WINDOW])).last().unwrap();
        assert!(last < -90.0, "{last}");
    }

    #[test]
    fn the_floor_follows_the_background_within_four_seconds() {
        let mut floor = Floor::new();
        (0..BLOCK - 1).for_each(|_| floor.hear(-60.0));
        assert_eq!(floor.level(), None);
        (0..4 * BLOCK).for_each(|_| floor.hear(-60.0));
        (0..5).for_each(|_| floor.hear(-20.0));
        assert!((floor.level().unwrap() + 60.0).abs() < 0.1, "a word does not raise it");
        (0..5 * BLOCK).for_each(|_| floor.hear(-40.0));
        assert!((floor.level().unwrap() + 40.0).abs() < 0.1);
    }
}
