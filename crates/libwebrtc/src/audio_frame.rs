//! A block of decoded audio.

use std::borrow::Cow;

/// Interleaved 16-bit PCM: sample 0 of every channel, then sample 1 of every channel, and so on.
///
/// `data` holds `num_channels * samples_per_channel` values. WebRTC works in blocks of 10 ms, that
/// is `sample_rate / 100` samples per channel.
#[derive(Debug, Clone)]
pub struct AudioFrame<'a> {
    /// The samples, interleaved by channel.
    pub data: Cow<'a, [i16]>,
    /// Samples per second of each channel, in Hz.
    pub sample_rate: u32,
    /// 1 for mono, 2 for stereo.
    pub num_channels: u32,
    /// Samples of one channel in this block.
    pub samples_per_channel: u32,
}

impl AudioFrame<'_> {
    /// A frame of silence that owns its samples.
    pub fn new(sample_rate: u32, num_channels: u32, samples_per_channel: u32) -> Self {
        let len = num_channels as usize * samples_per_channel as usize;
        Self { data: Cow::Owned(vec![0; len]), sample_rate, num_channels, samples_per_channel }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_frame_is_silence_of_its_size() {
        let frame = AudioFrame::new(48_000, 2, 480);
        assert_eq!(frame.data.len(), 960);
        assert!(frame.data.iter().all(|sample| *sample == 0));
    }
}
