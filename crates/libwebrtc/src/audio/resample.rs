//! Converts between rates and numbers of channels, 10 ms at a time.
//!
//! As in WebRTC a block holds a hundredth of the rate, rounded down: 22050 Hz is treated as 22000 Hz, a difference in
//! pitch that is not audible. The output is 5 ms late where the rate changes, and immediate where it does not.

use std::fmt;

use audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Fft, FixedSync, Resampler as _};

const RATES: std::ops::RangeInclusive<u32> = 8_000..=192_000;
const CHANNELS: std::ops::RangeInclusive<u32> = 1..=8;
/// After so many silent blocks nothing is left of the sound before.
const SETTLED: u32 = 2;

/// The format of blocks of 10 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    pub(crate) rate: u32,
    pub(crate) channels: u32,
}

/// A rate or a number of channels that is not supported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FormatError(String);

pub(crate) struct Resampler {
    from: Format,
    to: Format,
    /// The smaller number of channels of both sides, so that no channel is converted in vain.
    channels: usize,
    /// `None` where both rates have the same blocks.
    converter: Option<Converter>,
    /// Silent blocks in a row.
    silent: u32,
    remixed: Vec<i16>,
    out: Vec<i16>,
}

struct Converter {
    fft: Fft<f32>,
    channels: usize,
    input: Vec<f32>,
    output: Vec<f32>,
}

// === impl Format ===

impl Format {
    /// Samples of each channel in a block.
    pub(crate) fn block(self) -> usize {
        (self.rate / 100) as usize
    }

    /// Samples of a block.
    pub(crate) fn samples(self) -> usize {
        self.block() * self.channels as usize
    }

    fn check(self) -> Result<Self, FormatError> {
        let Self { rate, channels } = self;
        if !RATES.contains(&rate) {
            let (least, most) = (RATES.start(), RATES.end());
            return Err(FormatError(format!("{rate} Hz is not supported, {least} to {most} Hz are")));
        }
        if !CHANNELS.contains(&channels) {
            let (least, most) = (CHANNELS.start(), CHANNELS.end());
            return Err(FormatError(format!("{channels} channels are not supported, {least} to {most} are")));
        }
        Ok(self)
    }
}

// === impl FormatError ===

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "audio: {}", self.0)
    }
}

impl std::error::Error for FormatError {}

// === impl Resampler ===

impl Resampler {
    pub(crate) fn new(from: Format, to: Format) -> Result<Self, FormatError> {
        let channels = from.check()?.channels.min(to.check()?.channels) as usize;
        let converter =
            (from.block() != to.block()).then(|| Converter::new(from, to, channels)).transpose()?;
        Ok(Self { from, to, channels, converter, silent: 0, remixed: Vec::new(), out: Vec::new() })
    }

    /// The converted block. A short input is filled up with silence, and samples beyond a block are ignored.
    pub(crate) fn block<'a>(&'a mut self, input: &'a [i16]) -> &'a [i16] {
        if self.from == self.to && input.len() == self.from.samples() {
            return input;
        }
        let input = &input[..input.len().min(self.from.samples())];
        let is_silent = input.iter().all(|sample| *sample == 0);
        self.silent = if is_silent { self.silent.saturating_add(1) } else { 0 };
        if self.silent > SETTLED {
            self.out.clear();
            self.out.resize(self.to.samples(), 0);
            return &self.out;
        }
        remix(input, self.from.channels as usize, self.channels, &mut self.remixed);
        self.remixed.resize(self.from.block() * self.channels, 0);
        if let Some(converter) = &mut self.converter {
            converter.convert(&mut self.remixed);
        }
        remix(&self.remixed, self.channels, self.to.channels as usize, &mut self.out);
        self.out.resize(self.to.samples(), 0);
        &self.out
    }
}

// === impl Converter ===

impl Converter {
    fn new(from: Format, to: Format, channels: usize) -> Result<Self, FormatError> {
        let (input, output) = (from.block(), to.block());
        // The lengths of the blocks stand for the rates, of which they are a hundredth: so each call converts one
        // block.
        let fft = Fft::new(input, output, input, channels, FixedSync::Both)
            .map_err(|error| FormatError(format!("{} Hz to {} Hz: {error}", from.rate, to.rate)))?;
        Ok(Self { fft, channels, input: vec![0.0; input * channels], output: vec![0.0; output * channels] })
    }

    fn convert(&mut self, samples: &mut Vec<i16>) {
        self.input.iter_mut().zip(samples.iter()).for_each(|(place, sample)| *place = f32::from(*sample));
        if self.process().is_none() {
            self.output.fill(0.0);
        }
        samples.clear();
        samples.extend(self.output.iter().map(|sample| sample.round() as i16));
    }

    /// Fails only if a buffer is shorter than it was made.
    fn process(&mut self) -> Option<()> {
        let (frames_in, frames_out) = (self.input.len() / self.channels, self.output.len() / self.channels);
        let input = InterleavedSlice::new(&self.input, self.channels, frames_in).ok()?;
        let mut output = InterleavedSlice::new_mut(&mut self.output, self.channels, frames_out).ok()?;
        self.fft.process_into_buffer(&input, &mut output, None).ok()?;
        Some(())
    }
}

/// Fewer channels are averages of the channels that fall together, more are repetitions.
fn remix(input: &[i16], from: usize, to: usize, out: &mut Vec<i16>) {
    out.clear();
    if from == to {
        return out.extend_from_slice(input);
    }
    for frame in input.chunks_exact(from) {
        out.extend((0..to).map(|channel| average(frame, channel % from, to)));
    }
}

/// The average of every `step`th channel, beginning with `first`.
fn average(frame: &[i16], first: usize, step: usize) -> i16 {
    let (sum, count) = frame[first..]
        .iter()
        .step_by(step)
        .fold((0, 0), |(sum, count), sample| (sum + i32::from(*sample), count + 1));
    (sum / count) as i16
}

#[cfg(test)]
mod tests {
    use crate::audio::sounds::converted;

    use super::*;

    const INSIDE: Format = Format { rate: 48_000, channels: 1 };

    /// A tone of 440 Hz, and one of 880 Hz in every second channel.
    fn tone(format: Format, blocks: usize) -> Vec<i16> {
        let channels = format.channels as usize;
        let rate = (format.block() * 100) as f64;
        let sample = |at: usize| {
            let hertz = if (at % channels).is_multiple_of(2) { 440.0 } else { 880.0 };
            ((at / channels) as f64 * hertz * std::f64::consts::TAU / rate).sin() * 10_000.0
        };
        (0..format.samples() * blocks).map(|at| sample(at) as i16).collect()
    }

    /// The amplitude of a frequency in a channel.
    fn amplitude(samples: &[i16], format: Format, channel: usize, hertz: f64) -> f64 {
        let rate = (format.block() * 100) as f64;
        let one: Vec<_> = samples.iter().skip(channel).step_by(format.channels as usize).collect();
        let (mut re, mut im) = (0.0, 0.0);
        for (at, sample) in one.iter().enumerate() {
            let angle = at as f64 * hertz * std::f64::consts::TAU / rate;
            (re, im) = (re + f64::from(**sample) * angle.cos(), im + f64::from(**sample) * angle.sin());
        }
        2.0 * re.hypot(im) / one.len() as f64
    }

    #[test]
    fn a_tone_keeps_its_pitch_and_level_at_every_rate() {
        for rate in [8000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000, 192_000] {
            for channels in [1, 2] {
                let outside = Format { rate, channels };
                let inside = Format { channels, ..INSIDE };
                for (from, to) in [(outside, inside), (inside, outside)] {
                    let out = converted(from, to, &tone(from, 50));
                    assert_eq!(out.len(), to.samples() * 50);
                    let steady = &out[to.samples() * 10..];
                    for channel in 0..channels as usize {
                        let (hertz, other) = if channel == 0 { (440.0, 880.0) } else { (880.0, 440.0) };
                        let level = amplitude(steady, to, channel, hertz);
                        assert!((level / 10_000.0 - 1.0).abs() < 0.02, "{from:?} {to:?}: {level}");
                        assert!(amplitude(steady, to, channel, other) < 100.0, "{from:?} {to:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn nothing_above_what_the_lower_rate_can_carry_comes_through() {
        let high: Vec<i16> = (0..48_000)
            .map(|at| (f64::from(at) * 6000.0 * std::f64::consts::TAU / 48_000.0).sin() * 10_000.0)
            .map(|sample| sample as i16)
            .collect();
        let to = Format { rate: 8000, channels: 1 };
        let out = converted(INSIDE, to, &high);
        let loudest = out[800..].iter().map(|sample| sample.unsigned_abs()).max().unwrap();
        assert!(loudest < 50, "{loudest}");
    }

    #[test]
    fn channels_are_averaged_down_and_repeated_up() {
        let frame = [100, 200, 300, 400];
        for (from, to, expected) in [
            (4, 1, vec![250]),
            (2, 1, vec![150, 350]),
            (4, 2, vec![200, 300]),
            (1, 2, vec![100, 100, 200, 200, 300, 300, 400, 400]),
            (2, 3, vec![100, 200, 100, 300, 400, 300]),
            (2, 2, frame.to_vec()),
        ] {
            let mut out = Vec::new();
            remix(&frame, from, to, &mut out);
            assert_eq!(out, expected, "{from} to {to}");
        }
        let mut out = Vec::new();
        remix(&[i16::MIN; 8], 8, 1, &mut out);
        assert_eq!(out, [i16::MIN]);
    }

    #[test]
    fn the_same_format_hands_the_block_through() {
        let block = tone(INSIDE, 1);
        let mut resampler = Resampler::new(INSIDE, INSIDE).unwrap();
        assert!(std::ptr::eq(resampler.block(&block), &block[..]));
    }

    #[test]
    fn silence_that_is_not_converted_is_silence_and_leaves_no_trace() {
        let to = Format { rate: 16_000, channels: 1 };
        let tone = tone(INSIDE, 3);
        let silence = vec![0; INSIDE.samples()];
        let [mut skips, mut converts] = [(); 2].map(|()| Resampler::new(INSIDE, to).unwrap());
        for block in tone.chunks(480).chain([&silence[..]; 6]).chain(tone.chunks(480)) {
            converts.silent = 0;
            assert_eq!(skips.block(block), converts.block(block));
        }
    }

    #[test]
    fn blocks_of_a_wrong_length_are_filled_up_or_cut() {
        for (from, to) in [(INSIDE, INSIDE), (INSIDE, Format { rate: 16_000, channels: 2 })] {
            let mut resampler = Resampler::new(from, to).unwrap();
            for length in [0, 1, 479, 481, 100_000] {
                assert_eq!(resampler.block(&vec![1; length]).len(), to.samples(), "{length}");
            }
        }
    }

    #[test]
    fn every_supported_pair_works_and_all_others_are_an_error() {
        for rate in (8000..=192_000).step_by(9973) {
            for channels in CHANNELS {
                let other = Format { rate, channels };
                assert_eq!(converted(other, INSIDE, &tone(other, 3)).len(), 3 * INSIDE.samples());
            }
        }
        for (rate, channels) in [(0, 1), (7999, 1), (192_001, 1), (u32::MAX, 1), (48_000, 0), (48_000, 9)] {
            let error = Resampler::new(Format { rate, channels }, INSIDE).err().unwrap();
            assert!(error.to_string().contains("not supported"), "{error}");
            assert!(Resampler::new(INSIDE, Format { rate, channels }).is_err());
        }
    }

    #[test]
    fn loud_sound_is_clipped_and_does_not_wrap() {
        let square: Vec<i16> =
            (0..4800).map(|at| if at / 24 % 2 == 0 { i16::MAX } else { i16::MIN }).collect();
        let out = converted(INSIDE, Format { rate: 44_100, channels: 1 }, &square);
        // In 80 ms the wave changes its sign 160 times, and each sample that wrapped would add two changes.
        let changes = out[441..9 * 441].windows(2).filter(|pair| (pair[0] < 0) != (pair[1] < 0)).count();
        assert!((159..=161).contains(&changes), "{changes}");
        assert!(out.contains(&i16::MAX) && out.contains(&i16::MIN));
    }
}
