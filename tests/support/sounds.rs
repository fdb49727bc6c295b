//! What microphones bring, at 16 kHz: phrases, and all that is no speech.

use std::io::Write;
use std::process::Command;

use testbed::tools::find_on_path;

use crate::support::skipped;
use crate::support::voice::RATE;

#[allow(dead_code, reason = "the tests of the detector use more of it")]
#[path = "../../crates/speech/tests/hearing/sound.rs"]
mod made;

#[allow(unused_imports, reason = "each test program uses its own part")]
pub(crate) use made::{telephone, whispered};

pub(crate) const SECOND: usize = RATE as usize;

/// The voices of the synthesiser that recognisers understand.
pub(crate) const VOICES: [&str; 4] = ["slt", "rms", "awb", "kal16"];
/// Long sentences, for a crowd.
const SENTENCES: [&str; 4] = [
    "I would like to book a table for two people tonight.",
    "The weather was rather cold when we left the house this morning.",
    "Could you please tell me when the next train to Berlin leaves?",
    "She sells fresh flowers on the corner of the old market square.",
];

/// What is no speech, each at a level in dB below full scale.
pub(crate) fn unspoken(samples: usize, level: f32) -> [(&'static str, Vec<i16>); 7] {
    let sounds = [
        ("silence", vec![0.0; samples]),
        ("white noise", made::white(samples)),
        ("pink noise", made::pink(samples)),
        ("brown noise", made::brown(samples)),
        ("a tone of 440 Hz", made::tone(440.0, samples)),
        ("plucked strings", made::strings(samples)),
        ("clicks", made::clicks(samples)),
    ];
    sounds.map(|(name, sound)| (name, made::to_integers(&made::at_level(sound, level))))
}

/// Eight voices at a time, at a level in dB below full scale. None where the synthesiser is missing.
pub(crate) fn babble(samples: usize, level: f32) -> Option<Vec<i16>> {
    let mut crowd = vec![0.0; samples];
    for (number, voice) in VOICES.iter().chain(&VOICES).enumerate() {
        let sentence = (number * 3 + number / 4) % SENTENCES.len();
        let spoken = [voice_of(voice, SENTENCES[sentence], 1.0)?, at_last(voice, sentence + 1)?].concat();
        let spoken = made::at_level(made::to_floats(&spoken), -20.0);
        let turned = spoken.into_iter().cycle().skip(number * 7_919).take(samples);
        crowd = made::mixed(crowd, &turned.collect::<Vec<_>>());
    }
    Some(made::to_integers(&made::at_level(crowd, level)))
}

fn at_last(voice: &str, sentence: usize) -> Option<Vec<i16>> {
    voice_of(voice, SENTENCES[sentence % SENTENCES.len()], 1.0)
}

/// The same sound at a level in dB below full scale.
pub(crate) fn at_level(samples: &[i16], level: f32) -> Vec<i16> {
    made::to_integers(&made::at_level(made::to_floats(samples), level))
}

/// A whisper of the same words.
pub(crate) fn whisper(samples: &[i16]) -> Vec<i16> {
    made::to_integers(&whispered(&made::to_floats(samples)))
}

/// A text by a voice, `stretch` times as long as usual, without silence around it. None where the synthesiser is missing.
pub(crate) fn voice_of(voice: &str, text: &str, stretch: f32) -> Option<Vec<i16>> {
    let Some(flite) = find_on_path("flite") else {
        skipped("flite is missing, which speaks (`cargo xtask setup`, or apt install flite)");
        return None;
    };
    let file = tempfile::Builder::new().suffix(".wav").tempfile().unwrap();
    let mut command = Command::new(flite);
    command.args(["-voice", voice, "--setf", &format!("duration_stretch={stretch}"), "-t", text, "-o"]);
    let status = command.arg(file.path()).status().unwrap();
    assert!(status.success(), "flite ended with {status}");
    let bytes = std::fs::read(file.path()).unwrap();
    let rate = u32::from_le_bytes(bytes[24..28].try_into().unwrap());
    let data = bytes.windows(4).position(|name| name == b"data").expect("a wave file") + 8;
    let samples: Vec<i16> =
        bytes[data..].as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect();
    let samples = if rate == RATE { samples } else { made::speech_resampled(&samples, rate, RATE) };
    Some(without_silence(&samples).to_vec())
}

/// The part between the first and the last sample that can be heard.
pub(crate) fn without_silence(samples: &[i16]) -> &[i16] {
    let is_audible = |sample: &i16| sample.unsigned_abs() > 300;
    let first = samples.iter().position(is_audible).unwrap_or_default();
    let last = samples.iter().rposition(is_audible).unwrap_or_default();
    &samples[first..=last.max(first)]
}

/// Sound with silence in front of it and behind it, in samples.
pub(crate) fn between(before: usize, samples: &[i16], behind: usize) -> Vec<i16> {
    [&vec![0; before], samples, &vec![0; behind]].concat()
}

/// A phrase with a pause of this many milliseconds at its quietest moment in the middle.
pub(crate) fn with_pause(samples: &[i16], milliseconds: usize) -> Vec<i16> {
    const QUIET: usize = SECOND / 50;
    let middle = samples.len() / 3..samples.len() * 2 / 3;
    let loudness = |at: &usize| {
        samples[*at..*at + QUIET].iter().map(|sample| u64::from(sample.unsigned_abs())).sum::<u64>()
    };
    let quietest = middle.step_by(QUIET / 4).min_by_key(loudness).expect("a phrase is longer");
    let (first, second) = (&samples[..quietest], &samples[quietest + QUIET..]);
    let (first, second) = (without_silence(first), without_silence(second));
    let length = milliseconds * SECOND / 1000;
    [first, &vec![0; length], second].concat()
}

/// A line that shows even when the test succeeds.
pub(crate) fn told(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
