//! `docs/lessons.md`: every lesson and every test that it names exists. Tests that belong to no other file are in
//! `missing`.

mod missing;

use std::collections::BTreeMap;
use std::path::Path;

/// The number of lessons in the document.
const LESSONS: usize = 43;

/// A numbered point of the document: its lines.
fn lessons() -> BTreeMap<usize, Vec<String>> {
    let text = std::fs::read_to_string(root().join("docs/lessons.md")).unwrap();
    let mut lessons: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        if let Some((number, rest)) = line.split_once(". **").filter(|(number, _)| !number.contains(' ')) {
            assert!(
                lessons.insert(number.parse().unwrap(), vec![rest.to_owned()]).is_none(),
                "{number} is there twice"
            );
        } else if let Some(mut last) = lessons.last_entry() {
            last.get_mut().push(line.trim().to_owned());
        }
    }
    lessons
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The text between backticks.
fn quoted(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2)
}

/// The tests that a line names, as file and function.
fn tests(line: &str) -> impl Iterator<Item = (&str, &str)> {
    quoted(line).filter_map(|quoted| quoted.split_once("::")).filter(|(file, _)| file.ends_with(".rs"))
}

/// Whether the file has a test of this name that runs.
fn is_test(file: &str, name: &str) -> bool {
    let text = std::fs::read_to_string(root().join(file)).unwrap_or_default();
    let Some(at) = text.find(&format!("fn {name}()")) else { return false };
    let before: Vec<&str> = text[..at].lines().rev().take_while(|line| !line.is_empty()).collect();
    let attribute = |start: &str| before.iter().any(|line| line.trim().starts_with(start));
    (attribute("#[test]") || attribute("#[tokio::test")) && !attribute("#[ignore")
}

#[test]
fn all_lessons_are_there_with_the_threads_that_they_come_from() {
    let lessons = lessons();
    assert!(lessons.keys().copied().eq(1..=LESSONS), "{:?}", lessons.keys());
    for (number, lines) in &lessons {
        let text = lines.join(" ");
        let thread = text
            .split([' ', ',', ';', '.'])
            .any(|word| word.contains('/') && word.contains('#') || word.starts_with("PR#"));
        assert!(thread, "{number} names no thread");
    }
}

#[test]
fn every_test_that_a_lesson_names_exists_and_each_lesson_names_one() {
    for (number, lines) in lessons() {
        let named: Vec<_> = lines.iter().flat_map(|line| tests(line)).collect();
        assert!(!named.is_empty(), "{number} names no test");
        for (file, name) in named {
            assert!(is_test(file, name), "{number}: there is no test {name} in {file}");
        }
    }
}

#[test]
fn every_file_that_a_lesson_names_is_there() {
    for (number, lines) in lessons() {
        for line in &lines {
            let files =
                quoted(line).filter_map(|quoted| quoted.split("::").next()).filter(|file| file.contains('/'));
            for file in files.filter(|file| !file.contains(char::is_whitespace)) {
                assert!(root().join(file).exists(), "{number} names {file}, which is not there");
            }
        }
    }
}
