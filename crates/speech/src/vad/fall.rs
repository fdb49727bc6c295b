//! A fall of the level, which is there before a window is: the end of a word to a detector that goes by loudness.

use super::Level;
use super::level::SILENCE;

/// The samples of a block: 5 ms.
pub(super) const BLOCK: usize = 80;
/// The low blocks in a row that are a fall.
const LOW: usize = 3;
/// How far above the background a block is low, in dB.
const NEAR_BACKGROUND: f32 = 6.0;
/// The falls of an utterance that are told. Each asks a recogniser, in vain when the person goes on: who talks in
/// snatches is heard by windows.
const MOST: u32 = 4;

/// Hears one utterance.
#[derive(Default)]
pub(super) struct Fall {
    sum: f32,
    squares: f32,
    samples: usize,
    low: usize,
    told: u32,
}

// === impl Fall ===

impl Fall {
    /// An utterance begins.
    pub(super) fn begin(&mut self) {
        self.told = 0;
        self.low = 0;
    }

    /// Takes in a frame within speech. Some: the level has fallen, so many samples before the frame's end.
    pub(super) fn hear(&mut self, frame: &[i16], level: Level, below_person: f32) -> Option<usize> {
        let enough = level.person.map(|person| person - below_person);
        let background = level.background.map(|background| background + NEAR_BACKGROUND);
        let enough = enough.into_iter().chain(background).fold(SILENCE + NEAR_BACKGROUND, f32::max);
        for sample in frame {
            let Some(level) = self.add(*sample) else { continue };
            self.low = if level < enough { self.low + 1 } else { 0 };
        }
        // What is left of a block counts with it.
        let is_fall = self.low >= LOW && self.told < MOST;
        is_fall.then(|| {
            self.told += 1;
            std::mem::take(&mut self.low) * BLOCK + self.samples
        })
    }

    /// The level of a block, once it is full.
    fn add(&mut self, sample: i16) -> Option<f32> {
        let sample = f32::from(sample) / 32_768.0;
        (self.sum, self.squares) = (self.sum + sample, self.squares + sample * sample);
        self.samples += 1;
        if self.samples < BLOCK {
            return None;
        }
        let (sum, squares) = (self.sum, self.squares);
        (self.sum, self.squares, self.samples) = (0.0, 0.0, 0);
        let mean = sum / BLOCK as f32;
        Some(10.0 * (squares / BLOCK as f32 - mean * mean).max(1e-12).log10())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEVEL: Level = Level { now: -20.0, person: Some(-20.0), background: Some(-70.0) };

    fn tone(samples: usize, amplitude: f32) -> Vec<i16> {
        (0..samples).map(|at| (amplitude * 32_767.0 * (at as f32 * 0.4).sin()) as i16).collect()
    }

    #[test]
    fn three_low_blocks_are_a_fall_and_an_offset_is_no_sound() {
        let mut fall = Fall::default();
        assert_eq!(fall.hear(&tone(800, 0.1), LEVEL, 23.0), None);
        assert_eq!(fall.hear(&[300; 2 * BLOCK], LEVEL, 23.0), None, "two are not enough");
        assert_eq!(fall.hear(&[300; BLOCK], LEVEL, 23.0), Some(3 * BLOCK));
        assert_eq!(fall.hear(&[300; BLOCK], LEVEL, 23.0), None, "it is told once");
    }

    #[test]
    fn an_utterance_has_four_falls_and_the_next_has_them_again() {
        let mut fall = Fall::default();
        let falls =
            |fall: &mut Fall| (0..9).filter(|_| fall.hear(&[0; LOW * BLOCK], LEVEL, 23.0).is_some()).count();
        assert_eq!(falls(&mut fall), MOST as usize);
        fall.begin();
        assert_eq!(falls(&mut fall), MOST as usize);
    }

    #[test]
    fn frames_need_not_be_whole_blocks() {
        let mut fall = Fall::default();
        let falls: Vec<_> = (0..4).filter_map(|_| fall.hear(&[0; 70], LEVEL, 23.0)).collect();
        assert_eq!(falls, [3 * BLOCK + 40]);
    }
}
