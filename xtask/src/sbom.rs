//! `cargo xtask sbom`: the components of the program, as CycloneDX 1.5 JSON.
//!
//! The same tree of dependencies gives the same bytes: the file holds neither a time nor a random number.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testbed::{process, root, target_dir};

use crate::terminal::Terminal;

/// The program, and the system that it is listed for.
const PROGRAM: &str = "voiced";
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Where to write it [default: target/dist/voiced.cdx.json]
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The data of `cargo metadata` and `Cargo.lock`.
struct Tree {
    packages: BTreeMap<String, Value>,
    /// The dependencies of each package, by id.
    needs: BTreeMap<String, Vec<Need>>,
    /// By name and version.
    checksums: BTreeMap<(String, String), String>,
}

struct Need {
    id: String,
    /// False for a dependency that only the build needs.
    linked: bool,
}

/// The components of a program.
#[derive(Default)]
struct Parts {
    /// Packages whose code is in the program.
    linked: BTreeSet<String>,
    /// Those, and the packages needed to build them.
    all: BTreeSet<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let tree = Tree::read()?;
    let program = tree.find(PROGRAM)?;
    let text = serde_json::to_string_pretty(&tree.bill(&program))? + "\n";
    let output = options.output.clone().unwrap_or_else(|| target_dir().join("dist/voiced.cdx.json"));
    if let Some(directory) = output.parent() {
        fs::create_dir_all(directory)?;
    }
    fs::write(&output, text).with_context(|| format!("cannot write {}", output.display()))?;
    Terminal::detect().step(format!("the bill of materials is {}", output.display()));
    Ok(())
}

// === impl Tree ===

impl Tree {
    fn read() -> Result<Self> {
        let mut command = testbed::cargo();
        command.args(["metadata", "--format-version=1", "--locked", "--filter-platform", PLATFORM]);
        let output = process::run(command.current_dir(root()).stdout(Stdio::piped()))?;
        ensure!(output.status.success(), "cargo metadata failed, as said above");
        let lock = fs::read_to_string(root().join("Cargo.lock"))?;
        Self::of(&serde_json::from_slice(&output.stdout)?, &lock)
    }

    fn of(metadata: &Value, lock: &str) -> Result<Self> {
        let packages = array(&metadata["packages"]).map(|package| (text(&package["id"]), package.clone()));
        let nodes = array(&metadata["resolve"]["nodes"]);
        let needs =
            nodes.map(|node| (text(&node["id"]), array(&node["deps"]).filter_map(Need::of).collect()));
        Ok(Self { packages: packages.collect(), needs: needs.collect(), checksums: checksums(lock) })
    }

    fn find(&self, name: &str) -> Result<String> {
        let found = self.packages.iter().find(|(_, package)| package["name"] == name);
        found.map(|(id, _)| id.clone()).with_context(|| format!("there is no package `{name}`"))
    }

    fn bill(&self, program: &str) -> Value {
        let parts = self.parts(program);
        let others = || parts.all.iter().filter(|id| *id != program);
        let components: Vec<Value> =
            others().map(|id| self.component(id, "library", parts.linked.contains(id))).collect();
        let dependencies: Vec<Value> = parts.all.iter().map(|id| self.dependencies(id)).collect();
        json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": { "component": self.component(program, "application", true) },
            "components": components,
            "dependencies": dependencies,
        })
    }

    fn parts(&self, program: &str) -> Parts {
        let mut parts = Parts::default();
        let mut waiting = vec![(program.to_owned(), true)];
        while let Some((id, linked)) = waiting.pop() {
            // A macro runs in the compiler, with all its dependencies.
            let linked = linked && !self.is_macro(&id);
            let new = parts.all.insert(id.clone());
            let newly_linked = linked && parts.linked.insert(id.clone());
            if new || newly_linked {
                let needs = self.needs.get(&id).into_iter().flatten();
                waiting.extend(needs.map(|need| (need.id.clone(), linked && need.linked)));
            }
        }
        parts
    }

    fn is_macro(&self, id: &str) -> bool {
        let targets = self.packages.get(id).map(|package| &package["targets"]);
        targets.is_some_and(|targets| array(targets).any(|target| target["kind"][0] == "proc-macro"))
    }

    fn component(&self, id: &str, kind: &str, linked: bool) -> Value {
        let package = &self.packages[id];
        let (name, version) = (text(&package["name"]), text(&package["version"]));
        let mut component = json!({
            "type": kind,
            "bom-ref": reference(package),
            "name": name,
            "version": version,
            "scope": if linked { "required" } else { "excluded" },
        });
        if let Some(license) = package["license"].as_str() {
            // The notation from before there were expressions.
            component["licenses"] = json!([{ "expression": license.replace('/', " OR ") }]);
        }
        // A package of this repository is no package of a registry, even if it has the name of one.
        if package["source"].is_string() {
            component["purl"] = json!(format!("pkg:cargo/{name}@{version}"));
        }
        if let Some(checksum) = self.checksums.get(&(name, version)) {
            component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
        }
        component
    }

    fn dependencies(&self, id: &str) -> Value {
        let needs = self.needs.get(id).into_iter().flatten();
        let on: BTreeSet<String> = needs.map(|need| reference(&self.packages[&need.id])).collect();
        json!({ "ref": reference(&self.packages[id]), "dependsOn": on })
    }
}

// === impl Need ===

impl Need {
    /// `None` for a dependency that only tests need.
    fn of(dependency: &Value) -> Option<Self> {
        let kinds: Vec<&Value> = array(&dependency["dep_kinds"]).map(|kind| &kind["kind"]).collect();
        let linked = kinds.iter().any(|kind| kind.is_null());
        let built = kinds.iter().any(|kind| **kind == "build");
        (linked || built).then(|| Self { id: text(&dependency["pkg"]), linked })
    }
}

/// The checksums of `Cargo.lock`: cargo writes one key a line.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let value = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
        Some(line?.strip_suffix('"')?.to_owned())
    };
    let entry = |package: &str| {
        Some(((value(package, "name")?, value(package, "version")?), value(package, "checksum")?))
    };
    lock.split("[[package]]").filter_map(entry).collect()
}

fn reference(package: &Value) -> String {
    format!("{}@{}", text(&package["name"]), text(&package["version"]))
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, kind: &str) -> Value {
        json!({ "id": name, "name": name, "version": "1.0.0", "license": "MIT/Apache-2.0", "source": "registry",
                "targets": [{ "kind": [kind] }] })
    }

    fn need(name: &str, kind: Value) -> Value {
        json!({ "pkg": name, "dep_kinds": [{ "kind": kind }] })
    }

    fn tree() -> Tree {
        let names = [
            ("app", "bin"),
            ("lib", "lib"),
            ("derive", "proc-macro"),
            ("syn", "lib"),
            ("cc", "lib"),
            ("test", "lib"),
        ];
        let metadata = json!({
            "packages": names.map(|(name, kind)| package(name, kind)),
            "resolve": { "nodes": [
                { "id": "app", "deps": [need("lib", Value::Null), need("derive", Value::Null), need("test", json!("dev"))] },
                { "id": "lib", "deps": [need("cc", json!("build"))] },
                { "id": "derive", "deps": [need("syn", Value::Null)] },
            ]},
        });
        let lock = "[[package]]\nname = \"lib\"\nversion = \"1.0.0\"\nchecksum = \"abc\"\n\n[[package]]\nname = \"app\"\n";
        Tree::of(&metadata, lock).unwrap()
    }

    #[test]
    fn what_is_linked_is_told_from_what_builds_and_tests_are_left_out() {
        let parts = tree().parts("app");
        assert_eq!(parts.linked.iter().collect::<Vec<_>>(), ["app", "lib"]);
        assert_eq!(parts.all.iter().collect::<Vec<_>>(), ["app", "cc", "derive", "lib", "syn"]);
    }

    #[test]
    fn a_component_says_where_it_is_from_and_under_which_licence() {
        let component = tree().component("lib", "library", true);
        assert_eq!(component["purl"], "pkg:cargo/lib@1.0.0");
        assert_eq!(component["licenses"][0]["expression"], "MIT OR Apache-2.0");
        assert_eq!(component["hashes"][0]["content"], "abc");
    }

    #[test]
    fn every_reference_is_to_a_component() {
        let bill = tree().bill("app");
        let program = bill["metadata"]["component"]["bom-ref"].clone();
        let known: Vec<&Value> =
            array(&bill["components"]).map(|it| &it["bom-ref"]).chain([&program]).collect();
        for dependency in array(&bill["dependencies"]) {
            assert!(known.contains(&&dependency["ref"]));
            // A dependency of tests is not listed.
            assert!(array(&dependency["dependsOn"]).all(|on| known.contains(&on)), "{dependency}");
        }
    }
}
