//! `cargo xtask dist`: the files that are distributed with the program.

use anyhow::{Result, ensure};
use testbed::{process, root, target_dir};

use crate::terminal::Terminal;

pub(crate) fn run() -> Result<()> {
    let directory = target_dir().join("dist");
    // Files of an earlier version are not distributed with this one.
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    let mut command = testbed::cargo();
    command.args(["run", "--quiet", "--locked", "--package", "voiced", "--example", "papers", "--"]);
    let output = process::run(command.arg(&directory).current_dir(root()))?;
    ensure!(output.status.success(), "the man pages and completions could not be made, as said above");
    Terminal::detect().step(format!("man pages and completions are in {}", directory.display()));
    Ok(())
}
