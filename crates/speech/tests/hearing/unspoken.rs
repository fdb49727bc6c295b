//! What is no speech: 20 s of each.

use std::time::Instant;

use speech::vad::Settings;

use crate::sound::{SECOND, at_level, brown, clicks, pink, strings, to_integers, tone, white};
use crate::steps::Steps;

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
    for level in [-12.0, -24.0, -36.0] {
        for (name, sound) in sounds() {
            let mut steps = Steps::new(Settings::default());
            let told = steps.hear(&to_integers(&at_level(sound, level)));
            assert!(told.is_empty(), "{name} at {level} dB: {told:?}");
        }
    }
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
