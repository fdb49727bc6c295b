//! What is no speech: 20 s of each.

use std::time::Instant;

use speech::vad::Settings;

use crate::sound::{SECOND, at_level, brown, clicks, pink, strings, to_integers, tone, white};
use crate::steps::{Steps, segments};
use crate::voice::{at_level as at_decibels, between_silence, say};

const LENGTH: usize = 20 * SECOND;

fn sounds() -> [(&'static str, Vec<f32>); 7] {
    [
        ("silence", vec![0.0; LENGTH]),
        ("white noise", white(LENGTH)),
        ("pink noise", pink(LENGTH)),
        ("brown noise", brown(LENGTH)),
        ("a tone of 440 Hz", tone(440.0, LENGTH)),
        ("plucked strings", strings(LENGTH)),
        ("clicks", clicks(LENGTH)),
    ]
}

#[test]
fn noise_tones_strings_and_clicks_are_no_speech() {
    let mut heard = Vec::new();
    for level in [-12.0, -18.0, -24.0, -30.0, -36.0, -42.0] {
        for (name, sound) in sounds() {
            let mut steps = Steps::new(Settings::default());
            let told = steps.hear(&to_integers(&at_level(sound, level)));
            heard.extend((!told.is_empty()).then(|| format!("{name} at {level} dB: {told:?}")));
        }
    }
    assert!(heard.is_empty(), "{heard:#?}");
}

/// The model is asked seldom where nothing but the background is heard.
#[test]
fn steady_sound_costs_few_passes_of_the_model() {
    for (name, sound, most) in [
        ("silence", vec![0.0; LENGTH], 0),
        ("a quiet microphone", at_level(pink(LENGTH), -65.0), 0),
        ("a ventilator", at_level(pink(LENGTH), -45.0), 60),
    ] {
        let mut steps = Steps::new(Settings::default());
        steps.hear(&to_integers(&sound));
        let passes = steps.vad.passes();
        assert!(passes <= most, "{name}: {passes} passes for 625 windows");
    }
}

/// `cargo test --release -p speech --test hearing -- --ignored --nocapture measured`.
#[test]
#[ignore = "--all: a measurement"]
fn measured_cost_of_each_sound() {
    for (name, sound) in sounds() {
        let samples = to_integers(&at_level(sound, -30.0));
        let mut steps = Steps::new(Settings::default());
        let begun = Instant::now();
        let told = steps.hear(&samples);
        let cost = begun.elapsed().as_secs_f64() * 1000.0 / 20.0;
        println!(
            "{name}: {cost:.3} ms a second, {} of 625 windows asked, {} events",
            steps.vad.passes(),
            told.len()
        );
    }
}

/// The model drifts in music, but not so far that it misses a word.
#[test]
fn a_word_behind_a_minute_of_music_is_heard() {
    for (name, sound) in [("strings", strings(3 * LENGTH)), ("a tone", tone(440.0, 3 * LENGTH))] {
        for word in ["yes", "no"] {
            let Some(spoken) = say("slt", word) else { return };
            let mut steps = Steps::new(Settings::default());
            steps.hear(&to_integers(&at_level(sound.clone(), -24.0)));
            let told = steps.hear(&between_silence(&at_decibels(&spoken, -24.0), SECOND / 5, SECOND));
            assert_eq!(segments(&told).len(), 1, "{word} behind {name}: {told:?}");
        }
    }
}
