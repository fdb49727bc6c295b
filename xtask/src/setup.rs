//! Prepares the programs that the demo and the tests run besides cargo's own.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use testbed::tools::find_on_path;
use testbed::{process, tools, venv};

use crate::terminal::Terminal;

/// The names under which a browser is found.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// The programs that the tests start.
pub(crate) struct Ready {
    pub(crate) livekit_server: PathBuf,
    pub(crate) otelcol: PathBuf,
    pub(crate) python: PathBuf,
}

/// `cargo xtask setup`.
pub(crate) fn everything() -> Result<()> {
    let terminal = Terminal::detect();
    let started = Instant::now();
    let ready = prepare()?;
    for (name, path) in [
        ("the LiveKit server", &ready.livekit_server),
        ("the OpenTelemetry Collector", &ready.otelcol),
        ("Python with LiveKit's SDK", &ready.python),
    ] {
        terminal.step(format!("{name} is {}", path.display()));
    }
    terminal.step(format!("all is ready {}", terminal.took(started.elapsed())));
    Ok(())
}

/// Finds, builds and installs the programs; those that exist take no time.
pub(crate) fn prepare() -> Result<Ready> {
    ensure_python()?;
    ensure_browser();
    ensure_redis();
    ensure_speech();
    // The Python packages come over the network while Go compiles.
    std::thread::scope(|scope| {
        let python = scope.spawn(venv::python);
        let servers = servers();
        let python = python.join().unwrap_or_else(|_| bail!("the Python set-up panicked"))?;
        let (livekit_server, otelcol) = servers?;
        Ok(Ready { livekit_server, otelcol, python })
    })
}

/// The LiveKit server and the collector, which the demo needs too.
pub(crate) fn servers() -> Result<(PathBuf, PathBuf)> {
    Ok((tools::livekit_server()?, tools::otelcol()?))
}

/// The browser in which the tests look at our pages. Without one those tests say that they are skipped.
fn ensure_browser() {
    if BROWSERS.iter().any(|name| find_on_path(name).is_some()) {
        return;
    }
    if let Err(error) = install(&["chromium"]) {
        testbed::progress(&format!("the pages will not be looked at in a browser: {error:#}"));
    }
}

/// Redis, which makes several LiveKit servers one cluster. Without it the tests of clusters say that they are skipped.
fn ensure_redis() {
    if find_on_path("redis-server").is_some() {
        return;
    }
    if let Err(error) = install(&["redis-server"]) {
        testbed::progress(&format!("no cluster of LiveKit servers will be tried: {error:#}"));
    }
}

/// The synthesiser that speaks to the recogniser, also within `tools/speechd`, whose packages are in the Python
/// environment. Without it the tests of speech say that they are skipped.
fn ensure_speech() {
    if find_on_path("flite").is_some() {
        return;
    }
    if let Err(error) = install(&["flite"]) {
        testbed::progress(&format!("no speech will be sent through LiveKit: {error:#}"));
    }
}

/// Debian ships Python's `venv` in a package of its own, so an interpreter alone is not enough.
fn ensure_python() -> Result<()> {
    if has_venv() {
        return Ok(());
    }
    install(&["python3", "python3-venv"])?;
    if has_venv() {
        Ok(())
    } else {
        bail!("python3 still cannot make virtual environments; is another python3 first on PATH?")
    }
}

fn has_venv() -> bool {
    let mut command = Command::new("python3");
    command.args(["-c", "import ensurepip, venv"]).stdout(Stdio::null()).stderr(Stdio::null());
    process::run(&mut command).is_ok_and(|output| output.status.success())
}

/// Installs Debian packages when this process may, otherwise prints the command.
fn install(packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    let Some(apt_get) = find_on_path("apt-get") else {
        bail!("missing: {list} (these are Debian's names; install them with your system's package manager)");
    };
    if !is_root() {
        bail!("missing packages; run: sudo apt-get install --yes --no-install-recommends {list}");
    }
    testbed::progress(&format!("installing {list} with apt-get"));
    let mut update = Command::new(&apt_get);
    apt(update.arg("update"))?;
    let mut install = Command::new(&apt_get);
    apt(install.args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt(command: &mut Command) -> Result<()> {
    command.env("DEBIAN_FRONTEND", "noninteractive").stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = process::run(command).context("cannot run apt-get")?;
    if !output.status.success() {
        bail!(
            "apt-get ended with {}:\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(())
}

fn is_root() -> bool {
    // The owner of our own process directory; without /proc there is no apt-get either.
    std::fs::metadata("/proc/self").is_ok_and(|it| std::os::unix::fs::MetadataExt::uid(&it) == 0)
}
