//! What a recogniser reads, and how much of it is wrong.

use std::path::PathBuf;
use std::process::Command;
use std::thread;

use crate::ends::{Heard, cut};
use crate::speech::Speech;

/// Processes that read at the same time; each takes a while to start.
const READERS: usize = 2;

/// How many words are wrong of each call, which has a name; a table of what was read is printed.
pub(crate) fn compare(speech: &Speech, calls: &[(String, Heard)]) -> Vec<usize> {
    let files: Vec<_> = calls.iter().flat_map(|(_, heard)| cut(speech, heard)).collect();
    let read = read(&files);
    let mut wrong = Vec::new();
    for ((name, heard), read) in calls.iter().zip(read.chunks(speech.sentences.len())) {
        let errors: Vec<_> =
            speech.sentences.iter().zip(read).map(|(said, read)| wrong_words(said.text, read)).collect();
        println!(
            "{name}: {} words wrong (speaker up to {:.0?} late)",
            errors.iter().sum::<usize>(),
            heard.lateness()
        );
        for (errors, text) in errors.iter().zip(read).filter(|(errors, _)| **errors > 0) {
            println!("    {errors} in {text:?}");
        }
        wrong.push(errors.iter().sum());
    }
    wrong
}

/// A line for each file.
pub(crate) fn read(files: &[PathBuf]) -> Vec<String> {
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

/// Words that are missing, superfluous or others: the edit distance.
pub(crate) fn wrong_words(expected: &str, read: &str) -> usize {
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
