//! The first bytes of an Opus packet (RFC 6716, section 3.1), read without decoding it.

/// Samples of each channel at 48 kHz in the packet, or `None` when it breaks the format.
pub(crate) fn duration(packet: &[u8]) -> Option<usize> {
    let toc = *packet.first()?;
    let frames = match toc & 0b11 {
        0 => 1,
        1 | 2 => 2,
        _ => usize::from(packet.get(1)? & 0x3f),
    };
    let samples = frames * frame_samples(toc >> 3);
    (1..=super::MAX_SAMPLES).contains(&samples).then_some(samples)
}

/// Whether the packet carries a coarse copy of the one before (RFC 6716, section 4.2.4).
///
/// Only the speech layer does. Its first frame begins with a flag for each 20 ms of voice, then the flag for the copy.
pub(crate) fn carries_fec(packet: &[u8]) -> bool {
    let Some(&toc) = packet.first() else { return false };
    let config = toc >> 3;
    // Higher configurations have no speech layer; with more than one frame the lengths come before the first.
    if config >= 16 || toc & 0b11 != 0 {
        return false;
    }
    let Some(&flags) = packet.get(1) else { return false };
    let voice_flags = (frame_samples(config) / 960).max(1);
    let is_stereo = toc & 0b100 != 0;
    let first = flags >> (7 - voice_flags) & 1 == 1;
    let second = flags >> (6_usize.saturating_sub(2 * voice_flags)) & 1 == 1;
    first || (is_stereo && second)
}

/// Samples at 48 kHz in one frame of a configuration (RFC 6716, table 2).
fn frame_samples(config: u8) -> usize {
    match config {
        0..12 => [480, 960, 1920, 2880][usize::from(config % 4)],
        12..16 => [480, 960][usize::from(config % 2)],
        _ => [120, 240, 480, 960][usize::from(config % 4)],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_those_of_the_table() {
        for (toc, samples) in
            [(0, 480), (8, 960), (16, 1920), (24, 2880), (96, 480), (120, 960), (128, 120), (248, 960)]
        {
            assert_eq!(duration(&[toc]), Some(samples), "{toc}");
            assert_eq!(duration(&[toc | 1]), Some(2 * samples), "{toc}");
        }
        assert_eq!(duration(&[248 | 3, 6]), Some(5760));
    }

    #[test]
    fn packets_longer_than_allowed_or_without_a_length_have_none() {
        assert_eq!(duration(&[]), None);
        assert_eq!(duration(&[248 | 3]), None);
        assert_eq!(duration(&[248 | 3, 0]), None);
        assert_eq!(duration(&[248 | 3, 7]), None);
        assert_eq!(duration(&[24 | 3, 63]), None);
    }

    #[test]
    fn the_flag_for_the_copy_comes_after_those_for_voice() {
        assert!(carries_fec(&[8, 0b0100_0000]));
        assert!(!carries_fec(&[8, 0b1011_1111]));
        assert!(carries_fec(&[24, 0b0001_0000]));
        assert!(!carries_fec(&[24, 0b1110_1111]));
        assert!(carries_fec(&[8 | 4, 0b0001_0000]), "the second channel");
        assert!(!carries_fec(&[248, 0xff]), "no speech layer");
        assert!(!carries_fec(&[8]) && !carries_fec(&[]));
    }
}
