//! The text that a recogniser reads, and how many of its words are wrong.

use std::path::PathBuf;
use std::process::Command;
use std::thread;

use crate::speech::ends::{Heard, cut};
use crate::speech::synthesis::{Sentence, Speech};

/// Processes that read at the same time; each takes a while to start.
const READERS: usize = 2;

/// The recognised text of a sentence, and how many of its words are wrong.
pub(crate) struct Reading {
    pub(crate) text: String,
    pub(crate) wrong: usize,
}

/// The number of wrong words of each named call; prints a table of the recognised texts.
pub(crate) fn compare(speech: &Speech, calls: &[(String, Heard)]) -> Vec<usize> {
    let files: Vec<_> = calls.iter().flat_map(|(_, heard)| cut(speech, heard)).collect();
    let mut all = Vec::new();
    for ((name, heard), readings) in calls.iter().zip(readings(speech, &files)) {
        let wrong = readings.iter().map(|reading| reading.wrong).sum();
        println!("{name}: {wrong} words wrong (speaker up to {:.0?} late)", heard.lateness());
        for Reading { text, wrong } in readings.iter().filter(|reading| reading.wrong > 0) {
            println!("    {wrong} in {text:?}");
        }
        all.push(wrong);
    }
    all
}

/// The readings of each call, one for each sentence.
pub(crate) fn readings(speech: &Speech, files: &[PathBuf]) -> Vec<Vec<Reading>> {
    let texts = read(files);
    let reading = |(said, text): (&Sentence, &String)| Reading {
        text: text.clone(),
        wrong: wrong_words(said.text, text),
    };
    let call = |texts: &[String]| speech.sentences.iter().zip(texts).map(reading).collect();
    texts.chunks(speech.sentences.len()).map(call).collect()
}

/// A line for each file.
fn read(files: &[PathBuf]) -> Vec<String> {
    let lines: Vec<_> = thread::scope(|scope| {
        let start = |files| scope.spawn(move || read_by_one(files));
        let readers: Vec<_> = files.chunks(files.len().div_ceil(READERS).max(1)).map(start).collect();
        readers.into_iter().flat_map(|reader| reader.join().unwrap()).collect()
    });
    assert_eq!(lines.len(), files.len());
    lines
}

fn read_by_one(files: &[PathBuf]) -> Vec<String> {
    let mut command = Command::new(testbed::venv::python().unwrap());
    command.arg(testbed::root().join("tests/python/recognise.py")).args(files);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// Words that are missing, superfluous or different: the edit distance.
fn wrong_words(expected: &str, read: &str) -> usize {
    let read: Vec<_> = read.split_whitespace().collect();
    let mut row: Vec<_> = (0..=read.len()).collect();
    for (index, word) in expected.split_whitespace().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for column in 0..read.len() {
            let changed = diagonal + usize::from(read[column] != word);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[read.len()]
}

#[test]
fn wrong_words_are_counted() {
    assert_eq!(wrong_words("close the door", "close the door"), 0);
    assert_eq!(wrong_words("close the door", "close a door"), 1);
    assert_eq!(wrong_words("close the door", "close door"), 1);
    assert_eq!(wrong_words("close the door", "please close the door"), 1);
    assert_eq!(wrong_words("close the door", ""), 3);
}
