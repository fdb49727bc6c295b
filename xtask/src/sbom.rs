//! `cargo xtask sbom`: the components of the program, as CycloneDX 1.5 JSON, by `cargo-cyclonedx`.
//!
//! The same tree of dependencies gives the same bytes in any directory: the file holds no time, no random number and no
//! path of a machine. Procedural macros, which run in the compiler, are listed as parts of the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use testbed::tools::find_on_path;
use testbed::{process, progress, root, target_dir};

use crate::terminal::Terminal;

const TOOL: &str = "cargo-cyclonedx";
const VERSION: &str = "0.5.9";
/// The system that the components are listed for.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";
/// The tool writes a file of this name beside each `Cargo.toml` of the workspace.
const WRITTEN: &str = "voiced.cdx.json";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to write it [default: target/dist/voiced.cdx.json]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let written = write(&tool()?);
    let bill = fs::read_to_string(root().join(WRITTEN));
    clear();
    written?;
    let text = portable(&bill.context("cargo cyclonedx wrote no file for the program")?, root())?;
    let output = options.output.clone().unwrap_or_else(|| target_dir().join("dist").join(WRITTEN));
    if let Some(directory) = output.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(&output, text).with_context(|| format!("cannot write {}", output.display()))?;
    Terminal::detect().step(format!("the bill of materials is {}", output.display()));
    Ok(())
}

/// The tool on `PATH`, otherwise installed once into `target/tools`.
fn tool() -> Result<PathBuf> {
    if let Some(tool) = find_on_path(TOOL) {
        return Ok(tool);
    }
    let place = target_dir().join("tools");
    let tool = place.join("bin").join(TOOL);
    if !tool.is_file() {
        progress(&format!("installing {TOOL} {VERSION}"));
        let mut command = testbed::cargo();
        command.args(["install", "--quiet", "--locked", TOOL, "--version", VERSION, "--root"]).arg(place);
        let installed = process::run(&mut command)?.status.success();
        ensure!(
            installed,
            "{TOOL} could not be installed, as said above; put one of version {VERSION} on PATH"
        );
    }
    Ok(tool)
}

fn write(tool: &Path) -> Result<()> {
    let name = WRITTEN.trim_end_matches(".json");
    let mut command = Command::new(tool);
    command.args(["cyclonedx", "--quiet", "--format=json", "--spec-version=1.5", "--target", PLATFORM]);
    // With the time given, the tool makes no random number.
    command.args(["--override-filename", name]).env("SOURCE_DATE_EPOCH", "0").current_dir(root());
    ensure!(process::run(&mut command)?.status.success(), "cargo cyclonedx failed, as said above");
    Ok(())
}

/// Removes what the tool wrote.
fn clear() {
    let crates = fs::read_dir(root().join("crates")).into_iter().flatten().flatten();
    let members = [root().to_owned(), root().join("xtask")].into_iter();
    for member in members.chain(crates.map(|entry| entry.path())) {
        drop(fs::remove_file(member.join(WRITTEN)));
    }
}

/// The bill without the time that it was given, and with the workspace at the root of its references.
fn portable(bill: &str, root: &Path) -> Result<String> {
    let mut bill: Value = serde_json::from_str(bill).context("cargo cyclonedx wrote no JSON")?;
    bill["metadata"].as_object_mut().map(|metadata| metadata.remove("timestamp"));
    let text = serde_json::to_string_pretty(&bill)? + "\n";
    Ok(text.replace(&format!("path+file://{}", root.display()), "path+file://"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_names_no_time_and_no_directory_of_the_machine() {
        let bill = r#"{"metadata":{"timestamp":"1970-01-01T00:00:00Z","component":{"name":"app"}},
            "dependencies":[{"ref":"path+file:///home/ada/app/crates/lib#1.0.0"}]}"#;
        let text = portable(bill, Path::new("/home/ada/app")).unwrap();
        let bill: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(bill["metadata"].to_string(), r#"{"component":{"name":"app"}}"#);
        assert_eq!(bill["dependencies"][0]["ref"], "path+file:///crates/lib#1.0.0");
    }
}
