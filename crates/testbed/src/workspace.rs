//! The paths of the workspace and its target directory.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The folder of the workspace's `Cargo.toml`.
pub fn root() -> &'static Path {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest_dir.ancestors().nth(2).unwrap_or(manifest_dir)
}

/// Cargo's target directory: `$CARGO_TARGET_DIR`, otherwise the one that `cargo metadata` reports, which knows cargo's
/// configuration files.
pub fn target_dir() -> &'static Path {
    static TARGET_DIR: OnceLock<PathBuf> = OnceLock::new();
    TARGET_DIR.get_or_init(|| from_environment().or_else(from_cargo).unwrap_or_else(|| root().join("target")))
}

/// The cargo that started this process, otherwise the one on `PATH`.
pub fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn from_environment() -> Option<PathBuf> {
    let directory = std::env::var_os("CARGO_TARGET_DIR").filter(|dir| !dir.is_empty())?;
    Some(root().join(directory))
}

fn from_cargo() -> Option<PathBuf> {
    let output = cargo()
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .ok()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    Some(PathBuf::from(metadata["target_directory"].as_str()?))
}
