//! A recording that a caller plays as a microphone.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use speech::resample::{Resampler, UnsupportedRates, mix_stereo};
use statedir::named_file::{self, FileBounds, FileError};
use thiserror::Error;

use crate::room::audio::SPOKEN_RATE;

/// An hour of the usual recordings; what is longer is no turn of a call.
const MAX_BYTES: u64 = 256 << 20;
/// Quieter samples at the end are silence, as a share of the loudest one: 30 dB.
const QUIET: f32 = 0.03;
/// Where nothing is louder, there is nothing to hear.
const AUDIBLE: u16 = 100;

/// The samples of a file, of one channel at the rate of spoken turns.
#[derive(Clone)]
pub struct VoiceFile {
    path: PathBuf,
    samples: Arc<[i16]>,
    /// The samples to the end of what can be heard.
    speech: usize,
}

#[derive(Debug, Error)]
pub enum VoiceFileError {
    #[error("cannot read {}: {why}", path.display())]
    Unread { path: PathBuf, why: FileError },
    #[error("{} is no file that can be played: {why}; `ffmpeg -i {} -ac 1 -ar 16000 -c:a pcm_s16le NEW.wav` makes one", path.display(), path.display())]
    Unreadable { path: PathBuf, why: wav::Unreadable },
    #[error("{} has {} samples a second; 8000, 16000, 22050, 24000, 32000, 44100 and 48000 can be played", path.display(), rates.from)]
    Rate { path: PathBuf, rates: UnsupportedRates },
    #[error("nothing can be heard in {}", path.display())]
    Silent { path: PathBuf },
}

// === impl VoiceFile ===

impl VoiceFile {
    /// Reads a WAV file of 16-bit samples, mono or stereo, of a usual rate.
    ///
    /// # Errors
    /// The file cannot be read, is of another form, or silent.
    pub fn read(path: &Path) -> Result<Self, VoiceFileError> {
        let path = path.to_owned();
        let content = named_file::read(&path, FileBounds::regular_or_pipe(MAX_BYTES));
        let content = content.map_err(|why| VoiceFileError::Unread { path: path.clone(), why })?;
        let decoded = wav::decode(&content.bytes);
        let (format, samples) =
            decoded.map_err(|why| VoiceFileError::Unreadable { path: path.clone(), why })?;
        let samples = at_our_rate(mono(samples, format), format.rate)
            .map_err(|rates| VoiceFileError::Rate { path: path.clone(), rates })?;
        match speech(&samples) {
            0 => Err(VoiceFileError::Silent { path }),
            speech => Ok(Self { path, samples: samples.into(), speech }),
        }
    }

    /// The file's name, without its directory.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or(self.path.as_os_str()).to_string_lossy().into_owned()
    }

    pub fn length(&self) -> Duration {
        wav::length(self.samples.len(), SPOKEN_RATE)
    }

    pub(super) fn samples(&self) -> Arc<[i16]> {
        self.samples.clone()
    }

    /// The number of samples to the end of what can be heard.
    pub(super) fn speech(&self) -> usize {
        self.speech
    }
}

fn mono(samples: Vec<i16>, format: wav::Format) -> Vec<i16> {
    if format.channels == 1 {
        return samples;
    }
    let mut mixed = Vec::with_capacity(samples.len() / 2);
    mix_stereo(&samples, &mut mixed);
    mixed
}

fn at_our_rate(samples: Vec<i16>, rate: u32) -> Result<Vec<i16>, UnsupportedRates> {
    let mut resampler = Resampler::new(rate, SPOKEN_RATE)?;
    let mut resampled = Vec::new();
    resampler.push(&samples, &mut resampled);
    resampler.finish(&mut resampled);
    Ok(resampled)
}

/// The number of samples to the last that is not quiet. 0: nothing can be heard.
fn speech(samples: &[i16]) -> usize {
    let loudest = samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or_default();
    let is_heard = |sample: &i16| f32::from(sample.unsigned_abs()) > f32::from(loudest) * QUIET;
    if loudest <= AUDIBLE { 0 } else { samples.iter().rposition(is_heard).map_or(0, |last| last + 1) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &[u8]) -> Result<VoiceFile, VoiceFileError> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("voice.wav");
        std::fs::write(&path, file).unwrap();
        VoiceFile::read(&path)
    }

    /// A second of a tone, then a second of silence.
    fn tone(rate: u32, channels: u16) -> Vec<u8> {
        let samples = (0..rate * 2).map(|at| {
            let turn = f64::from(at * 440 % rate) / f64::from(rate) * std::f64::consts::TAU;
            if at < rate { (turn.sin() * 9_000.0) as i16 } else { 0 }
        });
        let frames = samples.flat_map(|sample| std::iter::repeat_n(sample, channels.into()));
        let data: Vec<u8> = frames.flat_map(i16::to_le_bytes).collect();
        [wav::header(wav::Format { rate, channels }, data.len() as u32), data].concat()
    }

    #[test]
    fn files_of_every_usual_rate_sound_the_same() {
        for rate in [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000, 96_000] {
            for channels in [1, 2] {
                let voice = read(&tone(rate, channels)).unwrap();
                assert_eq!(voice.length(), Duration::from_secs(2), "{rate} Hz, {channels}");
                let ended = voice.speech().abs_diff(SPOKEN_RATE as usize);
                assert!(ended < 200, "{rate} Hz: the speech ends {ended} samples from the first second");
                let loudest = voice.samples().iter().max().copied().unwrap();
                assert!((8_500..9_500).contains(&loudest), "{rate} Hz, {channels}: {loudest}");
            }
        }
    }

    #[test]
    fn what_cannot_be_played_is_refused_with_what_to_do() {
        let refusal = |file: &[u8]| read(file).err().unwrap().to_string();
        let mut eight = tone(8_000, 1);
        eight[34] = 8;
        let text = refusal(&eight);
        assert!(
            text.contains("voice.wav is no file that can be played: a WAV file of other samples"),
            "{text}"
        );
        assert!(text.contains("ffmpeg -i") && text.contains("pcm_s16le"), "{text}");
        assert!(refusal(b"ID3\x04 this is an mp3 file").contains("without its mark"));
        assert!(refusal(&tone(8_000, 1)[..30]).contains("ends within its header"));
        assert!(refusal(&tone(12_345, 1)).contains("12345 samples a second"));
        assert!(refusal(&wav::encode(&[0, 3, -3, 0], 16_000)).contains("nothing can be heard"));
        let absent = VoiceFile::read(Path::new("/nowhere/voice.wav")).err().unwrap().to_string();
        assert!(absent.starts_with("cannot read /nowhere/voice.wav: "), "{absent}");
    }
}
