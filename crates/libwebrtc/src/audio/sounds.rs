//! Helpers that the tests of audio share.

use super::resample::{Format, Resampler};

/// The root mean square.
pub(crate) fn rms(samples: &[i16]) -> f64 {
    (samples.iter().map(|sample| f64::from(*sample).powi(2)).sum::<f64>() / samples.len() as f64).sqrt()
}

/// White noise of a quarter of the full scale.
pub(crate) fn noise(samples: usize, mut seed: u32) -> Vec<i16> {
    let mut sample = || {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 18) as i16 - 8192
    };
    (0..samples).map(|_| sample()).collect()
}

/// The samples in another format; a rest shorter than a block is left out.
pub(crate) fn converted(from: Format, to: Format, samples: &[i16]) -> Vec<i16> {
    let mut resampler = Resampler::new(from, to).unwrap();
    samples.chunks_exact(from.samples()).flat_map(|block| resampler.block(block).to_vec()).collect()
}
