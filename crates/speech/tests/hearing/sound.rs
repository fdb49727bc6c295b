//! Sound that is made here: noise, tones, strings, clicks, and what a telephone does to a voice.

use std::f32::consts::TAU;

/// Samples of one second.
pub(crate) const SECOND: usize = 16_000;

/// Reproducible numbers.
pub(crate) struct Random(fastrand::Rng);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// In -1..1.
    pub(crate) fn next(&mut self) -> f32 {
        self.0.f32() * 2.0 - 1.0
    }
}

pub(crate) fn white(samples: usize) -> Vec<f32> {
    let mut random = Random::new(1);
    (0..samples).map(|_| random.next()).collect()
}

/// White noise through Kellet's filter.
pub(crate) fn pink(samples: usize) -> Vec<f32> {
    let mut b = [0.0_f32; 3];
    let filter = |white: f32| {
        b[0] = 0.997_65 * b[0] + white * 0.099_046;
        b[1] = 0.963 * b[1] + white * 0.296_516_4;
        b[2] = 0.57 * b[2] + white * 1.052_691_3;
        b.iter().sum::<f32>() + white * 0.1848
    };
    white(samples).into_iter().map(filter).collect()
}

pub(crate) fn brown(samples: usize) -> Vec<f32> {
    let mut at = 0.0;
    let mut step = |white: f32| {
        at = 0.998 * at + white * 0.02;
        at
    };
    white(samples).into_iter().map(&mut step).collect()
}

pub(crate) fn tone(hertz: f32, samples: usize) -> Vec<f32> {
    (0..samples).map(|at| (TAU * hertz * (at % SECOND) as f32 / SECOND as f32).sin()).collect()
}

/// Chords of plucked strings after Karplus and Strong, two a second.
pub(crate) fn strings(samples: usize) -> Vec<f32> {
    let mut output = vec![0.0; samples];
    let chords = [[110.0, 220.0, 277.2, 329.6], [98.0, 196.0, 246.9, 392.0], [146.8, 220.0, 293.7, 370.0]];
    for (number, start) in (0..samples).step_by(SECOND / 2).enumerate() {
        for hertz in chords[number % chords.len()] {
            pluck(&mut output[start..], hertz, number as u64);
        }
    }
    output
}

fn pluck(output: &mut [f32], hertz: f32, seed: u64) {
    let mut random = Random::new(seed + hertz as u64);
    let mut string: Vec<f32> = (0..(SECOND as f32 / hertz) as usize).map(|_| random.next()).collect();
    let length = string.len();
    for (at, to) in output.iter_mut().take(2 * SECOND).enumerate() {
        let (here, next) = (at % length, (at + 1) % length);
        *to += string[here];
        string[here] = 0.498 * (string[here] + string[next]);
    }
}

/// Four clicks a second of 1 ms, as of a keyboard.
pub(crate) fn clicks(samples: usize) -> Vec<f32> {
    let mut random = Random::new(3);
    let mut click = |at: usize| if at % (SECOND / 4) < 16 { random.next() } else { 0.0 };
    (0..samples).map(&mut click).collect()
}

/// At a level in dB below full scale, as the mean over what sounds.
pub(crate) fn at_level(mut samples: Vec<f32>, decibels: f32) -> Vec<f32> {
    let loud = active_level(&samples);
    let gain = 10_f32.powf((decibels - loud) / 20.0);
    samples.iter_mut().for_each(|sample| *sample *= gain);
    samples
}

/// The level of the parts that are within 30 dB of the loudest.
fn active_level(samples: &[f32]) -> f32 {
    let energy = |part: &[f32]| part.iter().map(|sample| sample * sample).sum::<f32>() / part.len() as f32;
    let parts: Vec<f32> = samples.chunks(320).map(energy).collect();
    let loudest = parts.iter().copied().fold(1e-12, f32::max);
    let active: Vec<f32> = parts.into_iter().filter(|part| *part > loudest / 1000.0).collect();
    10.0 * (active.iter().sum::<f32>() / active.len().max(1) as f32).max(1e-12).log10()
}

pub(crate) fn mixed(mut samples: Vec<f32>, other: &[f32]) -> Vec<f32> {
    samples.iter_mut().zip(other).for_each(|(sample, other)| *sample += other);
    samples
}

pub(crate) fn to_integers(samples: &[f32]) -> Vec<i16> {
    samples.iter().map(|sample| (sample * 32_767.0).round() as i16).collect()
}

pub(crate) fn to_floats(samples: &[i16]) -> Vec<f32> {
    samples.iter().map(|sample| f32::from(*sample) / 32_768.0).collect()
}

/// What a telephone leaves of a voice: 300 to 3400 Hz, 8 kHz, mu-law.
pub(crate) fn telephone(samples: &[i16]) -> Vec<i16> {
    let narrow = band(&to_floats(samples), 300.0, 3400.0);
    let narrow = speech_resampled(&to_integers(&narrow), 16_000, 8_000);
    let coded: Vec<i16> = narrow.into_iter().map(mu_law).collect();
    speech_resampled(&coded, 8_000, 16_000)
}

pub(crate) fn speech_resampled(samples: &[i16], from: u32, to: u32) -> Vec<i16> {
    let mut resampler = speech::resample::Resampler::new(from, to).unwrap();
    let mut output = Vec::new();
    resampler.push(samples, &mut output);
    resampler.finish(&mut output);
    output
}

/// Two high passes and two low passes of second order.
fn band(samples: &[f32], low: f32, high: f32) -> Vec<f32> {
    let mut samples = samples.to_vec();
    for (hertz, is_high_pass) in [(low, true), (high, false), (low, true), (high, false)] {
        biquad(&mut samples, hertz, is_high_pass);
    }
    samples
}

fn biquad(samples: &mut [f32], hertz: f32, is_high_pass: bool) {
    let angle = TAU * hertz / SECOND as f32;
    let (alpha, cosine) = (angle.sin() / std::f32::consts::SQRT_2, angle.cos());
    let middle = if is_high_pass { -(1.0 + cosine) } else { 1.0 - cosine };
    let side = middle.abs() / 2.0;
    let (mut x, mut y) = ([0.0; 2], [0.0; 2]);
    for sample in samples {
        let input = *sample;
        *sample = (side * input + middle * x[0] + side * x[1] + 2.0 * cosine * y[0] - (1.0 - alpha) * y[1])
            / (1.0 + alpha);
        x = [input, x[0]];
        y = [*sample, y[0]];
    }
}

/// To mu-law with eight bits, and back.
fn mu_law(sample: i16) -> i16 {
    let value = f32::from(sample) / 32_768.0;
    let coded = (value.abs() * 255.0).ln_1p() / 256_f32.ln();
    let coded = (coded * 127.0).round() / 127.0;
    let decoded = (256_f32.powf(coded) - 1.0) / 255.0;
    (decoded.copysign(value) * 32_767.0) as i16
}

/// A voice as a whisper: the vocal tract of each 16 ms, excited by noise in place of the vocal cords.
pub(crate) fn whispered(voice: &[f32]) -> Vec<f32> {
    const ORDER: usize = 16;
    let mut random = Random::new(9);
    let mut output = vec![0.0; voice.len()];
    for start in (0..voice.len()).step_by(SECOND / 62) {
        let end = (start + SECOND / 62).min(voice.len());
        let around = &voice[start.saturating_sub(128)..(end + 128).min(voice.len())];
        let (tract, gain) = tract::<ORDER>(around);
        for at in start..end {
            let past: f32 = (0..ORDER.min(at)).map(|back| tract[back] * output[at - 1 - back]).sum();
            output[at] = gain * 1.7 * random.next() + past;
        }
    }
    output
}

/// The predictor of a sound after Levinson and Durbin, and the level of what it does not predict.
fn tract<const ORDER: usize>(sound: &[f32]) -> ([f32; ORDER], f32) {
    let lag = |lag: usize| sound.iter().zip(&sound[lag.min(sound.len())..]).map(|(a, b)| a * b).sum::<f32>();
    let mut predictor = [0.0; ORDER];
    let mut error = lag(0) * 1.0001 + 1e-9;
    for order in 0..ORDER {
        let predicted: f32 = (0..order).map(|at| predictor[at] * lag(order - at)).sum();
        let reflection = (lag(order + 1) - predicted) / error;
        let before = predictor;
        predictor[order] = reflection;
        (0..order).for_each(|at| predictor[at] = before[at] - reflection * before[order - 1 - at]);
        error *= 1.0 - reflection * reflection;
    }
    (predictor, (error / sound.len() as f32).sqrt())
}
