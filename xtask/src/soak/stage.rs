//! Everything around the soaked worker, and the calls to it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;
use testbed::{LivekitServer, OtelCollector, Process, free_port, http, tools};

use super::sample::{Sample, Worker};
use crate::interrupt::Interrupt;
use crate::model::Model;
use crate::setup;

/// A session lasts until a caller or the server ends it; a hang takes longer than this.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);
/// A server takes half a minute to notice a killed caller, and as long again to close a room that no caller joined.
const REST_PATIENCE: Duration = Duration::from_secs(240);
/// An agent waits for people as long as the server keeps its room, by default five minutes.
const EMPTY_ROOMS: &str = "room: {empty_timeout: 30}";
/// The time that the worker may take to release the resources of ended sessions.
const SETTLE: Duration = Duration::from_secs(5);
const LOOK_EVERY: Duration = Duration::from_millis(250);

pub(crate) const AGENT_NAME: &str = "soak";
/// A caller's request for a long reply, and the beginning of that reply.
pub(crate) const ASK_FOR_STORY: &str = "Tell me a story.";
pub(crate) const STORY_BEGINS: &str = "Once";
/// A story takes four seconds.
const STORY_WORDS: usize = 100;
const STORY_PAUSE_MS: u64 = 40;

/// The running processes. Fields are dropped from the top: the worker goes before the servers it uses.
pub(crate) struct Stage {
    process: Process,
    worker: Worker,
    voiced: PathBuf,
    model: Model,
    _collector: OtelCollector,
    livekit: LivekitServer,
    files: TempDir,
}

/// The programs that are needed.
pub(crate) struct Programs {
    /// The worker under test, and its callers.
    pub(crate) voiced: PathBuf,
    model: PathBuf,
}

// === impl Programs ===

impl Programs {
    /// `worker` is a build of the user's, which then also plays the callers; without it both are a release build.
    pub(crate) fn prepare(worker: Option<&Path>) -> Result<Self> {
        setup::servers()?;
        if let Some(worker) = worker {
            let worker = std::path::absolute(worker)?;
            ensure!(worker.is_file(), "--worker {} is not a file", worker.display());
            return Ok(Self { voiced: worker, model: tools::scripted_model()? });
        }
        testbed::progress("building the release binaries (up to 15 minutes the first time on 2 cores)");
        let selection = ["--release", "--package", "voiced", "--package", "scripted-model"];
        let mut binaries = tools::cargo_build(&selection, &["voiced", "scripted-model"])?.into_iter();
        let voiced = binaries.next().context("cargo built no binary `voiced`")?;
        let model = binaries.next().context("cargo built no binary `scripted-model`")?;
        Ok(Self { voiced, model })
    }
}

// === impl Stage ===

impl Stage {
    /// Starts one process after the other, and returns when the worker is registered.
    pub(crate) fn set(interrupt: &Interrupt, programs: &Programs, max_sessions: u32) -> Result<Self> {
        let files = tempfile::Builder::new().prefix("voiced-soak-").tempdir()?;
        let livekit = LivekitServer::start_with(EMPTY_ROOMS)?;
        let collector = OtelCollector::start()?;
        let script = files.path().join("script.json");
        std::fs::write(&script, script_json())?;
        let script = script.to_string_lossy();
        let arguments = ["--script", &script, "--pause", "1"];
        let model = Model::start(interrupt, &programs.model, &arguments, &files.path().join("model.log"))?;
        let http_port = free_port()?;
        let mut command = Command::new(&programs.voiced);
        command.args(["--set", &format!("http.listen=127.0.0.1:{http_port}")]);
        command.args(["--set", &format!("worker.max_sessions={max_sessions}")]);
        command.args(["--set", "agent.leave_grace=1s", "start"]);
        command.env("STATE_DIRECTORY", files.path().join("state"));
        let voiced = programs.voiced.clone();
        environment(&mut command, &files, &livekit, &model);
        command.envs(collector.environment());
        // A user who compares allocators preloads them, or passes their settings.
        let allocators = ["LD_PRELOAD", "MALLOC_", "MIMALLOC_", "_RJEM_"];
        command.envs(std::env::vars_os().filter(|(name, _)| {
            allocators.iter().any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
        }));
        let process = Process::spawn("voiced", &mut command, &files.path().join("voiced.log"))?;
        let worker = Worker { http_port, id: process.id() };
        let mut stage = Self { process, worker, voiced, model, _collector: collector, livekit, files };
        stage.wait_until_registered(interrupt)?;
        Ok(stage)
    }

    pub(crate) fn worker(&self) -> Worker {
        self.worker
    }

    pub(crate) fn livekit(&self) -> &LivekitServer {
        &self.livekit
    }

    pub(crate) fn log_tail(&self) -> String {
        self.process.log_tail()
    }

    /// Starts a caller as a process of its own; the conversation is in the returned file.
    pub(crate) fn call(&self, name: &str, arguments: &[&str]) -> Result<(Process, PathBuf)> {
        let log = self.files.path().join(format!("{name}.log"));
        let mut command = Command::new(&self.voiced);
        command.args(["call", "--room", name, "--timeout", "120s"]).args(arguments);
        environment(&mut command, &self.files, &self.livekit, &self.model);
        Ok((Process::spawn("voiced call", &mut command, &log)?, log))
    }

    /// A sample of the worker once no session runs, and nothing waits to be delivered or recorded.
    pub(crate) fn at_rest(&self, interrupt: &Interrupt, sessions: u32) -> Result<Sample> {
        let look = || {
            // A machine that is too busy to answer is not at rest.
            let sample = self.worker.sample(sessions).ok();
            std::thread::sleep(LOOK_EVERY);
            Ok(sample.filter(|sample| sample.running == 0 && sample.waiting == 0))
        };
        let sample = interrupt.wait_for(REST_PATIENCE, look)?;
        sample.with_context(|| format!("sessions still run after {REST_PATIENCE:?}"))
    }

    /// The sample of the worker when it has been at rest for a moment: of several samples the one with the least
    /// memory. The additional memory of the others was about to be returned to the system.
    pub(crate) fn settled(&self, interrupt: &Interrupt, sessions: u32) -> Result<Sample> {
        let mut least = self.at_rest(interrupt, sessions)?;
        let started = Instant::now();
        while started.elapsed() < SETTLE {
            pause(interrupt, LOOK_EVERY)?;
            let sample = self.at_rest(interrupt, sessions)?;
            if sample.memory.anonymous <= least.memory.anonymous {
                least = sample;
            }
        }
        Ok(least)
    }

    fn wait_until_registered(&mut self, interrupt: &Interrupt) -> Result<()> {
        let ready = interrupt.wait_for(PATIENCE, || {
            if let Some(status) = self.process.exit_status()? {
                bail!("`voiced start` ended at once ({status}); {}", self.process.log_tail());
            }
            let answer = http::get(self.worker.http_port, "/readyz").ok();
            Ok(answer.filter(|answer| answer.status == 200))
        })?;
        ensure!(ready.is_some(), "the worker did not register within {PATIENCE:?}; {}", self.log_tail());
        Ok(())
    }
}

/// Sleeps, unless a signal asks this process to end.
pub(crate) fn pause(interrupt: &Interrupt, time: Duration) -> Result<()> {
    let over = Instant::now() + time;
    while Instant::now() < over {
        interrupt.check()?;
        std::thread::sleep(Duration::from_millis(20).min(over.saturating_duration_since(Instant::now())));
    }
    Ok(())
}

/// The environment of the worker and the callers, without the user's own variables.
fn environment(command: &mut Command, files: &TempDir, livekit: &LivekitServer, model: &Model) {
    command.env_clear().current_dir(files.path()).envs(livekit.environment());
    command.env("OPENAI_BASE_URL", &model.base_url).env("OPENAI_API_KEY", "none-needed");
    command.env("LIVEKIT_AGENT_NAME", AGENT_NAME).env("RUST_LOG", "voiced=info,warn");
}

/// Stories come slowly, so that they can be cut; everything else is echoed at once.
fn script_json() -> String {
    let words = (1..STORY_WORDS).map(|number| format!(" and {number}"));
    let story = format!("{STORY_BEGINS} there was{}", words.collect::<String>());
    let step = serde_json::json!({ "reply": { "text": story }, "pause_ms": STORY_PAUSE_MS });
    let rules = serde_json::json!([{ "contains": "story", "step": step }]);
    serde_json::json!({ "rules": rules, "otherwise": { "reply": "echo", "pause_ms": 1 } }).to_string()
}
