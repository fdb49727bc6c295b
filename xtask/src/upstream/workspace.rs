//! The published `livekit` crate in a workspace of its own, in which its tests can be built: cargo tests only members
//! of a workspace, and leaves out the test dependencies of other packages.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use testbed::{process, root, target_dir};

use super::table::{FILES, UNIT_TESTS};
use super::toml_text::document;
use crate::harness::Program;

const CRATE: &str = "livekit";
/// Without TLS, as the server is on loopback: that leaves the TLS crates as the worker has them, already built.
const FEATURES: [&str; 2] = ["native", "__lk-e2e-test"];
/// A package whose only purpose is what it depends on.
const SAME_FEATURES: &str = "same-features";
/// Of the published files these belong to cargo.
const LEFT_OUT: [&str; 3] = [".cargo-ok", "Cargo.lock", "Cargo.toml.orig"];

/// The generated workspace.
pub(super) struct Workspace {
    directory: PathBuf,
    /// Version of the crate.
    pub(super) version: String,
    /// The names of its test files.
    pub(super) test_files: BTreeSet<String>,
}

/// The data of `cargo metadata` about our own workspace.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    req: String,
    source: Option<String>,
    target: Option<String>,
    optional: bool,
    uses_default_features: bool,
    features: Vec<String>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Value>,
}

// === impl Workspace ===

impl Workspace {
    /// Writes the workspace below the target directory. Unchanged files stay as they are, so that cargo builds it once.
    pub(super) fn make() -> Result<Self> {
        let metadata = Metadata::read()?;
        let package = metadata.livekit()?;
        let source = package.manifest_path.parent().context("the manifest of livekit has no directory")?;
        let directory = target_dir().join("upstream");
        let copy = format!("{CRATE}-{}", package.version);
        mirror(source, &directory.join(&copy))?;
        let lock = lock(&read(&root().join("Cargo.lock"))?, &read(&source.join("Cargo.lock"))?)?;
        let manifest = manifest(&read(&root().join("Cargo.toml"))?, &copy)?;
        for (name, text) in [
            ("Cargo.toml", &manifest),
            ("Cargo.lock", &lock),
            (&format!("{SAME_FEATURES}/Cargo.toml"), &metadata.same_features()),
            (&format!("{SAME_FEATURES}/src/lib.rs"), &String::new()),
        ] {
            write(&directory.join(name), text.as_bytes())?;
        }
        Ok(Self { directory, version: package.version.clone(), test_files: package.test_files() })
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Builds the unit tests and all test files, whichever are selected: a test file that is not built might not
    /// compile. Cargo's output goes to a file, because it consists of warnings about code that is not ours.
    pub(super) fn build(&self) -> Result<Vec<Program>> {
        let files = FILES.iter().filter(|file| file.name != UNIT_TESTS && file.is_run());
        let mut command = testbed::cargo();
        command
            .args(["test", "--no-run", "--message-format=json-render-diagnostics", "--no-default-features"])
            .args(["--package", CRATE, "--package", SAME_FEATURES, "--lib"])
            .args(FEATURES.map(|feature| format!("--features={CRATE}/{feature}")))
            .args(files.flat_map(|file| ["--test", file.name]))
            .current_dir(&self.directory)
            // The target directory of our own build, which has compiled most of it.
            .env("CARGO_TARGET_DIR", target_dir());
        let log = self.directory.join("build.log");
        let words = fs::File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let output = process::run(command.stdout(Stdio::piped()).stderr(words))?;
        ensure!(
            output.status.success(),
            "cargo cannot build the tests of {CRATE}; {} says why",
            log.display()
        );
        Ok(Program::all(&String::from_utf8_lossy(&output.stdout)))
    }
}

// === impl Metadata ===

impl Metadata {
    /// Downloads missing packages, as every command of cargo does.
    fn read() -> Result<Self> {
        let mut command: Command = testbed::cargo();
        command.args(["metadata", "--format-version=1", "--locked"]).current_dir(root());
        let output = process::run(command.stdout(Stdio::piped()))?;
        ensure!(output.status.success(), "cargo metadata failed");
        serde_json::from_slice(&output.stdout).context("cannot read what cargo metadata says")
    }

    fn livekit(&self) -> Result<&Package> {
        let package = self.packages.iter().find(|package| package.name == CRATE);
        package.with_context(|| format!("{CRATE} is no dependency of this workspace"))
    }

    /// The dependencies of our workspace's members. All dependents of a crate decide about its features: with the same
    /// ones cargo finds it built.
    fn same_features(&self) -> String {
        let members = self.packages.iter().filter(|package| self.workspace_members.contains(&package.id));
        let mut merged: BTreeMap<(&str, &str), (bool, BTreeSet<&str>)> = BTreeMap::new();
        for dependency in members.flat_map(|member| &member.dependencies).filter(|it| it.counts()) {
            let (defaults, features) = merged.entry((&dependency.name, &dependency.req)).or_default();
            *defaults |= dependency.uses_default_features;
            features.extend(dependency.features.iter().map(String::as_str));
        }
        let dependencies = merged.into_iter().enumerate().map(|(number, ((name, version), it))| {
            let (defaults, features) = it;
            let dependency = json!({
                "package": name, "version": version, "default-features": defaults, "features": features,
            });
            // Two versions of a crate need two names.
            (format!("d{number}"), dependency)
        });
        document(&json!({
            "package": { "name": SAME_FEATURES, "version": "0.0.0", "edition": "2024" },
            "dependencies": dependencies.collect::<serde_json::Map<_, _>>(),
        }))
    }
}

// === impl Package ===

impl Package {
    fn test_files(&self) -> BTreeSet<String> {
        let files = self.targets.iter().filter(|target| target.kind == ["test"]);
        files.map(|target| target.name.clone()).collect()
    }
}

// === impl Dependency ===

impl Dependency {
    /// The crate itself is the copy, and our own packages have no source.
    fn counts(&self) -> bool {
        self.name != CRATE && !self.optional && self.target.is_none() && self.source.is_some()
    }
}

/// The workspace's manifest: our development profile, without which cargo would rebuild everything, and our patch.
fn manifest(ours: &str, copy: &str) -> Result<String> {
    let mut ours: Value = toml::from_str(ours).context("cannot read Cargo.toml")?;
    let mut patch = ours["patch"].take();
    for path in patch.as_object_mut().into_iter().flat_map(|it| it.values_mut()) {
        for dependency in path.as_object_mut().into_iter().flat_map(|it| it.values_mut()) {
            if let Some(relative) = dependency["path"].as_str() {
                dependency["path"] = root().join(relative).to_string_lossy().into();
            }
        }
    }
    Ok(document(&json!({
        "workspace": { "members": [copy, SAME_FEATURES], "resolver": ours["workspace"]["resolver"] },
        "profile": { "dev": ours["profile"]["dev"] },
        "patch": patch,
    })))
}

/// Our versions, and the published ones for packages that only the crate's tests need.
fn lock(ours: &str, published: &str) -> Result<String> {
    let mut packages = toml::from_str::<Lock>(ours).context("cannot read Cargo.lock")?.package;
    // Members of our workspace have no source; cargo adds those of the new one.
    packages.retain(|package| package["source"].is_string());
    let have: BTreeSet<String> = packages.iter().map(line).collect();
    let published = toml::from_str::<Lock>(published).context("cannot read the crate's Cargo.lock")?.package;
    for mut package in published {
        if package["source"].is_string() && !have.contains(&line(&package)) {
            // The dependencies name versions that we may not have; cargo resolves them itself.
            package.as_object_mut().and_then(|fields| fields.remove("dependencies"));
            packages.push(package);
        }
    }
    Ok(document(&json!({ "version": 4, "package": packages })))
}

/// The crate and the part of its version within which cargo treats versions as compatible: `tokio 1`, `rand 0.9`.
fn line(package: &Value) -> String {
    let text = |field: &str| package[field].as_str().unwrap_or_default();
    let parts: Vec<&str> = text("version").split(['.', '+', '-']).collect();
    let significant = parts.iter().take_while(|part| **part == "0").count() + 1;
    format!("{} {}", text("name"), parts[..significant.min(parts.len())].join("."))
}

/// Copies a directory.
fn mirror(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        if path.is_dir() {
            mirror(&path, &to.join(name))?;
        } else if !LEFT_OUT.iter().any(|it| name == *it) {
            let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
            write(&to.join(name), &bytes)?;
        }
    }
    Ok(())
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Cargo compares modification times, so a file that has this content already is left alone.
fn write(path: &Path, content: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == content) {
        return Ok(());
    }
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    fs::write(path, content).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Value {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn the_lock_holds_our_versions_and_the_missing_ones_of_the_crate() {
        let ours = r#"
            version = 4
            package = [
                { name = "voiced", version = "0.1.0" },
                { name = "tokio", version = "1.50.0", source = "registry", dependencies = ["bytes"] },
                { name = "rand", version = "0.10.4", source = "registry" },
            ]"#;
        let published = r#"
            package = [
                { name = "livekit", version = "0.10.0" },
                { name = "tokio", version = "1.40.0", source = "registry" },
                { name = "rand", version = "0.9.1", source = "registry", dependencies = ["tokio 1.40.0"] },
            ]"#;
        let merged = parsed(&lock(ours, published).unwrap());
        let expected = r#"
            version = 4
            package = [
                { name = "tokio", version = "1.50.0", source = "registry", dependencies = ["bytes"] },
                { name = "rand", version = "0.10.4", source = "registry" },
                { name = "rand", version = "0.9.1", source = "registry" },
            ]"#;
        assert_eq!(merged, parsed(expected));
    }

    #[test]
    fn versions_are_compared_as_cargo_does() {
        let of = |version: &str| line(&json!({ "name": "a", "version": version }));
        let lines = ["1.2.3", "12.0.0", "0.9.1", "0.0.7", "0.0.0", "1.0.0+x", "0.8.0-rc"].map(of);
        assert_eq!(lines, ["a 1", "a 12", "a 0.9", "a 0.0.7", "a 0.0.0", "a 1", "a 0.8"]);
    }

    #[test]
    fn the_manifest_has_our_profile_and_our_patch() {
        let ours = r#"
            [workspace]
            resolver = "3"
            [profile.dev]
            debug = "line-tables-only"
            [profile.dev.package]
            neteq.opt-level = 3
            [patch.crates-io]
            libwebrtc = { path = "crates/libwebrtc" }"#;
        let manifest = parsed(&manifest(ours, "livekit-9").unwrap());
        assert_eq!(
            manifest["workspace"],
            json!({ "members": ["livekit-9", SAME_FEATURES], "resolver": "3" })
        );
        assert_eq!(
            manifest["profile"]["dev"],
            json!({ "debug": "line-tables-only", "package": { "neteq": { "opt-level": 3 } } })
        );
        let path = manifest["patch"]["crates-io"]["libwebrtc"]["path"].as_str().unwrap();
        assert!(Path::new(path).join("Cargo.toml").is_file(), "{path}");
    }

    #[test]
    fn a_file_that_did_not_change_is_not_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("below/file");
        write(&file, b"content").unwrap();
        let mut permissions = fs::metadata(&file).unwrap().permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&file, permissions).unwrap();
        let modified = || fs::metadata(&file).unwrap().modified().unwrap();
        let before = modified();
        write(&file, b"content").unwrap();
        assert_eq!(modified(), before);
    }
}
