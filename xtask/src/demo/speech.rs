//! The parts that speak and hear, on this machine, and what the caller says.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use testbed::{Speechd, process};

use crate::terminal::{Style, Terminal};

/// The caller's voice, which the recogniser understands best, and the agent's.
const CALLER: &str = "slt";
const AGENT: &str = "rms";
/// A small recogniser takes a while where the machine has much to do.
const TIMEOUT: &str = "30s";

/// A speech server that runs until this is dropped.
pub(crate) struct Speech {
    server: Speechd,
}

// === impl Speech ===

impl Speech {
    /// None, with the reason on the screen, where a part is missing.
    pub(crate) fn start(terminal: &Terminal) -> Option<Self> {
        let started = Instant::now();
        let missing = match Speechd::start(None) {
            Ok(Some(server)) => {
                terminal.step(format!(
                    "flite speaks and pocketsphinx listens, behind OpenAI's API at {} {}",
                    server.base_url(),
                    terminal.took(started.elapsed())
                ));
                return Some(Self { server });
            }
            Ok(None) => "flite is missing: `cargo xtask setup` or `apt install flite` gets it".to_owned(),
            Err(error) => first_line(&format!("the speech server does not run: {error:#}")),
        };
        terminal
            .step(format!("{} {missing}", terminal.paint(Style::Bad, "no speech, so the caller writes:")));
        None
    }

    /// The settings of a worker that hears and speaks here.
    pub(crate) fn environment(&self) -> Vec<(&'static str, &str)> {
        let url = self.server.base_url();
        vec![
            ("VOICED_STT__PROVIDER", "openai"),
            ("VOICED_STT__BASE_URL", url),
            ("VOICED_STT__MODEL", "pocketsphinx"),
            ("VOICED_STT__TIMEOUT", TIMEOUT),
            ("VOICED_TTS__PROVIDER", "openai"),
            ("VOICED_TTS__BASE_URL", url),
            ("VOICED_TTS__MODEL", "flite"),
            ("VOICED_TTS__VOICE", AGENT),
            ("VOICED_TTS__TIMEOUT", TIMEOUT),
        ]
    }
}

/// The lines as recordings of the caller's voice.
pub(crate) fn recorded(lines: &[&str], directory: &Path) -> Result<Vec<PathBuf>> {
    let record = |(index, line): (usize, &&str)| {
        let file = directory.join(format!("caller-{}.wav", index + 1));
        let mut flite = Command::new("flite");
        flite.args(["-voice", CALLER, "-t", line, "-o"]).arg(&file);
        let output = process::run(&mut flite).context("cannot run flite")?;
        ensure!(output.status.success(), "flite ended with {} for {line:?}", output.status);
        Ok(file)
    };
    lines.iter().enumerate().map(record).collect()
}

/// What Python or its installer say can be pages.
fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}
