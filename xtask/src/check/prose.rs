//! Comments and functions name the person or thing that they mean.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::structure::rust_files;

/// Words that stand in the place of a concrete noun: the caller, the worker, the server.
const VAGUE: [&str; 6] = ["nobody", "somebody", "whoever", "anybody", "everybody", "someone"];
/// The folders that are checked.
const FOLDERS: [&str; 4] = ["src", "crates", "tests", "xtask/src"];

/// A line for each comment and each function name with one of these words.
pub(super) fn vague(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for folder in FOLDERS {
        for file in rust_files(&root.join(folder))? {
            let text =
                fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
            let place = file.strip_prefix(root).unwrap_or(&file).display();
            let lines = text.lines().enumerate().filter(|(_, line)| is_vague(line));
            found.extend(lines.map(|(number, line)| format!("{place}:{}: {}", number + 1, line.trim())));
        }
    }
    Ok(found)
}

fn is_vague(line: &str) -> bool {
    comment(line).is_some_and(has_vague_word) || function(line).is_some_and(has_vague_word)
}

fn has_vague_word(text: &str) -> bool {
    let text = text.to_lowercase();
    text.split(|letter: char| !letter.is_alphanumeric()).any(|word| VAGUE.contains(&word))
}

/// The name of the function that a line declares.
fn function(line: &str) -> Option<&str> {
    let (before, rest) = line.split_once("fn ")?;
    let declares =
        before.split_whitespace().all(|word| word.starts_with("pub") || word == "async" || word == "const");
    declares.then(|| rest.split(['(', '<']).next())?
}

/// The text behind `//`, unless that is a part of a URL.
fn comment(line: &str) -> Option<&str> {
    let is_code =
        |at: &usize| line[..*at].matches('"').count().is_multiple_of(2) && !line[..*at].ends_with(':');
    let at = line.match_indices("//").map(|(at, _)| at).find(is_code)?;
    Some(&line[at..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_functions_count_and_only_whole_words() {
        for vague in [
            "/// Nobody waits.",
            "let a = 1; // whoever asks",
            "//! For somebody's sake.",
            "    async fn nobody_waits() {",
            "pub(crate) fn told_by_somebody<T>(it: T) {",
        ] {
            assert!(is_vague(vague), "{vague}");
        }
        for plain in [
            "/// The caller waits.",
            "let nobody = 1;",
            "\"http://nobody\"",
            "// nobodyish",
            "fn nobodyish() {",
        ] {
            assert!(!is_vague(plain), "{plain}");
        }
    }
}
