//! Mono sound from one sample rate to another, in a stream.
//!
//! The ratio of two sample rates is a fraction, so every output sample is one of a few fixed filters over the input (a
//! polyphase filter): a sinc under a Kaiser window that lets 90 % of the narrower band through and stops all above it
//! by 70 dB. The state goes from frame to frame, so the output does not depend on how the input is cut, and there are
//! no clicks between frames. Output that a frame does not settle yet comes with the next one, and the last of it with
//! [`Resampler::finish`]; together it is as long as the input.
//!
//! `rubato` is not used, though it is in the tree: it takes frames of one length, which adds up to a frame of delay, and
//! interpolates between filters since its ratios may be any number. This is shorter than the code around it would be.

use std::fmt;

/// The highest sample rate, and the largest numerator of a ratio: 22.05 to 48 kHz is 320 to 147.
const MAX_RATE: u32 = 192_000;
const MAX_PHASES: u32 = 640;
/// The samples of the narrower rate that a filter spans, each side of its middle.
const REACH: f64 = 20.0;
/// The part of the narrower band that passes.
const PASSED: f64 = 0.9;
/// The Kaiser window's shape: 70 dB.
const KAISER: f64 = 6.8;
/// The most input that is taken at a time; a longer frame is cut.
const BLOCK: usize = 480;

/// A ratio of sample rates that this does not do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnsupportedRates {
    pub from: u32,
    pub to: u32,
}

pub struct Resampler {
    /// A filter for each phase, of `taps` values.
    filters: Vec<f32>,
    taps: usize,
    /// `up` output samples come of `down` input samples.
    up: usize,
    down: usize,
    /// Input that outputs still need.
    input: Vec<f32>,
    /// The phase of the next output, and where its filter begins in `input`.
    phase: usize,
    at: usize,
    /// The samples taken in and given out since the beginning.
    taken: u64,
    given: u64,
}

/// A sample of a frame.
pub trait Sample: Copy {
    /// In -1..1.
    fn to_float(self) -> f32;
    fn from_float(value: f32) -> Self;
}

// === impl Resampler ===

impl Resampler {
    /// For frames of sample rate `from`. Every two of 8, 16, 22.05, 24, 32, 44.1 and 48 kHz go.
    pub fn new(from: u32, to: u32) -> Result<Self, UnsupportedRates> {
        let unsupported = UnsupportedRates { from, to };
        if [from, to].iter().any(|rate| !(1000..=MAX_RATE).contains(rate)) {
            return Err(unsupported);
        }
        let divisor = greatest_common_divisor(from, to);
        let (up, down) = (to / divisor, from / divisor);
        if up.max(down) > MAX_PHASES {
            return Err(unsupported);
        }
        let reach = REACH * f64::max(1.0, f64::from(from) / f64::from(to));
        let taps = 2 * reach.ceil() as usize;
        let mut input = Vec::with_capacity(taps + BLOCK + down as usize / up as usize + 1);
        // Before the beginning is silence, so that the first output stands at the first input.
        input.resize(taps / 2 - 1, 0.0);
        Ok(Self {
            filters: if from == to { Vec::new() } else { filters(up as usize, down as usize, taps) },
            taps,
            up: up as usize,
            down: down as usize,
            input,
            phase: 0,
            at: 0,
            taken: 0,
            given: 0,
        })
    }

    /// Takes a frame in, and appends what it settles to `output`. Allocates only where `output` has to grow.
    pub fn push<S: Sample>(&mut self, frame: &[S], output: &mut Vec<S>) {
        if self.is_idle() {
            output.extend_from_slice(frame);
            return;
        }
        for block in frame.chunks(BLOCK) {
            self.taken += block.len() as u64;
            self.input.extend(block.iter().map(|sample| sample.to_float()));
            self.settle(u64::MAX, output);
        }
    }

    /// Appends the rest, and begins anew.
    pub fn finish<S: Sample>(&mut self, output: &mut Vec<S>) {
        if self.is_idle() {
            return;
        }
        let whole = (self.taken * self.up as u64).div_ceil(self.down as u64);
        while self.given < whole {
            self.input.resize(self.input.len() + self.taps / 2, 0.0);
            self.settle(whole, output);
        }
        self.input.clear();
        self.input.resize(self.taps / 2 - 1, 0.0);
        (self.phase, self.at, self.taken, self.given) = (0, 0, 0, 0);
    }

    /// Whether both sample rates are the same.
    fn is_idle(&self) -> bool {
        self.filters.is_empty()
    }

    /// Gives out what the input settles, up to `whole` samples since the beginning.
    fn settle<S: Sample>(&mut self, whole: u64, output: &mut Vec<S>) {
        while self.given < whole && self.at + self.taps <= self.input.len() {
            let filter = &self.filters[self.phase * self.taps..][..self.taps];
            output.push(S::from_float(product(filter, &self.input[self.at..self.at + self.taps])));
            self.given += 1;
            self.phase += self.down;
            self.at += self.phase / self.up;
            self.phase %= self.up;
        }
        let used = self.at.min(self.input.len());
        self.input.copy_within(used.., 0);
        self.input.truncate(self.input.len() - used);
        self.at -= used;
    }
}

// === impl Sample ===

impl Sample for i16 {
    fn to_float(self) -> f32 {
        f32::from(self) / 32_768.0
    }

    fn from_float(value: f32) -> Self {
        (value * 32_768.0).round() as i16
    }
}

impl Sample for f32 {
    fn to_float(self) -> f32 {
        self
    }

    fn from_float(value: f32) -> Self {
        value
    }
}

impl fmt::Display for UnsupportedRates {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to } = self;
        write!(formatter, "cannot resample from {from} to {to} Hz: use 8, 16, 22.05, 24, 32, 44.1 or 48 kHz")
    }
}

impl std::error::Error for UnsupportedRates {}

/// The mean of both channels of interleaved samples, appended to `mono`.
pub fn mix_stereo(interleaved: &[i16], mono: &mut Vec<i16>) {
    let mean = |pair: &[i16]| ((i32::from(pair[0]) + i32::from(pair[1])) / 2) as i16;
    mono.extend(interleaved.chunks_exact(2).map(mean));
}

/// For each phase a filter whose values sum up to one, so that constant input stays what it is.
fn filters(up: usize, down: usize, taps: usize) -> Vec<f32> {
    let half = (taps / 2) as f64;
    let cutoff = f64::min(1.0, up as f64 / down as f64) * (1.0 + PASSED) / 2.0;
    let mut filters = Vec::with_capacity(up * taps);
    for phase in 0..up {
        let middle = half - 1.0 + phase as f64 / up as f64;
        let filter: Vec<f64> =
            (0..taps).map(|tap| windowed_sinc(tap as f64 - middle, cutoff, half)).collect();
        let sum: f64 = filter.iter().sum();
        filters.extend(filter.iter().map(|value| (value / sum) as f32));
    }
    filters
}

fn windowed_sinc(distance: f64, cutoff: f64, half: f64) -> f64 {
    let angle = std::f64::consts::PI * distance * cutoff;
    let sinc = if angle == 0.0 { 1.0 } else { angle.sin() / angle };
    let inside = (1.0 - (distance / half).powi(2)).max(0.0);
    sinc * bessel(KAISER * inside.sqrt()) / bessel(KAISER)
}

/// The modified Bessel function of the first kind, of order zero.
fn bessel(value: f64) -> f64 {
    let quarter = value * value / 4.0;
    let terms = (1..40).scan(1.0, |term, n| {
        *term *= quarter / f64::from(n * n);
        Some(*term)
    });
    1.0 + terms.sum::<f64>()
}

/// Eight sums side by side, which the compiler makes vectors of.
fn product(filter: &[f32], input: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    let (filters, inputs) = (filter.chunks_exact(8), input.chunks_exact(8));
    let rest = filters.remainder().iter().zip(inputs.remainder()).map(|(a, b)| a * b).sum::<f32>();
    for (filter, input) in filters.zip(inputs) {
        for ((sum, a), b) in sums.iter_mut().zip(filter).zip(input) {
            *sum += a * b;
        }
    }
    sums.iter().sum::<f32>() + rest
}

fn greatest_common_divisor(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { greatest_common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests;
