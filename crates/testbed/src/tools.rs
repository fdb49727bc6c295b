//! The programs that run beside `voiced`: found where the environment says, or built once.
//!
//! A build holds a lock, so that test programs that run side by side build once. It prints a line, because the first
//! build takes minutes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};

use crate::build_lock::BuildLock;
use crate::{process, progress, root, target_dir, workspace};

/// A program that is built from a Go module of ours under `tools/`.
#[derive(Debug)]
struct GoTool {
    name: &'static str,
    variable: &'static str,
    package: &'static str,
    /// The duration of the first build on two cores.
    cold_build: &'static str,
    /// Whether a program of this name found on `PATH` can be used.
    accepts: fn(&Path) -> bool,
}

const LIVEKIT_SERVER: GoTool = GoTool {
    name: "livekit-server",
    variable: "LIVEKIT_SERVER",
    package: "github.com/livekit/livekit-server/cmd/server",
    cold_build: "about 2 minutes",
    accepts: |_| true,
};

const OTELCOL: GoTool = GoTool {
    name: "otelcol",
    variable: "OTELCOL",
    package: ".",
    cold_build: "about 2.5 minutes",
    accepts: has_our_components,
};

/// The LiveKit server: `$LIVEKIT_SERVER`, otherwise `livekit-server` on `PATH`, otherwise built into `target/tools/`.
pub fn livekit_server() -> Result<PathBuf> {
    LIVEKIT_SERVER.locate()
}

/// The OpenTelemetry Collector: `$OTELCOL`, otherwise an `otelcol` on `PATH` that has the components our configuration
/// uses, otherwise built into `target/tools/`.
pub fn otelcol() -> Result<PathBuf> {
    OTELCOL.locate()
}

/// The OpenAI-compatible model of the demo and the tests: `$SCRIPTED_MODEL`, otherwise the one that cargo builds.
pub fn scripted_model() -> Result<PathBuf> {
    match from_variable("SCRIPTED_MODEL")? {
        Some(path) => Ok(path),
        None => Ok(cargo_build(&["--package", "scripted-model"], &["scripted-model"])?.remove(0)),
    }
}

/// The other end of voice connections, and a network that loses packets: `$VOICE_BENCH`, otherwise the one that cargo
/// builds.
pub fn voice_bench() -> Result<PathBuf> {
    match from_variable("VOICE_BENCH")? {
        Some(path) => Ok(path),
        None => Ok(cargo_build(&["--package", "voice-bench"], &["voice-bench"])?.remove(0)),
    }
}

/// Builds the packages of `selection`, which holds cargo's own arguments, and returns the binaries called `names`.
pub fn cargo_build(selection: &[&str], names: &[&str]) -> Result<Vec<PathBuf>> {
    let mut command = workspace::cargo();
    command.args(["build", "--message-format=json-render-diagnostics"]).args(selection).current_dir(root());
    let output = process::run(command.stdout(Stdio::piped()))?;
    ensure!(output.status.success(), "cargo build {} failed", selection.join(" "));
    let messages = String::from_utf8_lossy(&output.stdout);
    names
        .iter()
        .map(|name| executable(&messages, name).with_context(|| format!("cargo built no binary `{name}`")))
        .collect()
}

/// The Go program on `PATH`, otherwise at the path where its installer puts it.
pub fn go() -> Result<PathBuf> {
    find_on_path("go")
        .or_else(|| Some(PathBuf::from("/usr/local/go/bin/go")).filter(|path| path.is_file()))
        .context(
            "Go is missing; it builds the LiveKit server and the OpenTelemetry Collector that the demo and the tests run. \
             Install Go 1.26 or newer from https://go.dev/dl/ (unpack it to /usr/local/go), \
             or point $LIVEKIT_SERVER and $OTELCOL at finished programs",
        )
}

/// A program of this name on `PATH`.
pub fn find_on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| file.is_file())
}

fn from_variable(name: &str) -> Result<Option<PathBuf>> {
    let Some(path) = std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    ensure!(path.is_file(), "${name} says {}, which is not a file", path.display());
    Ok(Some(path))
}

impl GoTool {
    fn locate(&self) -> Result<PathBuf> {
        if let Some(path) = from_variable(self.variable)? {
            return Ok(path);
        }
        match find_on_path(self.name).filter(|path| (self.accepts)(path)) {
            Some(path) => Ok(path),
            None => self.build_once(),
        }
    }

    fn build_once(&self) -> Result<PathBuf> {
        let program = target_dir().join("tools").join(self.name);
        let lock = BuildLock::acquire(&program, &self.sources()?)?;
        if !(lock.is_done() && program.is_file()) {
            self.build(&program)?;
            lock.mark_done()?;
        }
        Ok(program)
    }

    fn directory(&self) -> PathBuf {
        root().join("tools").join(self.name)
    }

    /// The files that the build depends on; a configuration file beside it does not count.
    fn sources(&self) -> Result<Vec<PathBuf>> {
        let directory = self.directory();
        let entries =
            fs::read_dir(&directory).with_context(|| format!("cannot read {}", directory.display()))?;
        let mut files = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        files
            .retain(|file| matches!(file.extension().and_then(|it| it.to_str()), Some("go" | "mod" | "sum")));
        files.sort();
        Ok(files)
    }

    fn build_command(&self, go: &Path, output: &Path) -> Command {
        let mut command = Command::new(go);
        command
            .args(["build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o"])
            .arg(output)
            .arg(self.package)
            .current_dir(self.directory())
            .env("GOWORK", "off")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if std::env::var_os("GOTOOLCHAIN").is_none() {
            // An older Go fetches the version that the module asks for.
            command.env("GOTOOLCHAIN", "auto");
        }
        command
    }

    fn build(&self, program: &Path) -> Result<()> {
        let go = go()?;
        progress(&format!(
            "building {} from its Go modules ({} the first time on 2 cores)",
            self.name, self.cold_build
        ));
        let started = Instant::now();
        // A half-written program must not look finished to the next run.
        let unfinished = program.with_extension("unfinished");
        let output = process::run(&mut self.build_command(&go, &unfinished))?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            bail!("go build of {} in {} failed:\n{errors}", self.name, self.directory().display());
        }
        fs::rename(&unfinished, program).with_context(|| format!("cannot write {}", program.display()))?;
        progress(&format!("built {} in {:.0} s", self.name, started.elapsed().as_secs_f64()));
        Ok(())
    }
}

/// Distributions of the collector differ in what they contain; `otelcol components` lists it.
fn has_our_components(program: &Path) -> bool {
    let Ok(output) = Command::new(program).arg("components").stdin(Stdio::null()).output() else {
        return false;
    };
    let listing = String::from_utf8_lossy(&output.stdout);
    ["basicauth", "name: otlp", "name: file"].iter().all(|component| listing.contains(component))
}

/// The path of a binary in the output of `cargo build --message-format=json`.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name && message["target"]["kind"][0] == "bin")
        // The harness of a binary's unit tests goes by the binary's name.
        .filter(|message| message["profile"]["test"] != true)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_binary_among_cargos_messages() {
        let messages = r#"
            {"target":{"name":"voiced","kind":["lib"]},"profile":{"test":false},"executable":null}
            {"target":{"name":"voiced","kind":["bin"]},"profile":{"test":true},"executable":"/t/debug/deps/voiced-1"}
            not json
            {"target":{"name":"voiced","kind":["bin"]},"profile":{"test":false},"executable":"/t/debug/voiced"}
            {"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "voiced"), Some(PathBuf::from("/t/debug/voiced")));
        assert_eq!(executable(messages, "other"), None);
    }

    #[test]
    fn a_program_on_the_path_is_found() {
        assert!(find_on_path("sh").is_some_and(|path| path.is_file()));
        assert_eq!(find_on_path("no-such-program-anywhere"), None);
    }

    #[test]
    fn a_collector_without_our_components_is_not_taken() {
        assert!(!has_our_components(Path::new("/bin/echo")));
        assert!(!has_our_components(Path::new("/nonexistent")));
    }

    #[test]
    fn the_modules_of_both_tools_are_in_the_repository() {
        for tool in [LIVEKIT_SERVER, OTELCOL] {
            let names: Vec<_> =
                tool.sources().unwrap().iter().map(|path| path.file_name().unwrap().to_owned()).collect();
            assert!(names.iter().any(|name| name == "go.sum"), "{}: {names:?}", tool.name);
        }
    }
}
