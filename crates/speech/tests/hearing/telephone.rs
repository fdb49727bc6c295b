//! Short answers over a telephone.

use speech::vad::Settings;

use crate::sound::{at_level, mixed, pink, telephone, to_floats, to_integers};
use crate::steps::{Steps, segments};
use crate::voice::{VOICES, between_silence, say_with};

/// A hundred of each word: four voices, five speeds, five pitches.
fn answers(word: &str) -> Option<Vec<(String, Vec<i16>)>> {
    let mut answers = Vec::new();
    for voice in VOICES {
        for speed in [0.6, 0.75, 0.9, 1.1, 1.3] {
            for pitch in [85, 105, 130, 165, 200] {
                let settings = [format!("duration_stretch={speed}"), format!("int_f0_target_mean={pitch}")];
                let name = format!("{voice} {speed} {pitch}");
                answers.push((name, say_with(voice, word, &settings)?));
            }
        }
    }
    Some(answers)
}

/// The answers of which nothing was heard.
fn missed(word: &str, level: f32, noise: Option<f32>) -> Option<Vec<String>> {
    let mut missed = Vec::new();
    for (name, spoken) in answers(word)? {
        let spoken = between_silence(&spoken, 8_000, 16_000);
        let mut sound = at_level(to_floats(&spoken), level);
        if let Some(noise) = noise {
            sound = mixed(sound, &at_level(pink(spoken.len()), noise));
        }
        let told = Steps::new(Settings::default()).hear(&telephone(&to_integers(&sound)));
        if segments(&told).is_empty() {
            missed.push(name);
        }
    }
    Some(missed)
}

#[test]
fn yes_and_no_over_a_telephone_are_heard_99_times_in_100() {
    for word in ["yes", "no"] {
        let Some(missed) = missed(word, -24.0, None) else { return };
        assert!(missed.len() <= 1, "{word} was missed: {missed:?}");
    }
}

#[test]
#[ignore = "--all: the same at other levels and in noise"]
fn yes_and_no_over_a_telephone_at_other_levels() {
    for (level, noise) in [(-12.0, None), (-33.0, None), (-24.0, Some(-50.0)), (-24.0, Some(-40.0))] {
        for word in ["yes", "no"] {
            let Some(missed) = missed(word, level, noise) else { return };
            println!("{word} at {level} dB, noise {noise:?}: {} of 100 missed {missed:?}", missed.len());
            assert!(missed.len() <= 2);
        }
    }
}
