//! `cargo xtask check`: the fast loop. Format, structure, lints, and the tests that need no server.

mod prose;
mod structure;

use std::time::Instant;

use anyhow::{Result, bail, ensure};
use testbed::process;

use crate::terminal::Terminal;

/// The longest README.
const README_BYTES: u64 = 9 * 1024;

/// The commands, run after the checks that need no compiler. The long run of the fuzz corpus is left to `test`.
const COMMANDS: [(&str, &[&str]); 4] = [
    ("format", &["fmt", "--all", "--check"]),
    ("lints", &["clippy", "--workspace", "--all-targets", "--locked", "--quiet", "--", "-D", "warnings"]),
    ("unit tests", &["test", "--package", "voiced", "--lib", "--quiet"]),
    (
        "offline tests",
        &["test", "--package", "voiced", "--test", "offline", "--quiet", "--", "--skip", "fuzz_corpus"],
    ),
];

pub(crate) fn run() -> Result<()> {
    let (terminal, started) = (Terminal::detect(), Instant::now());
    let found = findings()?;
    found.iter().for_each(|finding| println!("{finding}"));
    ensure!(found.is_empty(), "{} findings about structure and prose", found.len());
    terminal.step("structure and prose ok");
    for (name, arguments) in COMMANDS {
        let began = Instant::now();
        let mut command = testbed::cargo();
        command.args(arguments).current_dir(testbed::root());
        if !process::run(&mut command)?.status.success() {
            bail!("{name}: cargo {} failed", arguments.join(" "));
        }
        terminal.step(format!("{name} ok {}", terminal.took(began.elapsed())));
    }
    terminal.step(format!("all ok {}", terminal.took(started.elapsed())));
    Ok(())
}

/// The faults that the text of the tree has, a line each.
pub(crate) fn findings() -> Result<Vec<String>> {
    let mut found = structure::cycles(&testbed::root().join("src"))?;
    found.extend(prose::vague(testbed::root())?);
    let readme = testbed::root().join("README.md").metadata()?.len();
    if readme > README_BYTES {
        found.push(format!("README.md has {readme} bytes and may have {README_BYTES}"));
    }
    Ok(found)
}
