//! `cargo xtask test-systemd`: the units under a real systemd, booted in a container.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use testbed::tools::find_on_path;
use testbed::{process, root, tools};

use crate::terminal::{Style, Terminal};

/// Ends a container that hangs. A run takes some two minutes.
const LIMIT_SECONDS: &str = "600";
/// The directory of the test in the container, whose /tmp is a new one.
const INSIDE: &str = "opt/voiced-test";

/// Boots into the test and nothing else, and powers off when the test has ended, with any result.
const SERVICE: &str = "\
[Unit]
Requires=basic.target
After=basic.target
SuccessAction=poweroff-force
FailureAction=poweroff-force
[Service]
Type=oneshot
ExecStart=/bin/bash /opt/voiced-test/inside.sh
";
const TARGET: &str = "[Unit]\nRequires=voiced-test.service\nAllowIsolate=yes\n";

/// This machine's own files with a layer over them that takes all writes. Dropping it removes it.
struct Overlay {
    directory: TempDir,
}

/// The programs that go into the container.
struct Programs {
    voiced: PathBuf,
    model: PathBuf,
    livekit_server: PathBuf,
}

pub(crate) fn run() -> Result<()> {
    ready()?;
    let terminal = Terminal::detect();
    let programs = Programs::build()?;
    let overlay = Overlay::mount()?;
    programs.install(&overlay.root())?;
    terminal.step("a systemd boots in a container; the test takes some two minutes");
    let log = overlay.boot()?;
    let results = fs::read_to_string(overlay.root().join(INSIDE).join("results"));
    let results = results.with_context(|| format!("the container did not come up:\n{log}"))?;
    report(&terminal, &results)
}

/// Fails with the missing programs, and how to get them.
fn ready() -> Result<()> {
    ensure!(fs::metadata("/proc/self")?.uid() == 0, "root is needed to boot a container: run this with sudo");
    ensure!(
        find_on_path("systemd-nspawn").is_some(),
        "systemd-nspawn is missing; Debian: apt-get install --yes --no-install-recommends systemd-container"
    );
    Ok(())
}

fn report(terminal: &Terminal, results: &str) -> Result<()> {
    let mut passed = 0;
    for line in results.lines() {
        if let Some(claim) = line.strip_prefix("ok ") {
            passed += 1;
            println!("{} {claim}", terminal.paint(Style::Good, "ok  "));
        } else if let Some(claim) = line.strip_prefix("FAIL ") {
            println!("{} {claim}", terminal.paint(Style::Bad, "FAIL"));
        } else if line != "done" {
            println!("     {line}");
        }
    }
    let failed = results.lines().filter(|line| line.starts_with("FAIL ")).count();
    println!("{passed} passed, {failed} failed");
    ensure!(results.lines().last() == Some("done"), "the test within the container did not come to its end");
    ensure!(failed == 0, "{failed} claims about the units do not hold");
    Ok(())
}

// === impl Programs ===

impl Programs {
    fn build() -> Result<Self> {
        let built = tools::cargo_build(&["--workspace", "--bins"], &["voiced", "scripted-model"])?;
        let [voiced, model] = <[PathBuf; 2]>::try_from(built)
            .map_err(|built| anyhow::anyhow!("cargo built {} programs for two", built.len()))?;
        Ok(Self { voiced, model, livekit_server: tools::livekit_server()? })
    }

    fn install(&self, system: &Path) -> Result<()> {
        let (test, units) = (system.join(INSIDE), system.join("etc/systemd/system"));
        fs::create_dir_all(&test)?;
        fs::create_dir_all(&units)?;
        copy(&self.voiced, &system.join("usr/bin/voiced"))?;
        copy(&self.model, &test.join("scripted-model"))?;
        copy(&self.livekit_server, &test.join("livekit-server"))?;
        copy(&root().join("tests/systemd/inside.sh"), &test.join("inside.sh"))?;
        for unit in ["voiced.service", "voiced@.service"] {
            copy(&root().join("systemd").join(unit), &units.join(unit))?;
        }
        fs::write(units.join("voiced-test.service"), SERVICE)?;
        fs::write(units.join("voiced-test.target"), TARGET)?;
        Ok(())
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    Ok(())
}

// === impl Overlay ===

impl Overlay {
    fn mount() -> Result<Self> {
        let overlay = Self { directory: tempfile::Builder::new().prefix("voiced-systemd-").tempdir()? };
        let path = |name: &str| overlay.directory.path().join(name);
        for name in ["upper", "work", "root"] {
            fs::create_dir(path(name))?;
        }
        let layers =
            format!("lowerdir=/,upperdir={},workdir={}", path("upper").display(), path("work").display());
        let mut mount = Command::new("mount");
        mount.args(["-t", "overlay", "overlay", "-o", &layers]).arg(overlay.root());
        let output = process::run(mount.stderr(Stdio::piped()))?;
        if !output.status.success() {
            bail!("cannot mount an overlay: {}", String::from_utf8_lossy(&output.stderr).trim_end());
        }
        Ok(overlay)
    }

    fn root(&self) -> PathBuf {
        self.directory.path().join("root")
    }

    /// Returns the console output of the container, once it is off.
    fn boot(&self) -> Result<String> {
        let mut command = Command::new("timeout");
        command
            .args([LIMIT_SECONDS, "systemd-nspawn", "--quiet", "--register=no", "--keep-unit"])
            .args(["--private-network", "--boot", "--directory"])
            .arg(self.root())
            .arg("systemd.unit=voiced-test.target")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // The container needs the same hierarchy of control groups as the host.
        if !Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            command.env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "0");
        }
        let output = process::run(&mut command)?;
        let console = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&console).into_owned())
    }
}

impl Drop for Overlay {
    fn drop(&mut self) {
        let mut umount = Command::new("umount");
        let _ = process::run(umount.arg(self.root()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_that_came_to_its_end_without_a_failure_is_good() {
        let good = |results| report(&Terminal::plain(80), results).is_ok();
        assert!(good("ok one\nok two\ndone\n"));
        assert!(!good("ok one\nFAIL two\n why\nok three\ndone\n"));
        assert!(!good("ok one\n"));
        assert!(!good(""));
    }
}
