//! Adds several audio sources up to one.

use crate::audio_frame::AudioFrame;

/// The rates a mix can have, in Hz: those WebRTC processes audio at.
const RATES: [u32; 4] = [8_000, 16_000, 32_000, 48_000];

/// Whether a source had audio for a mix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioFrameInfo {
    Normal,
    Muted,
    Error,
}

/// A source that gives 10 ms of audio on request.
pub trait AudioMixerSource {
    /// The id by which [`AudioMixer::remove_source`] finds the source.
    fn ssrc(&self) -> i32;

    /// The native rate of the source, in Hz.
    fn preferred_sample_rate(&self) -> u32;

    /// The next 10 ms, at the rate asked for; `None` when it is muted.
    fn get_audio_frame_with_info(&self, target_sample_rate: u32) -> Option<AudioFrame<'_>>;
}

/// Adds up the audio of its sources, sample by sample.
#[derive(Default)]
pub struct AudioMixer {
    sources: Vec<Box<dyn AudioMixerSource>>,
    mix: Vec<i16>,
    warned: bool,
}

impl AudioMixer {
    /// A mixer without sources, whose mix is silence.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a source; one with the same ssrc is replaced.
    pub fn add_source(&mut self, source: impl AudioMixerSource + 'static) {
        self.remove_source(source.ssrc());
        self.sources.push(Box::new(source));
    }

    /// Removes a source, if there is one with this ssrc.
    pub fn remove_source(&mut self, ssrc: i32) {
        self.sources.retain(|source| source.ssrc() != ssrc);
    }

    /// The next 10 ms of all sources, interleaved, at the lowest of 8, 16, 32 and 48 kHz that is
    /// no less than any source prefers (48 kHz at most, and without sources).
    ///
    /// Sums too loud for a sample are clipped. A source whose frame is not 10 ms at the mix's rate
    /// is left out, which is logged once.
    pub fn mix(&mut self, num_channels: usize) -> &[i16] {
        let rate = self.rate();
        let samples = (rate / 100) as usize;
        let mut sums = vec![0i32; samples * num_channels];
        for source in &self.sources {
            let Some(frame) = source.get_audio_frame_with_info(rate) else { continue };
            if is_block(&frame, rate) {
                add(&mut sums, num_channels, &frame);
            } else if !std::mem::replace(&mut self.warned, true) {
                log::warn!("audio source {} gave no block of 10 ms at {rate} Hz: left out", source.ssrc());
            }
        }
        self.mix.clear();
        self.mix.extend(sums.into_iter().map(clip));
        &self.mix
    }

    fn rate(&self) -> u32 {
        let preferred = self.sources.iter().map(|source| source.preferred_sample_rate()).max();
        let fits = |rate: &u32| preferred.is_some_and(|preferred| *rate >= preferred);
        RATES.into_iter().find(fits).unwrap_or(48_000)
    }
}

fn is_block(frame: &AudioFrame<'_>, rate: u32) -> bool {
    let samples = (rate / 100) as usize;
    frame.sample_rate == rate
        && frame.num_channels > 0
        && frame.data.len() == samples * frame.num_channels as usize
}

/// Mono is copied to all channels, anything else is averaged to mono or cut to what fits.
fn add(sums: &mut [i32], num_channels: usize, frame: &AudioFrame<'_>) {
    if num_channels == 0 {
        return;
    }
    let source_channels = frame.num_channels as usize;
    let blocks = frame.data.chunks_exact(source_channels);
    for (sum, block) in sums.chunks_exact_mut(num_channels).zip(blocks) {
        for (channel, sum) in sum.iter_mut().enumerate() {
            *sum += match (num_channels, source_channels) {
                (1, _) => block.iter().copied().map(i32::from).sum::<i32>() / source_channels as i32,
                (_, 1) => i32::from(block[0]),
                _ => block.get(channel).copied().map_or(0, i32::from),
            };
        }
    }
}

fn clip(sum: i32) -> i16 {
    sum.clamp(i16::MIN.into(), i16::MAX.into()) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A source of one value in all its samples.
    struct Tone {
        ssrc: i32,
        rate: u32,
        channels: u32,
        value: Option<i16>,
    }

    impl AudioMixerSource for Tone {
        fn ssrc(&self) -> i32 {
            self.ssrc
        }

        fn preferred_sample_rate(&self) -> u32 {
            self.rate
        }

        fn get_audio_frame_with_info(&self, rate: u32) -> Option<AudioFrame<'_>> {
            let value = self.value?;
            let mut frame = AudioFrame::new(rate, self.channels, rate / 100);
            frame.data.to_mut().fill(value);
            Some(frame)
        }
    }

    fn tone(ssrc: i32, rate: u32, channels: u32, value: i16) -> Tone {
        Tone { ssrc, rate, channels, value: Some(value) }
    }

    #[test]
    fn sources_are_added_up_and_clipped() {
        let mut mixer = AudioMixer::new();
        mixer.add_source(tone(1, 16_000, 1, 20_000));
        mixer.add_source(tone(2, 16_000, 1, -500));
        assert_eq!(mixer.mix(1), [19_500; 160]);
        mixer.add_source(tone(3, 16_000, 1, 30_000));
        assert_eq!(mixer.mix(1), [i16::MAX; 160]);
    }

    #[test]
    fn the_rate_is_the_next_one_no_source_prefers_more_than() {
        for (preferred, samples) in [(8_000, 80), (11_025, 160), (44_100, 480), (96_000, 480)] {
            let mut mixer = AudioMixer::new();
            mixer.add_source(tone(1, preferred, 1, 1));
            assert_eq!(mixer.mix(1).len(), samples);
        }
        assert_eq!(AudioMixer::new().mix(2), [0; 960]);
    }

    #[test]
    fn mono_fills_both_channels_and_stereo_is_averaged_to_mono() {
        let mut mixer = AudioMixer::new();
        mixer.add_source(tone(1, 8_000, 1, 7));
        assert_eq!(mixer.mix(2), [7; 160]);
        mixer.add_source(tone(1, 8_000, 2, 9));
        assert_eq!(mixer.mix(1), [9; 80]);
        assert!(mixer.mix(0).is_empty());
    }

    #[test]
    fn a_muted_or_removed_source_is_not_heard() {
        let mut mixer = AudioMixer::new();
        mixer.add_source(Tone { value: None, ..tone(1, 8_000, 1, 0) });
        mixer.add_source(tone(2, 8_000, 1, 5));
        assert_eq!(mixer.mix(1), [5; 80]);
        mixer.remove_source(2);
        mixer.remove_source(99);
        assert_eq!(mixer.mix(1), [0; 80]);
    }

    #[test]
    fn a_frame_of_the_wrong_length_is_left_out() {
        struct Short;
        impl AudioMixerSource for Short {
            fn ssrc(&self) -> i32 {
                1
            }
            fn preferred_sample_rate(&self) -> u32 {
                8_000
            }
            fn get_audio_frame_with_info(&self, rate: u32) -> Option<AudioFrame<'_>> {
                let mut frame = AudioFrame::new(rate, 1, 3);
                frame.data.to_mut().fill(100);
                Some(frame)
            }
        }
        let mut mixer = AudioMixer::new();
        mixer.add_source(Short);
        assert_eq!(mixer.mix(1), [0; 80]);
    }
}
