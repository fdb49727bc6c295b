//! The top-level modules of a crate import each other in one direction.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The modules that each module imports, and one place of each import.
type Imports = BTreeMap<String, BTreeMap<String, String>>;

/// A line for each cycle of imports.
pub(super) fn cycles(source: &Path) -> Result<Vec<String>> {
    let imports = imports(source)?;
    let mut found = Vec::new();
    let mut told = BTreeSet::new();
    for module in imports.keys() {
        let Some(way) = way_back(&imports, module) else { continue };
        let members: BTreeSet<&String> = way.iter().collect();
        if told.insert(format!("{members:?}")) {
            let places = way.windows(2).filter_map(|step| imports.get(&step[0])?.get(&step[1]));
            let places: Vec<&str> = places.map(String::as_str).collect();
            found.push(format!("import cycle {}: {}", way.join(" > "), places.join(", ")));
        }
    }
    Ok(found)
}

/// The shortest chain of imports from a module back to itself.
fn way_back(imports: &Imports, start: &str) -> Option<Vec<String>> {
    let mut ways = vec![vec![start.to_owned()]];
    let mut seen = BTreeSet::new();
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in ways {
            let last = way.last()?;
            for next in imports.get(last).into_iter().flat_map(BTreeMap::keys) {
                let way = [way.as_slice(), std::slice::from_ref(next)].concat();
                if next == start {
                    return Some(way);
                }
                if seen.insert(next.clone()) {
                    longer.push(way);
                }
            }
        }
        ways = longer;
    }
    None
}

fn imports(source: &Path) -> Result<Imports> {
    let files = rust_files(source)?;
    let top = |file: &Path| {
        let first = file.strip_prefix(source).ok()?.components().next()?;
        Some(Path::new(first.as_os_str()).file_stem()?.to_str()?.to_owned())
    };
    let modules: BTreeSet<String> = files.iter().filter_map(|file| top(file)).collect();
    let mut imports = Imports::new();
    for file in &files {
        let Some(module) = top(file).filter(|module| !is_root(module)) else { continue };
        let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        let place = file.strip_prefix(testbed::root()).unwrap_or(file).display().to_string();
        for name in named(production(file, &text)) {
            if name != module && modules.contains(&name) {
                imports.entry(module.clone()).or_default().entry(name).or_insert_with(|| place.clone());
            }
        }
    }
    Ok(imports)
}

/// Files that assemble the other modules.
fn is_root(module: &str) -> bool {
    matches!(module, "lib" | "main" | "fuzzing")
}

/// The text without its tests.
fn production<'a>(file: &Path, text: &'a str) -> &'a str {
    let is_tests = |part: &str| part == "tests" || part.ends_with("_tests");
    let names = file.iter().filter_map(|part| Path::new(part).file_stem()?.to_str());
    if names.into_iter().any(is_tests) {
        return "";
    }
    text.split("#[cfg(test)]\nmod ").next().unwrap_or_default()
}

/// The modules behind `crate::`, single and in braces; comments are ignored.
fn named(text: &str) -> BTreeSet<String> {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let code = code.collect::<Vec<_>>().join("\n");
    let mut named = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        match after.strip_prefix('{') {
            Some(group) => named.extend(members(group)),
            None => named.extend(word(after)),
        }
    }
    named
}

/// The first word of each member of `a::b, c::{d, e}}`.
fn members(group: &str) -> Vec<String> {
    let (mut depth, mut starts, mut found) = (0, true, Vec::new());
    for (at, letter) in group.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => starts = true,
            _ if letter.is_whitespace() => {}
            _ if std::mem::take(&mut starts) => found.extend(word(&group[at..])),
            _ => {}
        }
    }
    found
}

fn word(text: &str) -> Option<String> {
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    (end > 0).then(|| text[..end].to_owned())
}

pub(super) fn rust_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(directory).with_context(|| format!("cannot list {}", directory.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = directory.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        directory
    }

    #[test]
    fn modules_that_import_each_other_are_found_with_a_place_of_each() {
        let source = source(&[
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::X;"),
            ("b/inner.rs", "use crate::{d, c::{Y, a::Z}};"),
            ("c.rs", "fn c() { crate::a::f() }"),
            ("d.rs", ""),
        ]);
        let found = cycles(source.path()).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("import cycle a > b > c > a: "), "{found:?}");
        assert!(found[0].contains("inner.rs"), "{found:?}");
    }

    #[test]
    fn tests_and_comments_import_nothing() {
        let source = source(&[
            ("a.rs", "use crate::b::X;"),
            (
                "b.rs",
                "// crate::a\n//! [`crate::a`]\nfn b() {}\n#[cfg(test)]\nmod tests { use crate::a::f; }",
            ),
            ("b/tests.rs", "use crate::a::f;"),
        ]);
        assert!(cycles(source.path()).unwrap().is_empty());
    }
}
