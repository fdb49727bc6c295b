//! Spoken words, of the synthesiser flite.

use std::io::Write;
use std::process::Command;

use crate::sound::{speech_resampled, to_floats, to_integers};

pub(crate) const VOICES: [&str; 4] = ["slt", "rms", "awb", "kal16"];
pub(crate) const SENTENCES: [&str; 4] = [
    "I would like to book a table for two people tonight.",
    "The weather was rather cold when we left the house this morning.",
    "Could you please tell me when the next train to Berlin leaves?",
    "She sells fresh flowers on the corner of the old market square.",
];

/// What a voice says, at 16 kHz; None, with a word about it, where flite is missing.
pub(crate) fn say(voice: &str, text: &str) -> Option<Vec<i16>> {
    say_with(voice, text, &[])
}

/// With settings of flite, such as `duration_stretch=1.2`.
pub(crate) fn say_with(voice: &str, text: &str, settings: &[String]) -> Option<Vec<i16>> {
    let file = tempfile::Builder::new().suffix(".wav").tempfile().unwrap();
    let mut command = Command::new("flite");
    command.args(["-voice", voice, "-t", text, "-o"]).arg(file.path());
    settings.iter().for_each(|setting| _ = command.args(["--setf", setting]));
    match command.status() {
        Ok(status) => assert!(status.success(), "flite ended with {status}"),
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "SKIPPED: flite does not run ({error}): apt install flite");
            return None;
        }
    }
    let (rate, samples) = read(&std::fs::read(file.path()).unwrap());
    Some(speech_resampled(&samples, rate, 16_000))
}

/// The sample rate and the samples of a WAV file.
pub(crate) fn read(file: &[u8]) -> (u32, Vec<i16>) {
    let (format, samples) = wav::decode(file).unwrap();
    (format.rate, samples)
}

/// Every voice at its own level, as loud as the loudest of them at this one.
pub(crate) fn at_level(samples: &[i16], decibels: f32) -> Vec<i16> {
    to_integers(&crate::sound::at_level(to_floats(samples), decibels))
}

/// The words at the beginning of silence of so many samples.
pub(crate) fn between_silence(samples: &[i16], before: usize, behind: usize) -> Vec<i16> {
    [&vec![0; before], samples, &vec![0; behind]].concat()
}
