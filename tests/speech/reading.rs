//! What a recogniser reads, and how much of it is wrong.

use std::path::PathBuf;
use std::process::Command;

/// A line for each file.
pub(crate) fn read(files: &[PathBuf]) -> Vec<String> {
    let mut command = Command::new(testbed::venv::python().unwrap());
    command.arg(testbed::root().join("tests/python/recognise.py")).args(files);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), files.len());
    lines
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
