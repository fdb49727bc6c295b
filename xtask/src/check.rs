//! `cargo xtask check`: the fast loop. Format, structure, lints, and the tests that need no server.

mod prose;
mod structure;

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::ci::{Check, FORMAT, LINTS};
use crate::terminal::Terminal;

/// The longest README.
const README_BYTES: u64 = 9 * 1024;

const UNIT_TESTS: Check = Check {
    name: "unit tests",
    cargo: &["test", "--package", "voiced", "--lib", "--quiet"],
    environment: None,
    remedy: "see the failures above",
};

/// The long run of the fuzz corpus is left to `test`.
const OFFLINE_TESTS: Check = Check {
    name: "offline tests",
    cargo: &["test", "--package", "voiced", "--test", "offline", "--quiet", "--", "--skip", "fuzz_corpus"],
    environment: None,
    remedy: "see the failures above",
};

pub(crate) fn run() -> Result<()> {
    let (terminal, started) = (Terminal::detect(), Instant::now());
    let found = findings()?;
    found.iter().for_each(|finding| println!("{finding}"));
    ensure!(found.is_empty(), "{} findings about structure and prose", found.len());
    terminal.step("structure and prose ok");
    for check in [FORMAT, LINTS, UNIT_TESTS, OFFLINE_TESTS] {
        check.run(&terminal)?;
    }
    terminal.step(format!("all ok {}", terminal.took(started.elapsed())));
    Ok(())
}

/// The faults that the text of the tree has, a line each.
fn findings() -> Result<Vec<String>> {
    let mut found = structure::cycles(&testbed::root().join("src"))?;
    found.extend(prose::vague(testbed::root())?);
    let readme = testbed::root().join("README.md").metadata()?.len();
    if readme > README_BYTES {
        found.push(format!("README.md has {readme} bytes and may have {README_BYTES}"));
    }
    Ok(found)
}
