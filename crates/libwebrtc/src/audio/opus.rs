//! Opus (RFC 6716) at 48 kHz. The backends below are the only files that name a codec crate.
//!
//! `ropus` is the default: it is Rust, so it needs no C compiler, and its output equals that of `libopus` bit for bit,
//! except for concealed losses (see `opus/concealment.rs`). The feature `libopus` selects the C library instead, which
//! encodes up to a third faster.

use std::fmt;

#[cfg(feature = "libopus")]
#[path = "opus/libopus.rs"]
mod backend;
#[cfg(not(feature = "libopus"))]
#[path = "opus/ropus.rs"]
mod backend;
#[cfg(not(feature = "libopus"))]
mod concealment;
mod packet;

pub(crate) use self::{
    backend::{Decoder, Encoder},
    packet::{carries_fec, duration},
};

/// Samples a second of each channel, inside and on the wire.
pub(crate) const SAMPLE_RATE: u32 = 48_000;
/// Samples of each channel in 10 ms.
pub(crate) const BLOCK: usize = 480;
/// From this many bits per second and channel on, more effort of the encoder is not audible.
const PLENTY: u32 = 40_000;
/// The longest packet is 120 ms (RFC 6716, section 2.1.4), in samples of each channel.
pub(crate) const MAX_SAMPLES: usize = 5760;
/// The longest packet of one 20 ms frame, in bytes (RFC 6716, section 3.2.1).
pub(crate) const MAX_PACKET: usize = 1275;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    Mono,
    Stereo,
}

/// The settings of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EncoderConfig {
    pub(crate) channels: Channels,
    /// Bits per second, of the codec alone.
    pub(crate) bitrate: u32,
    /// Send nearly nothing during silence.
    pub(crate) dtx: bool,
    /// The expected loss of the network, in percent. Above zero, packets carry a coarse copy of the one before.
    pub(crate) expected_loss: u8,
}

/// A codec's error about bad input or bad settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CodecError(pub(crate) String);

// === impl EncoderConfig ===

impl EncoderConfig {
    /// The encoder's effort, from 0 to 10. WebRTC takes 9 on desktops, at three times the processor time of 1; at low
    /// bitrates 1 loses the upper half of the sound's band.
    fn complexity(&self) -> u8 {
        if self.bitrate / self.channels.count() as u32 >= PLENTY { 1 } else { 3 }
    }
}

// === impl Channels ===

impl Channels {
    /// More than two are mixed down to two.
    pub(crate) fn of(count: u32) -> Self {
        if count > 1 { Self::Stereo } else { Self::Mono }
    }

    pub(crate) fn count(self) -> usize {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }
}

// === impl CodecError ===

impl CodecError {
    pub(crate) fn of(error: impl fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Opus: {}", self.0)
    }
}

impl std::error::Error for CodecError {}

#[cfg(test)]
mod tests {
    use crate::audio::sounds::rms;

    use super::*;

    const VOICE: EncoderConfig =
        EncoderConfig { channels: Channels::Mono, bitrate: 32_000, dtx: false, expected_loss: 0 };

    fn tone(samples: usize, channels: usize) -> Vec<i16> {
        let angle = |at: usize| at as f64 * 440.0 * std::f64::consts::TAU / f64::from(SAMPLE_RATE);
        (0..samples * channels).map(|at| (angle(at / channels).sin() * 12_000.0) as i16).collect()
    }

    #[test]
    fn a_tone_survives_encoding_in_mono_and_stereo() {
        for channels in [Channels::Mono, Channels::Stereo] {
            let config = EncoderConfig { channels, bitrate: 64_000, ..VOICE };
            let mut encoder = Encoder::new(&config).unwrap();
            let mut decoder = Decoder::new(channels).unwrap();
            let tone = tone(9600, channels.count());
            let mut heard = Vec::new();
            for frame in tone.chunks(960 * channels.count()) {
                let packet = encoder.encode(frame).unwrap();
                assert_eq!(duration(&packet), Some(960));
                let mut out = [0; MAX_SAMPLES * 2];
                let samples = decoder.decode(&packet, &mut out).unwrap();
                heard.extend_from_slice(&out[..samples * channels.count()]);
            }
            let (sent, heard) = (rms(&tone), rms(&heard[heard.len() / 2..]));
            assert!((heard / sent - 1.0).abs() < 0.1, "{channels:?}: {heard} of {sent}");
        }
    }

    #[test]
    fn a_lost_packet_comes_back_coarsely_from_the_next_one() {
        let config = EncoderConfig { expected_loss: 20, bitrate: 24_000, ..VOICE };
        let mut encoder = Encoder::new(&config).unwrap();
        let tone = tone(48_000, 1);
        let packets: Vec<_> = tone.chunks(960).map(|frame| encoder.encode(frame).unwrap()).collect();
        assert!(packets[20..].iter().any(|packet| carries_fec(packet)), "no packet carries a copy");
        let mut decoder = Decoder::new(Channels::Mono).unwrap();
        let mut out = [0; 960];
        for packet in &packets[..20] {
            decoder.decode(packet, &mut out).unwrap();
        }
        assert_eq!(decoder.decode_fec(&packets[21], &mut out).unwrap(), 960);
        assert!(rms(&out) > 2_000.0, "{}", rms(&out));
    }

    #[test]
    fn concealment_fills_what_is_asked_for() {
        let mut encoder = Encoder::new(&VOICE).unwrap();
        let mut decoder = Decoder::new(Channels::Mono).unwrap();
        let mut out = [0; 960];
        for frame in tone(9600, 1).chunks(960) {
            decoder.decode(&encoder.encode(frame).unwrap(), &mut out).unwrap();
        }
        let mut concealed = [0; BLOCK];
        assert_eq!(decoder.conceal(&mut concealed).unwrap(), BLOCK);
        assert!(rms(&concealed) > 2_000.0, "{}", rms(&concealed));
    }

    #[test]
    fn silence_costs_next_to_nothing_with_dtx() {
        let config = EncoderConfig { dtx: true, ..VOICE };
        let mut encoder = Encoder::new(&config).unwrap();
        let sizes: Vec<_> = (0..100).map(|_| encoder.encode(&[0; 960]).unwrap().len()).collect();
        let silent = sizes.iter().filter(|size| **size <= 2).count();
        assert!(silent > 60, "{sizes:?}");
    }

    #[test]
    fn garbage_is_an_error_or_noise_and_never_a_panic() {
        let mut random = fastrand_like(7);
        for channels in [Channels::Mono, Channels::Stereo] {
            let mut decoder = Decoder::new(channels).unwrap();
            let mut out = [0; MAX_SAMPLES * 2];
            for length in 0..400 {
                let packet: Vec<u8> = (0..length).map(|_| random() as u8).collect();
                let _ = decoder.decode(&packet, &mut out);
                let _ = decoder.decode_fec(&packet, &mut out[..960 * channels.count()]);
                let _ = (duration(&packet), carries_fec(&packet));
            }
        }
    }

    fn fastrand_like(mut seed: u64) -> impl FnMut() -> u64 {
        move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed >> 24
        }
    }
}
