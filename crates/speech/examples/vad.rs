//! Prints where a WAV file (16-bit PCM, mono or stereo, of a usual sample rate) has speech:
//! `cargo run --release -p speech --example vad FILE.wav`.

use std::time::{Duration, Instant};
use std::{env, fs, io, io::Write};

use speech::resample::{Resampler, mix_stereo};
use speech::vad::{Event, RATE, Settings, Vad};

/// 20 ms.
const FRAME: usize = RATE as usize / 50;

fn main() -> io::Result<()> {
    let path = env::args().nth(1).ok_or_else(|| io::Error::other("name a WAV file: vad FILE.wav"))?;
    let samples = mono(&fs::read(&path)?).map_err(io::Error::other)?;
    let mut vad = Vad::new(Settings::default());
    let start = Instant::now();
    let mut out = io::stdout().lock();
    let mut began = Duration::ZERO;
    // Silence behind the end lets the last segment end.
    for (number, frame) in samples.chunks(FRAME).chain([&[0; FRAME][..]; 50]).enumerate() {
        for event in vad.step(start + Duration::from_millis(20) * (number as u32 + 1), frame) {
            match event {
                Event::SpeechStarted { at } => began = at - start,
                Event::SpeechEnded { at } => {
                    let (from, to) = (began.as_secs_f64(), (at - start).as_secs_f64());
                    writeln!(out, "{from:8.2} to {to:8.2} s")?;
                }
                Event::SpeechPaused { .. } | Event::SpeechResumed { .. } => {}
            }
        }
    }
    let level = vad.level();
    writeln!(out, "speaks at {:?} dB, background {:?} dB", level.person, level.background)
}

/// The samples of a file at the rate of the detector.
fn mono(file: &[u8]) -> Result<Vec<i16>, String> {
    let (format, samples) = wav::decode(file).map_err(|error| error.to_string())?;
    let mut mono = samples.clone();
    if format.channels == 2 {
        mono.clear();
        mix_stereo(&samples, &mut mono);
    }
    let mut resampler = Resampler::new(format.rate, RATE).map_err(|error| error.to_string())?;
    let mut output = Vec::new();
    resampler.push(&mono, &mut output);
    resampler.finish(&mut output);
    Ok(output)
}
