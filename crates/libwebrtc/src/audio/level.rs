//! How loud a block is, as the header extension for it says (RFC 6464).

/// The level of silence, in dBov: steps below the loudest possible signal.
pub(crate) const SILENCE: i8 = -127;
/// Above this somebody probably speaks. The servers of conferences choose by the level itself.
const VOICE: i8 = -50;

/// From 0, the loudest, to -127 dBov.
pub(crate) fn dbov(samples: &[i16]) -> i8 {
    let energy: f64 = samples.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let mean = energy / samples.len().max(1) as f64;
    let full_scale = f64::from(i16::MAX).powi(2);
    let level = (10.0 * (mean / full_scale).log10()).round();
    level.clamp(f64::from(SILENCE), 0.0) as i8
}

pub(crate) fn is_voice(level: i8) -> bool {
    level > VOICE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_run_from_silence_to_full_scale() {
        assert_eq!(dbov(&[]), SILENCE);
        assert_eq!(dbov(&[0; 480]), SILENCE);
        assert_eq!(dbov(&[i16::MAX; 480]), 0);
        assert_eq!(dbov(&[i16::MIN; 480]), 0);
        assert_eq!(dbov(&[i16::MAX / 10; 480]), -20);
        assert!(is_voice(-20) && !is_voice(SILENCE));
    }
}
