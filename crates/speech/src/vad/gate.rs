//! Which sound is loud enough to be the person: a gate relative to the person's own level.
//!
//! Silero calls the babble of a crowd speech, and it is. The voices in it are far below the person in front of the
//! microphone, so a window counts only within [`Settings::below_person`](super::Settings) of the level that this person
//! speaks at. That level is the upper seventh of what counted, so a word in a low voice, 20 dB below, counts.
//!
//! Before a person was heard the gate is at [`FIRST`]. What is quieter counts after a second, if it rises and falls as
//! one voice does: many voices at a time leave no gaps. So a person with a quiet microphone is heard from the first
//! sentence on, if not from the first word.

use super::level::SILENCE;

/// The gate before the person was heard, in dB below full scale.
const FIRST: f32 = -38.0;
/// What is quieter is never a person.
pub(super) const INAUDIBLE: f32 = -62.0;
/// How much lower the gate is while speech goes on.
const STAY: f32 = 2.0;
/// The windows after which a person counts as unknown again: half a minute without speech.
const FORGOTTEN: u32 = 940;
/// A quiet voice: windows that it has to go on, windows at its beginning that do not count, and how far it has to rise
/// and fall, in dB.
const VOICE_WINDOWS: u32 = 31;
const VOICE_ONSET: u32 = 5;
const VOICE_RANGE: f32 = 18.0;
/// The windows without speech that end a run of a quiet voice.
const VOICE_GAP: u32 = 8;
/// How many windows of a person's speech the level is learned from in large steps.
const FIRST_WINDOWS: u32 = 30;

pub(super) struct Gate {
    below_person: f32,
    /// The person's level, and the windows it was learned from.
    person: Option<f32>,
    learned: u32,
    /// The windows since speech was last counted.
    unheard: u32,
    voice: QuietVoice,
}

/// A run of speech below the gate.
#[derive(Default)]
struct QuietVoice {
    windows: u32,
    gap: u32,
    lowest: f32,
    highest: f32,
    smoothed: f32,
}

// === impl Gate ===

impl Gate {
    pub(super) fn new(below_person: f32) -> Self {
        Self { below_person, person: None, learned: 0, unheard: 0, voice: QuietVoice::default() }
    }

    /// The level that the person speaks at, once it is known.
    pub(super) fn person(&self) -> Option<f32> {
        self.person
    }

    /// The level from which a window can count. Below it the model need not be asked.
    pub(super) fn audible(&self) -> f32 {
        if self.is_strict() { self.threshold(true).max(INAUDIBLE) } else { INAUDIBLE }
    }

    /// Whether speech at this level is the person's. `goes_on` while it follows speech that was.
    pub(super) fn counts(&mut self, is_speech: bool, level: f32, goes_on: bool) -> bool {
        let loud = level >= self.threshold(goes_on).max(INAUDIBLE);
        let quiet_voice = self.voice.hear(is_speech, level) && !self.is_strict();
        let counts = is_speech && (loud || quiet_voice);
        if counts {
            self.learn(level, quiet_voice && !loud);
        } else {
            self.unheard = self.unheard.saturating_add(1);
        }
        counts
    }

    /// Whether the person was heard of late, so that only the distance to this level counts.
    fn is_strict(&self) -> bool {
        self.person.is_some() && self.unheard < FORGOTTEN
    }

    fn threshold(&self, goes_on: bool) -> f32 {
        let start = self.person.map_or(FIRST, |person| person - self.below_person);
        if goes_on { start - STAY } else { start }
    }

    /// Steps of these sizes end where one window in seven is louder.
    fn learn(&mut self, level: f32, anew: bool) {
        self.unheard = 0;
        let step = if self.learned < FIRST_WINDOWS { 4.0 } else { 1.0 };
        let person = if anew { level } else { self.person.unwrap_or(level) };
        let moved = if level > person { person + 0.6 * step } else { person - 0.1 * step };
        self.person = Some(moved.clamp(INAUDIBLE, 0.0));
        self.learned = if anew { 0 } else { self.learned.saturating_add(1) };
    }
}

// === impl QuietVoice ===

impl QuietVoice {
    /// Takes a window in; true while what was heard rises and falls as one voice does.
    fn hear(&mut self, is_speech: bool, level: f32) -> bool {
        if !is_speech {
            self.gap += 1;
            if self.gap > VOICE_GAP {
                *self = Self::default();
            }
            return false;
        }
        let level = level.max(INAUDIBLE - STAY);
        self.gap = 0;
        self.windows += 1;
        self.smoothed = if self.windows == 1 { level } else { 0.5 * (self.smoothed + level) };
        if self.windows == VOICE_ONSET {
            (self.lowest, self.highest) = (self.smoothed, self.smoothed);
        }
        if self.windows >= VOICE_ONSET {
            self.lowest = self.lowest.min(self.smoothed);
            self.highest = self.highest.max(self.smoothed);
        }
        // Where a crowd falls silent the level falls as well, and does not come back.
        let is_back = level > self.highest - VOICE_RANGE / 2.0;
        self.windows >= VOICE_WINDOWS && is_back && self.highest - self.lowest >= VOICE_RANGE
    }
}

/// The energy provider's probability: half where the level is 9 dB above the background.
pub(super) fn probability_of_level(level: f32, floor: Option<f32>) -> f32 {
    if level < INAUDIBLE || level <= SILENCE {
        return 0.0;
    }
    let above = level - floor.unwrap_or(INAUDIBLE).max(INAUDIBLE) - 9.0;
    1.0 / (1.0 + (-above / 2.0).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Speech whose level swings by `range` dB around `mean`, four times a second.
    fn speech(gate: &mut Gate, mean: f32, range: f32, windows: u32) -> u32 {
        let level = |at: u32| mean + range / 2.0 * (at as f32 * 0.785).sin();
        (0..windows).filter(|at| gate.counts(true, level(*at), false)).count() as u32
    }

    #[test]
    fn the_voice_of_a_known_person_counts_and_babble_30_db_below_does_not() {
        let mut gate = Gate::new(24.0);
        assert!(speech(&mut gate, -20.0, 20.0, 200) > 190);
        assert_eq!(speech(&mut gate, -50.0, 8.0, 600), 0);
        assert!(speech(&mut gate, -20.0, 20.0, 20) > 18);
    }

    #[test]
    fn a_word_20_db_below_the_person_counts() {
        let mut gate = Gate::new(24.0);
        speech(&mut gate, -20.0, 6.0, 200);
        assert!(speech(&mut gate, -40.0, 2.0, 8) >= 6);
    }

    #[test]
    fn babble_before_the_first_word_does_not_count_at_42_db_below_full_scale() {
        assert_eq!(speech(&mut Gate::new(24.0), -46.0, 8.0, 600), 0);
    }

    #[test]
    fn a_quiet_voice_counts_after_a_second_and_from_then_on_at_once() {
        let mut gate = Gate::new(24.0);
        let counted = speech(&mut gate, -50.0, 34.0, 100);
        assert!((20..75).contains(&counted), "{counted}");
        assert!(speech(&mut gate, -50.0, 34.0, 20) > 8);
    }

    #[test]
    fn a_crowd_that_falls_silent_is_no_voice() {
        let mut gate = Gate::new(24.0);
        assert_eq!(speech(&mut gate, -46.0, 8.0, 100), 0);
        assert!((0..5).all(|_| !gate.counts(true, -90.0, false)));
    }

    #[test]
    fn the_level_follows_a_person_who_speaks_up_after_a_crowd_was_taken_for_them() {
        let mut gate = Gate::new(24.0);
        speech(&mut gate, -36.0, 2.0, 100);
        speech(&mut gate, -12.0, 10.0, 120);
        assert!(gate.person().unwrap() > -20.0, "{:?}", gate.person());
    }

    #[test]
    fn a_person_unheard_for_half_a_minute_may_speak_more_quietly() {
        let mut gate = Gate::new(24.0);
        speech(&mut gate, -12.0, 12.0, 200);
        assert_eq!(speech(&mut gate, -51.0, 34.0, 100), 0);
        (0..FORGOTTEN).for_each(|_| _ = gate.counts(false, -80.0, false));
        assert!(speech(&mut gate, -51.0, 34.0, 100) > 20);
    }

    #[test]
    fn the_energy_provider_asks_for_9_db_above_the_background() {
        assert!(probability_of_level(-40.0, Some(-60.0)) > 0.9);
        assert!(probability_of_level(-55.0, Some(-60.0)) < 0.2);
        assert_eq!(probability_of_level(SILENCE, Some(SILENCE)), 0.0);
    }
}
