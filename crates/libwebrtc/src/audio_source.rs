//! Sources of a local audio track's samples.

/// Samples per second of WebRTC's own audio pipeline, in Hz.
pub const DEFAULT_SAMPLE_RATE: u32 = 48_000;

/// Channels of a source by default: mono.
pub const DEFAULT_NUM_CHANNELS: u32 = 1;

/// Processing requested for captured audio.
///
/// The requests are stored and negotiate nothing; no processing is implemented.
#[derive(Default, Debug)]
pub struct AudioSourceOptions {
    pub echo_cancellation: bool,
    pub noise_suppression: bool,
    pub auto_gain_control: bool,
}

/// The kinds of source a local audio track can have.
#[non_exhaustive]
#[derive(Debug, Clone)]
pub enum RtcAudioSource {
    /// Samples pushed by the program: speech synthesis, files, another capture library.
    Native(native::NativeAudioSource),
    /// The machine's microphone. This crate drives no audio device, so such a track stays silent.
    Device,
}

impl RtcAudioSource {
    /// Stores the options; a device has none and ignores them.
    pub fn set_audio_options(&self, options: AudioSourceOptions) {
        match self {
            Self::Native(source) => source.set_audio_options(options),
            Self::Device => {}
        }
    }

    /// The options last set, or the defaults for a device.
    pub fn audio_options(&self) -> AudioSourceOptions {
        match self {
            Self::Native(source) => source.audio_options(),
            Self::Device => AudioSourceOptions::default(),
        }
    }

    /// Samples per second in Hz; [`DEFAULT_SAMPLE_RATE`] for a device.
    pub fn sample_rate(&self) -> u32 {
        match self {
            Self::Native(source) => source.sample_rate(),
            Self::Device => DEFAULT_SAMPLE_RATE,
        }
    }

    /// Channels; [`DEFAULT_NUM_CHANNELS`] for a device.
    pub fn num_channels(&self) -> u32 {
        match self {
            Self::Native(source) => source.num_channels(),
            Self::Device => DEFAULT_NUM_CHANNELS,
        }
    }
}

pub mod native;
