//! Which sound is loud enough to be the person: a gate relative to the person's own level.
//!
//! Silero calls the babble of a crowd speech, and it is. The voices in it are far below the person in front of the
//! microphone, so a window counts only within [`Settings::below_person`](super::Settings) of the level that this person
//! speaks at. That level is the upper seventh of what counted, so a word in a low voice, 20 dB below, counts.
//!
//! Before a person was heard the gate is at [`FIRST`]. What is quieter counts once it has fallen silent for a moment
//! ([`Doubtful`]): one voice does that after a word, and many voices at a time do not. So a first "yes" on a quiet
//! microphone is heard at its end. So is a word that began as hard as what is struck: a string goes on sounding when it
//! no longer sounds like speech.

use super::level::SILENCE;

/// The gate before the person was heard, in dB below full scale.
const FIRST: f32 = -38.0;
/// What is quieter is never a person.
pub(super) const INAUDIBLE: f32 = -62.0;
/// How much lower the gate is while speech goes on.
const STAY: f32 = 2.0;
/// The windows after which a person counts as unknown again: half a minute without speech.
const FORGOTTEN: u32 = 940;
/// A doubtful word: how far it falls at its end, in dB, for how many windows, and within how many from its beginning.
const WORD_FALL: f32 = 15.0;
const WORD_GAP: u32 = 3;
const WORD_LONGEST: u32 = 47;
/// The windows of speech that a word has at least, and how many behind the last of them it is known to have ended.
const WORD_SHORTEST: u32 = 2;
const WORD_END: u32 = 6;
/// How many windows of a person's speech the level is learned from in large steps.
const FIRST_WINDOWS: u32 = 30;

pub(super) struct Gate {
    below_person: f32,
    /// The person's level, and the windows it was learned from.
    person: Option<f32>,
    learned: u32,
    /// The windows since speech was last counted.
    unheard: u32,
    doubtful: Doubtful,
}

/// What a window sounds like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sound {
    Speech,
    /// Speech, but it began as what is struck does.
    Struck,
    Other,
}

/// What a window is to the person's speech.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    Nothing,
    Speech,
    /// Nothing, but what was heard before was a word: it began so many windows ago, and since so many it is silent.
    Word {
        began: u32,
        silent: u32,
    },
}

/// Speech that does not count yet, from its first window to the silence behind it.
#[derive(Default)]
struct Doubtful {
    /// The windows since it began, those of speech, and the silent ones since the last of them.
    windows: u32,
    spoken: u32,
    silent: u32,
    /// The windows since the last one of speech.
    behind: u32,
    highest: f32,
}

// === impl Gate ===

impl Gate {
    pub(super) fn new(below_person: f32) -> Self {
        Self { below_person, person: None, learned: 0, unheard: 0, doubtful: Doubtful::default() }
    }

    /// The level that the person speaks at, once it is known.
    pub(super) fn person(&self) -> Option<f32> {
        self.person
    }

    /// The level from which a window can count. Below it the model need not be asked.
    pub(super) fn audible(&self) -> f32 {
        if self.is_strict() { self.threshold(true).max(INAUDIBLE) } else { INAUDIBLE }
    }

    /// What a window at this level is. `goes_on` while it follows speech that counts.
    pub(super) fn judge(&mut self, sound: Sound, level: f32, goes_on: bool) -> Said {
        let is_loud = level >= self.threshold(goes_on).max(INAUDIBLE);
        if is_loud && sound == Sound::Speech {
            self.doubtful = Doubtful::default();
            self.learn(level);
            return Said::Speech;
        }
        self.unheard = self.unheard.saturating_add(1);
        if goes_on {
            return Said::Nothing;
        }
        let word = self.doubtful.hear(sound != Sound::Other && (is_loud || !self.is_strict()), level);
        if let Said::Word { .. } = word {
            if !self.is_strict() {
                (self.person, self.learned) = (None, 0);
            }
            self.learn(self.doubtful.highest);
            self.doubtful = Doubtful::default();
        }
        word
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
    fn learn(&mut self, level: f32) {
        self.unheard = 0;
        let step = if self.learned < FIRST_WINDOWS { 4.0 } else { 1.0 };
        let person = self.person.unwrap_or(level);
        let moved = if level > person { person + 0.6 * step } else { person - 0.1 * step };
        self.person = Some(moved.clamp(INAUDIBLE, 0.0));
        self.learned = self.learned.saturating_add(1);
    }
}

// === impl Doubtful ===

impl Doubtful {
    fn hear(&mut self, is_speech: bool, level: f32) -> Said {
        if self.windows == 0 && (!is_speech || level < INAUDIBLE) {
            return Said::Nothing;
        }
        self.windows += 1;
        self.spoken += u32::from(is_speech);
        self.behind = if is_speech { 0 } else { self.behind + 1 };
        self.highest = if self.windows == 1 { level } else { self.highest.max(level) };
        self.silent = if level <= self.highest - WORD_FALL { self.silent + 1 } else { 0 };
        if self.silent < WORD_GAP {
            return Said::Nothing;
        }
        let word = Said::Word { began: self.windows, silent: self.silent };
        let is_word = self.windows <= WORD_LONGEST && self.spoken >= WORD_SHORTEST && self.behind <= WORD_END;
        let highest = self.highest;
        *self = Self::default();
        self.highest = highest;
        if is_word { word } else { Said::Nothing }
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

    /// How much counts of speech whose level swings by `range` dB around `mean`, four times a second.
    fn speech(gate: &mut Gate, mean: f32, range: f32, windows: u32) -> u32 {
        let level = |at: u32| mean + range / 2.0 * (at as f32 * 0.785).sin();
        (0..windows).filter(|at| gate.judge(Sound::Speech, level(*at), false) != Said::Nothing).count() as u32
    }

    /// What becomes of a word of so many windows, and of the silence behind it.
    fn word(gate: &mut Gate, level: f32, windows: u32) -> Vec<Said> {
        let spoken = (0..windows).map(|_| (Sound::Speech, level)).chain([(Sound::Other, -90.0); 8]);
        spoken
            .map(|(sound, level)| gate.judge(sound, level, false))
            .filter(|said| *said != Said::Nothing)
            .collect()
    }

    #[test]
    fn the_voice_of_a_known_person_counts_and_babble_30_db_below_does_not() {
        let mut gate = Gate::new(23.0);
        assert!(speech(&mut gate, -20.0, 20.0, 200) > 190);
        assert_eq!(speech(&mut gate, -50.0, 8.0, 600), 0);
        assert!(speech(&mut gate, -20.0, 20.0, 20) > 18);
    }

    #[test]
    fn a_word_20_db_below_the_person_counts() {
        let mut gate = Gate::new(23.0);
        speech(&mut gate, -20.0, 6.0, 200);
        assert!(speech(&mut gate, -40.0, 2.0, 8) >= 6);
    }

    #[test]
    fn babble_before_the_first_word_does_not_count_at_42_db_below_full_scale() {
        assert_eq!(speech(&mut Gate::new(23.0), -46.0, 8.0, 600), 0);
    }

    #[test]
    fn a_quiet_first_word_counts_once_it_has_ended_and_the_next_at_once() {
        let mut gate = Gate::new(23.0);
        assert_eq!(word(&mut gate, -50.0, 6), [Said::Word { began: 9, silent: 3 }]);
        assert_eq!(word(&mut gate, -52.0, 6), [Said::Speech; 6]);
    }

    #[test]
    fn a_crowd_that_falls_silent_is_no_word() {
        let mut gate = Gate::new(23.0);
        assert_eq!(word(&mut gate, -46.0, 100), []);
        assert_eq!(word(&mut gate, -80.0, 6), [], "nor is what can hardly be heard");
    }

    #[test]
    fn what_began_hard_is_a_word_if_it_ends_as_one() {
        let mut gate = Gate::new(23.0);
        speech(&mut gate, -20.0, 6.0, 200);
        let word = |behind: f32| [(Sound::Struck, -20.0); 6].into_iter().chain([(Sound::Other, behind); 20]);
        let mut said = |windows: &mut dyn Iterator<Item = (Sound, f32)>| {
            windows
                .map(|(sound, level)| gate.judge(sound, level, false))
                .filter(|said| *said != Said::Nothing)
                .count()
        };
        assert_eq!(said(&mut word(-70.0)), 1);
        let string = (0..40).map(|at| (Sound::Other, -20.0 - at as f32));
        assert_eq!(
            said(&mut word(-24.0).chain(string)),
            0,
            "a string fades when it no longer sounds like speech"
        );
    }

    #[test]
    fn the_level_follows_a_person_who_speaks_up_after_a_crowd_was_taken_for_them() {
        let mut gate = Gate::new(23.0);
        speech(&mut gate, -36.0, 2.0, 100);
        speech(&mut gate, -12.0, 10.0, 120);
        assert!(gate.person().unwrap() > -20.0, "{:?}", gate.person());
    }

    #[test]
    fn a_person_unheard_for_half_a_minute_may_speak_more_quietly() {
        let mut gate = Gate::new(23.0);
        speech(&mut gate, -12.0, 12.0, 200);
        assert_eq!(word(&mut gate, -45.0, 6), []);
        (0..FORGOTTEN).for_each(|_| _ = gate.judge(Sound::Other, -80.0, false));
        assert_eq!(word(&mut gate, -45.0, 6).len(), 1);
    }

    #[test]
    fn the_energy_provider_asks_for_9_db_above_the_background() {
        assert!(probability_of_level(-40.0, Some(-60.0)) > 0.9);
        assert!(probability_of_level(-55.0, Some(-60.0)) < 0.2);
        assert_eq!(probability_of_level(SILENCE, Some(SILENCE)), 0.0);
    }
}
