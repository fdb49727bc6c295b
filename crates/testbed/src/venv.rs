//! A Python environment with LiveKit's own SDK: the official client of the end-to-end tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::build_lock::BuildLock;
use crate::tools::find_on_path;
use crate::{process, progress, root, target_dir};

/// The list of packages, relative to the workspace.
const REQUIREMENTS: &str = "tests/python/requirements.txt";

/// The interpreter of `target/venv`, which is created first when it is absent or its requirements changed.
pub fn python() -> Result<PathBuf> {
    let environment = target_dir().join("venv");
    let interpreter = environment.join("bin/python");
    let requirements = root().join(REQUIREMENTS);
    let lock = BuildLock::acquire(&environment, std::slice::from_ref(&requirements))?;
    if !(lock.is_done() && interpreter.exists()) {
        build(&environment, &interpreter, &requirements)?;
        lock.mark_done()?;
    }
    Ok(interpreter)
}

fn build(environment: &Path, interpreter: &Path, requirements: &Path) -> Result<()> {
    let python = find_on_path("python3").context(
        "python3 is missing; the end-to-end test runs LiveKit's Python SDK. Install Python 3.10 or newer with venv",
    )?;
    progress(&format!("installing {REQUIREMENTS} into {} (about 20 s)", environment.display()));
    let started = Instant::now();
    if environment.exists() {
        fs::remove_dir_all(environment)
            .with_context(|| format!("cannot remove {}", environment.display()))?;
    }
    run(Command::new(python).args(["-m", "venv"]).arg(environment))
        .context("cannot make a virtual environment (on Debian it needs the package python3-venv)")?;
    let mut pip = Command::new(interpreter);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"]);
    run(pip.arg(requirements)).with_context(|| format!("cannot install {REQUIREMENTS}"))?;
    progress(&format!("the Python environment took {:.0} s", started.elapsed().as_secs_f64()));
    Ok(())
}

fn run(command: &mut Command) -> Result<()> {
    let output = process::run(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("Python ended with {}:\n{}", output.status, String::from_utf8_lossy(&said).trim_end());
    }
    Ok(())
}
