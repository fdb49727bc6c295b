//! How loud a person is, by which the echo of our voice is told from them before its words are known.

/// Sound so far below the person's own level is an echo rather than the person, in dB.
const QUIET: f32 = -10.0;
/// The share of a new utterance in the person's level.
const SHARE: f32 = 0.3;

/// The loudest windows, in dB below full scale.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Loudness {
    /// Of this person's utterances that had words.
    person: Option<f32>,
    /// Of the utterance under way.
    utterance: Option<f32>,
}

// === impl Loudness ===

impl Loudness {
    pub(super) fn begin(&mut self) {
        self.utterance = None;
    }

    /// A window of the utterance under way.
    pub(super) fn hear(&mut self, level: f32) {
        self.utterance = Some(self.utterance.map_or(level, |loudest| loudest.max(level)));
    }

    /// The utterance was the person's.
    pub(super) fn is_person(&mut self) {
        let Some(level) = self.utterance else { return };
        self.person = Some(self.person.map_or(level, |person| person + SHARE * (level - person)));
    }

    /// The utterance relative to the person, in dB; None until both are known.
    pub(super) fn relative(&self) -> Option<f32> {
        Some(self.utterance? - self.person?)
    }

    /// Whether the utterance is too quiet for the person so far.
    pub(super) fn is_quiet(&self) -> bool {
        self.relative().is_some_and(|level| level <= QUIET)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utterance(loudness: &mut Loudness, levels: &[f32]) {
        loudness.begin();
        levels.iter().for_each(|level| loudness.hear(*level));
    }

    #[test]
    fn an_echo_is_far_below_the_person() {
        let mut loudness = Loudness::default();
        utterance(&mut loudness, &[-30.0, -20.0, -25.0]);
        assert!(!loudness.is_quiet(), "the person is not known yet");
        loudness.is_person();
        utterance(&mut loudness, &[-40.0, -32.0]);
        assert!(loudness.is_quiet());
        loudness.hear(-28.0);
        assert!(!loudness.is_quiet(), "it grew as loud as the person");
    }

    #[test]
    fn a_person_who_lowers_their_voice_is_known_again() {
        let mut loudness = Loudness::default();
        utterance(&mut loudness, &[-10.0]);
        loudness.is_person();
        for _ in 0..4 {
            utterance(&mut loudness, &[-25.0]);
            loudness.is_person();
        }
        utterance(&mut loudness, &[-25.0]);
        assert!(!loudness.is_quiet(), "{loudness:?}");
    }
}
