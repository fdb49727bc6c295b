//! Other users' access to a secret that stands in a file.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::error::Problem;
use super::origin::Origin;
use super::setting::{Said, Setting};
use super::{load, sections};

const OTHERS_READ: u32 = 0o004;
const OTHERS_WRITE: u32 = 0o002;

/// Refuses a secret's own file that every user may write: any of them could decide who may use what the secret opens.
/// `mode` is that of the file that was read, None for a pipe: that belongs to the process that writes it.
pub(super) fn refusal(mode: Option<u32>, path: &Path, what: &str) -> Option<Problem> {
    let mode = mode.filter(|mode| mode & OTHERS_WRITE != 0)?;
    let problem =
        Problem::new(format!("{what} can be written by every user of this machine (mode {mode:03o})"));
    Some(problem.help(format!("chmod 0400 {}", path.display())))
}

/// The files that hold secrets that count and that every user of this machine can read, each once.
pub(super) fn warnings(settings: &[Setting], agent_toml: Option<&Path>, dotenv: &Path) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    for key in sections::all().filter(|key| key.kind.is_secret()) {
        let Some(setting) = load::winner(settings, key).filter(|setting| is_set(setting)) else { continue };
        let file = match &setting.origin {
            Origin::Content { file, .. } => Some(Path::new(file)),
            Origin::File { .. } => agent_toml,
            Origin::Dotenv { .. } => Some(dotenv),
            _ => None,
        };
        let warning = file.and_then(|file| exposed(file, key.path));
        if let Some(warning) = warning.filter(|(file, _)| !warnings.iter().any(|said| said.starts_with(file)))
        {
            warnings.push(warning.0 + &warning.1);
        }
    }
    warnings
}

fn is_set(setting: &Setting) -> bool {
    matches!(&setting.said, Said::Value(read) if read.notation.as_str().is_some())
}

/// The file, and its fault.
fn exposed(path: &Path, secret: &str) -> Option<(String, String)> {
    let mode = mode(path).filter(|mode| mode & OTHERS_READ != 0)?;
    let what = format!(
        " holds `{secret}` and can be read by every user of this machine (mode {mode:03o}): chmod 0400 it, or 0440 with a \
         group of its own"
    );
    Some((path.display().to_string(), what))
}

/// None for what is no regular file.
fn mode(path: &Path) -> Option<u32> {
    let metadata = path.metadata().ok().filter(std::fs::Metadata::is_file)?;
    Some(metadata.permissions().mode() & 0o7777)
}
