//! Fades at the edges of sound, which would click without them.

/// Raises these samples to full level at `length`; the first of them is at `at`.
pub(super) fn in_from<'a>(samples: impl Iterator<Item = &'a mut i16>, at: usize, length: usize) {
    for (sample, at) in samples.zip(at..length) {
        scale(sample, at as f32 / length as f32);
    }
}

/// Lowers these samples to silence at their end.
pub(super) fn out<'a>(samples: impl ExactSizeIterator<Item = &'a mut i16>) {
    let length = samples.len() as f32;
    for (at, sample) in samples.enumerate() {
        scale(sample, 1.0 - (at + 1) as f32 / length);
    }
}

fn scale(sample: &mut i16, gain: f32) {
    *sample = (f32::from(*sample) * gain) as i16;
}
