//! Everything the demo runs, built.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use testbed::tools;

use crate::setup;
use crate::terminal::Terminal;

/// The programs the demo runs. The two servers are where [`testbed`] finds them.
pub(crate) struct Programs {
    pub(crate) voiced: PathBuf,
    /// `None` when the environment names another model.
    pub(crate) scripted_model: Option<PathBuf>,
}

impl Programs {
    /// Builds the missing programs. Cargo and Go work in parallel: each has phases that leave the other a processor.
    pub(crate) fn prepare(terminal: &Terminal) -> Result<Self> {
        let started = Instant::now();
        terminal.step(
            "building voiced and the servers (up to 15 minutes the first time on 2 cores, then seconds)",
        );
        let names: &[&str] = if names_a_model() { &["voiced"] } else { &["voiced", "scripted-model"] };
        let selection: Vec<&str> = names.iter().flat_map(|name| ["--package", name]).collect();
        let binaries = std::thread::scope(|scope| {
            let servers = scope.spawn(setup::servers);
            let binaries = tools::cargo_build(&selection, names);
            servers.join().unwrap_or_else(|_| bail!("building the servers panicked"))?;
            binaries
        })?;
        let mut binaries = binaries.into_iter();
        let Some(voiced) = binaries.next() else { bail!("cargo built no binary `voiced`") };
        terminal.step(format!("everything is built {}", terminal.took(started.elapsed())));
        Ok(Self { voiced, scripted_model: binaries.next() })
    }
}

/// Whether the user of the demo has a model of their own.
fn names_a_model() -> bool {
    ["OPENAI_API_KEY", "OPENAI_BASE_URL"]
        .iter()
        .any(|name| std::env::var_os(name).is_some_and(|it| !it.is_empty()))
}
