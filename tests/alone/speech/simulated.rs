//! Both ends of `bench/loss.sh`: writes the speech for the simulated networks of `libwebrtc`, and has a recogniser read
//! the result. No limit is asserted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::speech::reading::{Reading, readings};
use crate::speech::synthesis::{ALL, Speech, from_bytes, write};

/// The directory `$SPOKEN`, which the script makes.
fn directory() -> PathBuf {
    std::env::var_os("SPOKEN").expect("bench/loss.sh says where").into()
}

#[test]
#[ignore = "a measurement: bench/loss.sh"]
fn say() {
    let speech = Speech::synthesised(&directory(), ALL).expect("flite speaks");
    write(&speech.samples, &directory().join("said.pcm"));
}

#[test]
#[ignore = "a measurement: bench/loss.sh"]
fn judge() {
    let speech = Speech::synthesised(&directory(), ALL).expect("flite speaks");
    let heard = heard();
    let files: Vec<_> = heard.iter().flat_map(|file| cut(&speech, file)).collect();
    let mut misread = BTreeMap::new();
    for (file, readings) in heard.iter().zip(readings(&speech, &files)) {
        for Reading { text, wrong } in readings.into_iter().filter(|reading| reading.wrong > 0) {
            println!("{}: {wrong} in {text:?}", file.file_stem().unwrap().display());
            *misread.entry(wrong).or_insert(0) += 1;
        }
    }
    let wrong: usize = misread.iter().map(|(words, sentences)| words * sentences).sum();
    println!(
        "{wrong} of {} words are wrong; sentences by their wrong words: {misread:?}",
        heard.len() * speech.words()
    );
}

/// The recordings that came out of each network.
fn heard() -> Vec<PathBuf> {
    let names = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = names.filter(|path| is_heard(path)).collect();
    files.sort_unstable();
    assert!(!files.is_empty(), "nothing was heard");
    files
}

fn is_heard(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("heard-"))
}

/// Relies on the network delaying the sound by less than the pause after a sentence.
fn cut(speech: &Speech, heard: &Path) -> Vec<PathBuf> {
    let sound = from_bytes(&fs::read(heard).unwrap());
    speech.cut(&sound, |place| place, heard)
}
