//! The forward pass against ONNX Runtime with the published model (`silero_vad.onnx` of the wheel `silero-vad` 6.2.3).
//!
//! `tests/data/phrase.wav` is "Yes, a table for two." of flite's voice slt; `phrase.txt` has what the model says of each
//! window of it.

use std::time::Instant;

use speech::vad::{Silero, WINDOW};

use crate::sound::to_floats;

fn windows() -> Vec<[f32; WINDOW]> {
    let (_, samples) = crate::voice::read(include_bytes!("../data/phrase.wav"));
    to_floats(&samples).chunks_exact(WINDOW).map(|window| window.try_into().unwrap()).collect()
}

#[test]
fn probabilities_are_those_of_the_published_model() {
    let expected = include_str!("../data/phrase.txt").lines().map(|line| line.parse::<f32>().unwrap());
    let mut model = Silero::new();
    let windows = windows();
    assert_eq!(windows.len(), 62);
    for (number, (window, expected)) in windows.iter().zip(expected).enumerate() {
        let got = model.probability(window);
        assert!((got - expected).abs() < 1e-5, "window {number}: {got}, the model says {expected}");
    }
}

#[test]
fn a_settled_model_says_what_it_says_after_silence() {
    let windows = windows();
    let mut silent = Silero::new();
    (0..200).for_each(|_| _ = silent.probability(&[0.0; WINDOW]));
    let mut settled = Silero::new();
    windows.iter().for_each(|window| _ = settled.probability(window));
    settled.settle();
    for window in &windows {
        let (expected, got) = (silent.probability(window), settled.probability(window));
        assert!((expected - got).abs() < 0.06, "{got} in place of {expected}");
    }
}

/// `cargo test --release -p speech --test hearing -- --ignored --nocapture cost`.
#[test]
#[ignore = "--all: a measurement"]
fn cost_of_a_second_of_speech() {
    let windows = windows();
    let mut model = Silero::new();
    let begun = Instant::now();
    let rounds = 50;
    (0..rounds).for_each(|_| windows.iter().for_each(|window| _ = model.probability(window)));
    let seconds = f64::from(rounds * windows.len() as u32 * WINDOW as u32) / 16_000.0;
    let cost = begun.elapsed().as_secs_f64() * 1000.0 / seconds;
    println!("a pass over a second of sound takes {cost:.2} ms");
    assert!(cost < 100.0);
}
