//! What tests of sound share.

/// The root of the mean square.
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
