//! The built-in model as a process of its own.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testbed::Process;

use crate::interrupt::Interrupt;

const PATIENCE: Duration = Duration::from_secs(10);

/// The built-in model, running.
pub(crate) struct Model {
    pub(crate) base_url: String,
    _process: Process,
}

impl Model {
    /// The model prints its address as its first line, because it chooses the port itself.
    pub(crate) fn start(
        interrupt: &Interrupt,
        program: &Path,
        arguments: &[&str],
        log: &Path,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0"]).args(arguments);
        let mut process = Process::spawn("scripted-model", &mut command, log)?;
        let base_url = interrupt.wait_for(PATIENCE, || {
            if let Some(status) = process.exit_status()? {
                bail!("scripted-model ended at once ({status}); {}", process.log_tail());
            }
            let text = std::fs::read_to_string(log)?;
            Ok(announced_url(&text).map(str::to_owned))
        })?;
        let base_url =
            base_url.with_context(|| format!("scripted-model names no address; {}", process.log_tail()))?;
        Ok(Self { base_url, _process: process })
    }
}

/// The URL of a complete line `listening on URL`.
fn announced_url(output: &str) -> Option<&str> {
    let complete = &output[..output.rfind('\n')?];
    complete.lines().find_map(|line| line.strip_prefix("listening on ")).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_model_is_found_where_it_says_it_listens() {
        assert_eq!(
            announced_url("listening on http://127.0.0.1:4711/v1\nmore\n"),
            Some("http://127.0.0.1:4711/v1")
        );
        assert_eq!(
            announced_url("listening on http://127.0.0.1:47"),
            None,
            "a line that is still being written"
        );
        assert_eq!(announced_url(""), None);
    }
}
