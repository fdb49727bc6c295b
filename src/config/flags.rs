//! `--set SECTION.KEY=VALUE`.

use std::path::Path;

use super::error::Problem;
use super::kind::Raw;
use super::origin::Origin;
use super::setting::{Gathered, Setting, Target};

/// The settings of the flags, in their order. A relative path is taken from `base`.
pub(super) fn settings(flags: &[String], base: &Path) -> Gathered {
    let mut gathered = Gathered::default();
    for flag in flags {
        gathered.push(setting(flag, base));
    }
    gathered
}

fn setting(flag: &str, base: &Path) -> Result<Setting, Problem> {
    let Some((path, value)) = flag.split_once('=') else {
        // The text is not shown whole: it may hold a secret.
        return Err(Problem::new("--set expects SECTION.KEY=VALUE, found no `=`").at("--set"));
    };
    let path = path.trim();
    let origin = Origin::Flag(path.to_owned());
    let Some((section, name)) = path.split_once('.') else {
        return Err(
            Problem::new(format!("--set expects SECTION.KEY=VALUE, found no `.` in `{path}`")).at("--set")
        );
    };
    let target = Target::find(section, name, &origin)?;
    Setting::read(target, &Raw::Untyped(value.to_owned()), base, origin)
}
