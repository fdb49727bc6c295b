//! Whether sound was struck rather than spoken.
//!
//! The model takes the first chord of a guitar after silence for a syllable. A string is at its loudest within
//! milliseconds and only decays from there; a voice needs longer, and grows louder after its first pulse. What was
//! struck is doubtful speech for [`DOUBT`] blocks, unless it grows louder.

/// The samples of a block: 4 ms.
pub(super) const BLOCK: usize = 64;
/// How much louder than the sound before it an attack is, as energy: 20 dB.
const JUMP: f32 = 100.0;
/// How much louder a voice grows, as energy: 2 dB.
const GROWTH: f32 = 1.6;
/// The blocks of an attack, and the blocks for which it is remembered: 12 and 384 ms.
const ATTACK: u32 = 3;
const DOUBT: u32 = 96;
/// The energy below which an attack is none: -70 dB.
const INAUDIBLE: f32 = 1e-7;

#[derive(Default)]
pub(super) struct Onset {
    /// The energy before, smoothed over 32 ms.
    before: f32,
    /// The energy of the attack, and the blocks since it began.
    attack: Option<(f32, u32)>,
}

impl Onset {
    /// Takes the mean energy of a block in.
    pub(super) fn hear(&mut self, energy: f32) {
        let jumped = energy > JUMP * self.before.max(INAUDIBLE / JUMP);
        self.attack = match self.attack {
            None if jumped => Some((energy, 1)),
            Some((attack, blocks)) if blocks < ATTACK => Some((attack.max(energy), blocks + 1)),
            Some((attack, blocks)) if blocks < DOUBT && energy < GROWTH * attack => {
                Some((attack, blocks + 1))
            }
            _ => None,
        };
        self.before += (energy - self.before) / 8.0;
    }

    /// Whether what is heard was struck.
    pub(super) fn is_struck(&self) -> bool {
        self.attack.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn struck_for(energies: impl Iterator<Item = f32>) -> usize {
        let mut onset = Onset::default();
        energies.filter(|energy| (onset.hear(*energy), onset.is_struck()).1).count()
    }

    #[test]
    fn what_is_loudest_at_once_is_struck_for_a_third_of_a_second() {
        let silence = [0.0; 20].into_iter();
        let string = (0..200).map(|block| 0.01 * 0.99_f32.powi(block));
        assert_eq!(struck_for(silence.chain(string)), DOUBT as usize);
    }

    #[test]
    fn what_grows_louder_is_no_longer_struck() {
        let silence = [0.0; 20].into_iter();
        let voice = (1..200).map(|block| 0.01 * (block as f32 / 10.0).min(1.0));
        assert!(struck_for(silence.chain(voice)) <= 4);
    }

    #[test]
    fn steady_sound_was_not_struck() {
        let mut onset = Onset::default();
        (0..300).for_each(|_| onset.hear(0.01));
        assert!(!onset.is_struck());
    }
}
