//! The spectrum of 256 samples.
//!
//! A Fourier transform of this one length is shorter than the code that chooses among a library's for any length, and
//! than those, which would be 0.7 MB of a program.

use std::array;
use std::f64::consts::TAU;
use std::ops::{Add, Mul, Sub};

use super::weights::BINS;

/// The samples of one spectrum.
pub(super) const SAMPLES: usize = 256;
/// The samples are transformed as half as many complex ones: an even sample and the odd one behind it.
const PAIRS: usize = SAMPLES / 2;

#[derive(Clone, Copy, Default)]
struct Complex {
    re: f32,
    im: f32,
}

pub(super) struct Transform {
    /// `exp(-2πi k / SAMPLES)` for each `k`.
    turns: [Complex; PAIRS],
    work: [Complex; PAIRS],
}

// === impl Transform ===

impl Transform {
    pub(super) fn new() -> Self {
        let turn = |at: usize| {
            let (sin, cos) = (-TAU * at as f64 / SAMPLES as f64).sin_cos();
            Complex { re: cos as f32, im: sin as f32 }
        };
        Self { turns: array::from_fn(turn), work: [Complex::default(); PAIRS] }
    }

    /// How much there is of each frequency.
    pub(super) fn magnitudes(&mut self, samples: &[f32; SAMPLES]) -> [f32; BINS] {
        for (at, &[re, im]) in samples.as_chunks().0.iter().enumerate() {
            self.work[reversed(at)] = Complex { re, im };
        }
        self.transform();
        array::from_fn(|bin| self.bin(bin).magnitude())
    }

    /// Cooley and Tukey's algorithm, in place: transforms of one pair become transforms of two, of four and so on.
    fn transform(&mut self) {
        let mut width = 1;
        while width < PAIRS {
            for block in self.work.chunks_exact_mut(2 * width) {
                let (low, high) = block.split_at_mut(width);
                let turns = self.turns.iter().step_by(PAIRS / width);
                for ((low, high), turn) in low.iter_mut().zip(high).zip(turns) {
                    let turned = *high * *turn;
                    (*low, *high) = (*low + turned, *low - turned);
                }
            }
            width *= 2;
        }
    }

    /// The spectra of the even and of the odd samples, which stand in the one of the pairs, as one.
    fn bin(&self, bin: usize) -> Complex {
        let (one, other) = (self.work[bin % PAIRS], self.work[(PAIRS - bin) % PAIRS].mirrored());
        let (even, odd) = (one + other, one - other);
        let odd = Complex { re: odd.im, im: -odd.re };
        let whole = if bin == PAIRS { even - odd } else { even + odd * self.turns[bin] };
        Complex { re: whole.re / 2.0, im: whole.im / 2.0 }
    }
}

/// The seven bits of a position in reverse, which is where the transform wants its pair.
fn reversed(at: usize) -> usize {
    at.reverse_bits() >> (usize::BITS - PAIRS.ilog2())
}

// === impl Complex ===

impl Complex {
    fn mirrored(self) -> Self {
        Self { im: -self.im, ..self }
    }

    fn magnitude(self) -> f32 {
        (self.re * self.re + self.im * self.im).sqrt()
    }
}

impl Add for Complex {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Sub for Complex {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { re: self.re - other.re, im: self.im - other.im }
    }
}

impl Mul for Complex {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self { re: self.re * other.re - self.im * other.im, im: self.re * other.im + self.im * other.re }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By the definition, in double precision.
    fn expected(samples: &[f32; SAMPLES], bin: usize) -> f64 {
        let (mut re, mut im) = (0.0, 0.0);
        for (at, sample) in samples.iter().enumerate() {
            let (sin, cos) = (-TAU * (at * bin) as f64 / SAMPLES as f64).sin_cos();
            re += f64::from(*sample) * cos;
            im += f64::from(*sample) * sin;
        }
        re.hypot(im)
    }

    #[test]
    fn noise_has_the_spectrum_of_the_definition() {
        let mut random = fastrand::Rng::with_seed(7);
        let mut transform = Transform::new();
        for _ in 0..20 {
            let samples = array::from_fn(|_| random.f32() * 2.0 - 1.0);
            for (bin, magnitude) in transform.magnitudes(&samples).into_iter().enumerate() {
                let expected = expected(&samples, bin);
                assert!((f64::from(magnitude) - expected).abs() < 1e-5, "{bin}: {magnitude}, not {expected}");
            }
        }
    }

    #[test]
    fn a_tone_is_in_its_bin_alone() {
        let samples = array::from_fn(|at| (TAU * 10.0 * at as f64 / SAMPLES as f64).cos() as f32);
        let magnitudes = Transform::new().magnitudes(&samples);
        assert!((magnitudes[10] - 128.0).abs() < 1e-3, "{}", magnitudes[10]);
        let others = magnitudes.iter().enumerate().filter(|(bin, _)| *bin != 10);
        assert!(others.into_iter().all(|(_, magnitude)| *magnitude < 1e-3));
        assert!((Transform::new().magnitudes(&[1.0; SAMPLES])[0] - 256.0).abs() < 1e-3);
    }
}
