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
fn a_reset_model_says_the_same_again() {
    let mut model = Silero::new();
    let windows = windows();
    let mut once = || windows.iter().map(|window| model.probability(window)).collect::<Vec<_>>();
    let first = once();
    assert_ne!(once(), first, "the model remembers what it heard");
    let mut model = Silero::new();
    model.probability(&windows[20]);
    model.reset();
    assert_eq!(windows.iter().map(|window| model.probability(window)).collect::<Vec<_>>(), first);
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
