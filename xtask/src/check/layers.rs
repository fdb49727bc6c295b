//! The crates depend on each other in one direction.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The crates of the program, the lowest layer first. A crate depends on crates of lower layers only, and on none that
/// stands beside it. Those that are not listed are tools and tests, which no crate of the list depends on.
const LAYERS: [&[&str]; 4] = [
    &["bounded", "conversation", "libwebrtc", "livekit-transport", "os_info", "speech", "statedir", "wav"],
    &["outbound", "redaction"],
    &["agent-worker", "otlp-spool", "speech-services", "turn-store"],
    &["voiced"],
];

/// A line for each dependency that does not point downwards.
pub(super) fn upward(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (layer, names) in LAYERS.iter().enumerate() {
        for name in *names {
            let manifest = manifest(root, name)?;
            let upward = own_crates(&manifest).filter(|other| !is_below(other, layer));
            found.extend(upward.map(|other| {
                format!(
                    "{name} depends on {other}, which is not of a lower layer (xtask/src/check/layers.rs)"
                )
            }));
        }
    }
    Ok(found)
}

fn manifest(root: &Path, name: &str) -> Result<String> {
    let folder = if name == "voiced" { root.to_owned() } else { root.join("crates").join(name) };
    let path = folder.join("Cargo.toml");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The crates of this workspace that a manifest depends on, except for tests.
fn own_crates(manifest: &str) -> impl Iterator<Item = &str> {
    let from = manifest.find("[dependencies]").unwrap_or(manifest.len());
    let rest = &manifest[from..];
    let section = rest.get(1..).and_then(|rest| rest.split("\n[").next()).unwrap_or_default();
    section.lines().filter(|line| line.contains("path = \"")).filter_map(|line| line.split([' ', '=']).next())
}

fn is_below(name: &str, layer: usize) -> bool {
    LAYERS[..layer].iter().any(|names| names.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_crates_depend_downwards_only() {
        assert_eq!(upward(testbed::root()).unwrap(), [""; 0]);
    }

    #[test]
    fn dependencies_of_tests_and_of_the_registry_do_not_count() {
        let manifest = "[package]\nname = \"x\"\n\n[dependencies]\nanyhow = \"1\"\nstatedir = { path = \"../statedir\" }\n\n\
                        [dev-dependencies]\ntestbed = { path = \"../testbed\" }\n";
        assert_eq!(own_crates(manifest).collect::<Vec<_>>(), ["statedir"]);
    }

    #[test]
    fn a_crate_stands_above_those_of_lower_layers_only() {
        assert!(is_below("statedir", 1) && is_below("conversation", 3));
        assert!(!is_below("statedir", 0) && !is_below("turn-store", 2) && !is_below("testbed", 3));
    }
}
