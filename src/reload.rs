//! The configuration, read again on SIGHUP. New sessions take the keys that may change; running ones keep their values.

use conversation::Secrets;
use tokio::sync::mpsc;

use crate::config::{self, Config, Env, LoadArgs, Loaded, Purpose};
use crate::shutdown::Hangups;
use crate::systemd::Reload;

/// The source of the configuration.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) args: LoadArgs,
    pub(crate) env: Env,
    /// The secrets that the log takes out of its lines.
    pub(crate) secrets: Secrets,
}

/// The configuration in effect, to compare a new one with.
pub(crate) struct Reloader {
    source: Source,
    /// In effect for the keys that only a restart changes.
    started: Loaded,
    /// In effect for the keys that may change.
    current: Loaded,
}

impl Reloader {
    pub(crate) fn new(source: Source, started: Loaded) -> Self {
        Self { source, current: started.clone(), started }
    }

    /// Reads and applies again and again, and reports to `news`. `apply` makes a whole configuration effective for new
    /// sessions, or changes nothing and tells the reason.
    pub(crate) async fn follow(
        mut self,
        mut hangups: Hangups,
        apply: impl Fn(&Config) -> anyhow::Result<()>,
        news: mpsc::Sender<Reload>,
    ) {
        loop {
            hangups.next().await;
            // The receiver is gone when the worker is about to end.
            let _ = news.send(Reload::Begun).await;
            let outcome = match self.reload(&apply).await {
                Ok(()) => Reload::Taken,
                Err(error) => {
                    tracing::error!(
                        "the configuration was not taken, and nothing has changed: {}",
                        in_one_line(&error)
                    );
                    Reload::Refused
                }
            };
            let _ = news.send(outcome).await;
        }
    }

    async fn reload(&mut self, apply: impl Fn(&Config) -> anyhow::Result<()>) -> anyhow::Result<()> {
        let next = self.source.load().await?;
        next.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        // Before any part uses them.
        self.source.secrets.add(&next.config.secrets());
        apply(&self.started.config.renewed(&next.config))?;
        report(&self.current.changes(&next).live, &self.started.changes(&next).fixed);
        self.current = next;
        Ok(())
    }
}

impl Source {
    /// Files may lie on a disk that is slow.
    async fn load(&self) -> anyhow::Result<Loaded> {
        let Self { args, env, .. } = self.clone();
        let loaded = tokio::task::spawn_blocking(move || config::load(&args, &env)).await??;
        let loaded = loaded.used_for(Purpose::Export)?;
        loaded.config.require_llm()?;
        loaded.config.require_speech()?;
        Ok(loaded)
    }
}

/// Keys only: a value may be a secret.
fn report(live: &[&str], fixed: &[&str]) {
    match live {
        [] => tracing::info!("configuration read again: nothing has changed for new sessions"),
        keys => {
            tracing::info!(keys = keys.join(", "), "configuration read again: new sessions take the changes")
        }
    }
    if !fixed.is_empty() {
        let keys = fixed.join(", ");
        tracing::warn!(keys, "the configuration differs from what runs where only a restart changes it");
    }
}

/// An error of the configuration has a line for each mistake, its place and the remedy; a log has one line for all.
fn in_one_line(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    text.lines().map(str::trim).collect::<Vec<_>>().join(" ")
}
