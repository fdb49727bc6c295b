//! Where a worker keeps what it writes when the operator names no place: systemd's state directory, else the user's.

use std::path::{Path, PathBuf};

use super::Env;
use super::kind::Raw;
use super::origin::Origin;
use super::sections;
use super::setting::{Gathered, Setting, Target};

/// The defaults of this environment. Without any directory there are none, and parts that need one are off.
pub(super) fn settings(env: &Env) -> Gathered {
    let mut gathered = Gathered::default();
    let Some(directory) = directory(env) else { return gathered };
    for key in sections::all() {
        let Some(file) = key.state_file else { continue };
        let raw = Raw::Untyped(directory.join(file).to_string_lossy().into_owned());
        gathered.push(Setting::read(Target::Value(key), &raw, Path::new(""), Origin::Default));
    }
    gathered
}

/// `$STATE_DIRECTORY` of systemd (its first, if there are several), else `$XDG_STATE_HOME/voiced`, else the default of
/// the XDG base directory specification for an unset variable.
fn directory(env: &Env) -> Option<PathBuf> {
    let absolute = |name: &str| {
        let text = env.var(name)?.to_str()?;
        let path = PathBuf::from(text.split(':').next().unwrap_or(text));
        path.is_absolute().then_some(path)
    };
    absolute("STATE_DIRECTORY")
        .or_else(|| absolute("XDG_STATE_HOME").map(|state| state.join("voiced")))
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state/voiced")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<PathBuf> {
        directory(&Env::new("", variables.iter().copied()))
    }

    #[test]
    fn systemds_directory_comes_first_and_then_the_users() {
        let home = ("HOME", "/home/ada");
        let xdg = ("XDG_STATE_HOME", "/state");
        let systemd = ("STATE_DIRECTORY", "/var/lib/voiced:/var/lib/other");
        assert_eq!(found(&[home, xdg, systemd]), Some("/var/lib/voiced".into()));
        assert_eq!(found(&[home, xdg]), Some("/state/voiced".into()));
        assert_eq!(found(&[home]), Some("/home/ada/.local/state/voiced".into()));
        assert_eq!(found(&[("XDG_STATE_HOME", "relative")]), None, "the specification says to ignore it");
        assert_eq!(found(&[]), None);
    }
}
