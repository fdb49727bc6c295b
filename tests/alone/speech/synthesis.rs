//! The speech of the tests: sentences that a synthesiser speaks, one after the other.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use testbed::tools::find_on_path;

use crate::support::skipped;

pub(crate) const RATE: u32 = 16_000;
/// The pause between two sentences, so that a late end is not taken for the next beginning.
const PAUSE: usize = (RATE as usize) * 6 / 5;

/// The recogniser reads each of these sentences right also with noise and gaps in the synthesiser's sound, so any error
/// is the network's doing.
const SENTENCES: [&str; 5] = [
    "please call the doctor tomorrow morning at seven",
    "the children are playing in the garden behind the house",
    "my brother bought a small house near the river",
    "the company was founded in nineteen ninety seven",
    "the president said that the country needs more money",
];

/// The sentences that most tests play; the others are left to `--all`.
pub(crate) const FEW: usize = 3;
pub(crate) const ALL: usize = SENTENCES.len();

/// Sentences as one recording.
pub(crate) struct Speech {
    pub(crate) samples: Vec<i16>,
    pub(crate) sentences: Vec<Sentence>,
}

/// Where in the recording a text is.
pub(crate) struct Sentence {
    pub(crate) text: &'static str,
    start: usize,
    end: usize,
}

// === impl Speech ===

impl Speech {
    /// `None`, with a line about it, where the synthesiser is missing.
    pub(crate) fn synthesised(directory: &Path, sentences: usize) -> Option<Self> {
        let mut speech = Self { samples: vec![0; PAUSE], sentences: Vec::new() };
        for text in SENTENCES.into_iter().take(sentences) {
            let spoken = spoken(text, &directory.join("sentence.wav"))?;
            let start = speech.samples.len();
            speech.samples.extend(spoken);
            speech.sentences.push(Sentence { text, start, end: speech.samples.len() });
            speech.samples.extend([0; PAUSE]);
        }
        Some(speech)
    }

    /// Writes the sound that a call with these files plays.
    pub(crate) fn write_for(&self, files: &Path) {
        let name = format!("{}-said.pcm", files.file_name().unwrap().display());
        write(&self.samples, &files.with_file_name(name));
    }

    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs(self.samples.len() as u64 / u64::from(RATE))
    }

    pub(crate) fn words(&self) -> usize {
        self.sentences.iter().map(|sentence| sentence.text.split_whitespace().count()).sum()
    }

    /// The received sound of each sentence, in files of its own beside `heard`; `at` maps a position in the recording
    /// to one in `sound`.
    pub(crate) fn cut(&self, sound: &[i16], at: impl Fn(usize) -> usize, heard: &Path) -> Vec<PathBuf> {
        let part = |(number, sentence): (usize, &Sentence)| {
            let [start, end] =
                [sentence.start, self.until_next(sentence)].map(|place| at(place).min(sound.len()));
            let file = heard.with_extension(format!("{number}.pcm"));
            write(&sound[start..end], &file);
            file
        };
        self.sentences.iter().enumerate().map(part).collect()
    }

    /// The samples that may hold a sentence that was delayed.
    fn until_next(&self, sentence: &Sentence) -> usize {
        sentence.end + PAUSE * 9 / 10
    }
}

/// The samples that the synthesiser makes of a text; the file stays.
pub(crate) fn spoken(text: &str, file: &Path) -> Option<Vec<i16>> {
    let Some(flite) = find_on_path("flite") else {
        skipped("flite is missing, which speaks (`cargo xtask setup`, or apt install flite)");
        return None;
    };
    let status = Command::new(flite).args(["-voice", "rms", "-t", text, "-o"]).arg(file).status().unwrap();
    assert!(status.success(), "flite ended with {status}");
    Some(wav::decode(&fs::read(file).unwrap()).unwrap().1)
}

pub(crate) fn from_bytes(bytes: &[u8]) -> Vec<i16> {
    bytes.as_chunks::<2>().0.iter().map(|pair| i16::from_le_bytes(*pair)).collect()
}

pub(crate) fn write(samples: &[i16], file: &Path) {
    let bytes: Vec<_> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    fs::write(file, bytes).unwrap();
}
