//! Short answers over a telephone.

use std::io::Write;

use speech::vad::Settings;

use crate::sound::{at_level, mixed, pink, telephone, to_floats, to_integers};
use crate::steps::{Steps, segments};
use crate::voice::{VOICES, between_silence, say_with};

/// How long the silence before an answer is: windows begin at other places in it.
const BEFORE: [usize; 5] = [8_000, 8_103, 8_206, 8_309, 8_412];
const SPEEDS: [f32; 5] = [0.6, 0.75, 0.9, 1.1, 1.3];

/// An answer of four voices at five speeds.
fn answers(word: &str) -> Option<Vec<(String, Vec<i16>)>> {
    let kinds = VOICES.iter().flat_map(|voice| SPEEDS.map(|speed| (voice, speed)));
    let answer = |(voice, speed): (&&str, f32)| {
        let spoken = say_with(voice, word, &[format!("duration_stretch={speed}")])?;
        Some((format!("{voice} {speed}"), spoken))
    };
    kinds.map(answer).collect()
}

/// The answers, of a hundred, in which no speech was heard.
fn missed(word: &str, level: f32, noise: Option<f32>) -> Option<Vec<String>> {
    let mut missed = Vec::new();
    for (name, spoken) in answers(word)? {
        for before in BEFORE {
            let spoken = between_silence(&spoken, before, 8_000);
            let mut sound = at_level(to_floats(&spoken), level);
            if let Some(noise) = noise {
                sound = mixed(sound, &at_level(pink(spoken.len()), noise));
            }
            let told = Steps::new(Settings::default()).hear(&telephone(&to_integers(&sound)));
            if segments(&told).is_empty() {
                missed.push(format!("{name} behind {before}"));
            }
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
    for (level, noise, most) in [
        (-12.0, None, 1),
        (-33.0, None, 1),
        (-40.0, None, 8),
        (-24.0, Some(-50.0), 1),
        (-24.0, Some(-40.0), 1),
        (-33.0, Some(-55.0), 1),
    ] {
        for word in ["yes", "no"] {
            let Some(missed) = missed(word, level, noise) else { return };
            let count = missed.len();
            let _ = writeln!(
                std::io::stderr(),
                "{word} at {level} dB, noise {noise:?}: {count} of 100 missed: {missed:?}"
            );
            assert!(missed.len() <= most);
        }
    }
}
