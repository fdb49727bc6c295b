//! A real speech server of our own: `tools/speechd`, which speaks with flite and listens with pocketsphinx.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::tools::find_on_path;
use crate::{Process, root, venv};

/// The recogniser loads its model within a second or two; this only ends a hang.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// The program that speaks, by Debian's name.
const SYNTHESISER: &str = "flite";
const READY: &str = "listening on ";

/// A running server on loopback, with OpenAI's endpoints for speech and transcripts. Dropping it kills it.
#[derive(Debug)]
pub struct Speechd {
    base_url: String,
    _process: Process,
    _directory: TempDir,
}

impl Speechd {
    /// Starts the server and returns when it answers. None where flite is not installed: `cargo xtask setup` does that.
    ///
    /// With a `grammar`, a file of sentences in JSGF, the recogniser is exact for these, and hears nothing else.
    pub fn start(grammar: Option<&Path>) -> Result<Option<Self>> {
        if find_on_path(SYNTHESISER).is_none() {
            return Ok(None);
        }
        Self::start_in(directory()?, grammar).map(Some)
    }

    /// The same with a recogniser that is exact for these sentences.
    pub fn for_sentences<S: AsRef<str>>(sentences: &[S]) -> Result<Option<Self>> {
        if find_on_path(SYNTHESISER).is_none() {
            return Ok(None);
        }
        let (directory, sentences) = (directory()?, sentences.iter().map(S::as_ref).collect::<Vec<_>>());
        let grammar = directory.path().join("sentences.gram");
        let rule = sentences.join(" | ");
        fs::write(&grammar, format!("#JSGF V1.0;\ngrammar sentences;\npublic <sentence> = {rule};\n"))?;
        Self::start_in(directory, Some(&grammar)).map(Some)
    }

    fn start_in(directory: TempDir, grammar: Option<&Path>) -> Result<Self> {
        let log = directory.path().join("log");
        let mut command = Command::new(venv::python()?);
        command.arg(script());
        command.args(grammar.iter().flat_map(|file| [Path::new("--grammar"), file]));
        let mut process = Process::spawn("speechd", &mut command, &log)?;
        let base_url = ready(&mut process, &log)?;
        Ok(Self { base_url, _process: process, _directory: directory })
    }

    /// `http://127.0.0.1:PORT/v1`
    pub fn base_url(&self) -> &str {
        &self.base_url
    }
}

fn directory() -> Result<TempDir> {
    Ok(tempfile::Builder::new().prefix("speechd-").tempdir()?)
}

fn script() -> PathBuf {
    root().join("tools/speechd/speechd.py")
}

fn ready(process: &mut Process, log: &Path) -> Result<String> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let text = fs::read_to_string(log).with_context(|| format!("cannot read {}", log.display()))?;
        // A line that is not whole yet has no end.
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        if let Some(url) = whole.filter_map(|line| line.trim_end().strip_prefix(READY)).next() {
            return Ok(url.to_owned());
        }
        if let Some(status) = process.exit_status()? {
            bail!("speechd ended at once ({status}); {}", process.log_tail());
        }
        if Instant::now() > deadline {
            bail!("speechd was not up within {START_TIMEOUT:?}; {}", process.log_tail());
        }
        std::thread::sleep(POLL);
    }
}
