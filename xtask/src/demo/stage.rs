//! The demo's processes: the servers, the worker, and the caller who talks to it.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tempfile::TempDir;
use testbed::{LivekitServer, OtelCollector, Process, free_port, http, unique_hex};

use crate::demo::programs::Programs;
use crate::demo::speech::Speech;
use crate::demo::turns::Kind;
use crate::interrupt::Interrupt;
use crate::model::Model;
use crate::terminal::{Style, Terminal};

const REGISTER_PATIENCE: Duration = Duration::from_secs(30);
const CALL_PATIENCE: Duration = Duration::from_secs(300);
/// More than the worker's own grace for a room that all callers have left.
const DRAIN_PATIENCE: Duration = Duration::from_secs(60);
/// Variables of the user's shell that would send the worker's traces elsewhere or nowhere.
const STRAY_VARIABLES: [&str; 6] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_HEADERS",
    "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
    "OTEL_EXPORTER_OTLP_PROTOCOL",
    "OTEL_TRACES_EXPORTER",
    "OTEL_SDK_DISABLED",
];

/// The running processes. Fields are dropped from the top: the worker goes before the servers it uses.
pub(crate) struct Stage {
    worker: Process,
    http_port: u16,
    speech: Option<Speech>,
    model: Option<Model>,
    collector: OtelCollector,
    livekit: LivekitServer,
    voiced: PathBuf,
    logs: TempDir,
}

impl Stage {
    /// Starts one process after the other and prints a line about each.
    pub(crate) fn set(
        terminal: &Terminal,
        interrupt: &Interrupt,
        programs: &Programs,
        speech: Option<Speech>,
    ) -> Result<Self> {
        let logs = tempfile::Builder::new().prefix("voiced-demo-").tempdir()?;
        let livekit = start_livekit(terminal)?;
        let collector = start_collector(terminal)?;
        let model = match &programs.scripted_model {
            Some(program) => Some(start_model(terminal, interrupt, program, &logs)?),
            None => None,
        };
        let http_port = free_port()?;
        let mut command = Command::new(&programs.voiced);
        command.arg("start").env("VOICED_HTTP__LISTEN", format!("127.0.0.1:{http_port}"));
        // The demo's sessions are kept out of the record of the user's own worker.
        command.env("VOICED_STORE__PATH", logs.path().join("record.sqlite"));
        command.env("VOICED_TELEMETRY__SPOOL_DIR", logs.path().join("spool"));
        command.envs(speech.iter().flat_map(Speech::environment));
        set_environment(&mut command, &livekit, &collector, model.as_ref());
        let worker = Process::spawn("voiced", &mut command, &logs.path().join("voiced.log"))?;
        let voiced = programs.voiced.clone();
        let mut stage = Self { worker, http_port, speech, model, collector, livekit, voiced, logs };
        stage.wait_until_registered(terminal, interrupt)?;
        Ok(stage)
    }

    pub(crate) fn collector(&self) -> &OtelCollector {
        &self.collector
    }

    pub(crate) fn worker_log_tail(&self) -> String {
        self.worker.log_tail()
    }

    /// How the caller talks to the agent.
    pub(crate) fn kind(&self) -> Kind {
        if self.speech.is_some() { Kind::Spoken } else { Kind::Written }
    }

    /// Lets a caller join a new room and write each line; the conversation appears on our own terminal.
    pub(crate) fn write(&self, terminal: &Terminal, interrupt: &Interrupt, lines: &[&str]) -> Result<()> {
        let arguments: Vec<&str> = lines.iter().flat_map(|line| ["--say", line]).collect();
        self.call(terminal, interrupt, &arguments)
    }

    /// Lets a caller play each file as a microphone, and record the call.
    pub(crate) fn speak(
        &self,
        terminal: &Terminal,
        interrupt: &Interrupt,
        voices: &[PathBuf],
        record: &Path,
    ) -> Result<()> {
        let voices = voices.iter().flat_map(|file| [Path::new("--wav"), file]);
        let arguments: Vec<&Path> = voices.chain([Path::new("--record"), record]).collect();
        self.call(terminal, interrupt, &arguments)
    }

    fn call(
        &self,
        terminal: &Terminal,
        interrupt: &Interrupt,
        arguments: &[impl AsRef<OsStr>],
    ) -> Result<()> {
        let room = format!("demo-{}", &unique_hex()[..4]);
        terminal.heading(format!("A caller joins room {room}"));
        let mut command = Command::new(&self.voiced);
        command.args(["call", "--room", &room]).args(arguments);
        set_environment(&mut command, &self.livekit, &self.collector, self.model.as_ref());
        let mut caller = Process::attached("voiced call", &mut command)?;
        match interrupt.wait_for(CALL_PATIENCE, || caller.exit_status())? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("the call failed: `voiced call` ended with {status}"),
            None => bail!("the call did not end within {CALL_PATIENCE:?}"),
        }
    }

    /// Stops the worker as an init system would and checks that it exits in order.
    pub(crate) fn drain(&mut self, terminal: &Terminal) -> Result<()> {
        let started = Instant::now();
        terminal.step("SIGTERM to the worker: it takes no new job and lets running sessions end");
        self.worker.terminate()?;
        match self.worker.wait(DRAIN_PATIENCE)? {
            Some(status) if status.success() => {
                terminal.step(format!("it drained and exited with 0 {}", terminal.took(started.elapsed())));
                Ok(())
            }
            Some(status) => bail!("the worker did not drain cleanly: it ended with {status}"),
            None => bail!("the worker did not drain within {DRAIN_PATIENCE:?}"),
        }
    }

    /// Prints the addresses of the running processes, for `--keep`.
    pub(crate) fn print_addresses(&self, terminal: &Terminal) {
        terminal.heading("Everything runs on until Ctrl-C. In another terminal:");
        for (name, value) in self.livekit.environment() {
            println!("  export {name}={value}");
        }
        println!("  {} call --room demo", self.voiced.display());
        if self.speech.is_some() {
            println!("  {} call --room spoken --wav FILE.wav", self.voiced.display());
        }
        println!("  curl http://127.0.0.1:{}/worker", self.http_port);
        println!("  tail -f {}", self.collector.file().display());
        println!("  tail -f {}", self.logs.path().join("voiced.log").display());
        if let Some(model) = &self.model {
            println!("  curl {}/models", model.base_url);
        }
    }

    fn wait_until_registered(&mut self, terminal: &Terminal, interrupt: &Interrupt) -> Result<()> {
        let started = Instant::now();
        let mut last_answer = String::from("no answer");
        let ready = interrupt.wait_for(REGISTER_PATIENCE, || {
            if let Some(status) = self.worker.exit_status()? {
                bail!("`voiced start` ended at once ({status}); {}", self.worker.log_tail());
            }
            let answer = http::get(self.http_port, "/readyz").ok();
            if let Some(answer) = &answer {
                last_answer = format!("{} {}", answer.status, answer.body.trim());
            }
            Ok(answer.filter(|answer| answer.status == 200))
        })?;
        if ready.is_none() {
            bail!(
                "the worker did not register within {REGISTER_PATIENCE:?} (/readyz: {last_answer}); {}",
                self.worker.log_tail()
            );
        }
        terminal.step(format!(
            "voiced start has registered with it as a worker {}",
            terminal.took(started.elapsed())
        ));
        Ok(())
    }
}

fn start_model(terminal: &Terminal, interrupt: &Interrupt, program: &Path, logs: &TempDir) -> Result<Model> {
    let model = Model::start(interrupt, program, &[], &logs.path().join("scripted-model.log"))?;
    terminal.step(format!(
        "the model is a built-in stand-in at {} {}",
        model.base_url,
        terminal.paint(Style::Faint, "(set OPENAI_API_KEY or OPENAI_BASE_URL for a real one)")
    ));
    Ok(model)
}

fn start_livekit(terminal: &Terminal) -> Result<LivekitServer> {
    let started = Instant::now();
    let livekit = LivekitServer::start()?;
    terminal.step(format!(
        "a LiveKit server listens on {} {}",
        livekit.url(),
        terminal.took(started.elapsed())
    ));
    Ok(livekit)
}

fn start_collector(terminal: &Terminal) -> Result<OtelCollector> {
    let started = Instant::now();
    let collector = OtelCollector::start()?;
    terminal.step(format!(
        "an OpenTelemetry Collector takes traces at {}, behind Basic auth {}",
        collector.endpoint(),
        terminal.took(started.elapsed())
    ));
    Ok(collector)
}

fn set_environment(
    command: &mut Command,
    livekit: &LivekitServer,
    collector: &OtelCollector,
    model: Option<&Model>,
) {
    for variable in STRAY_VARIABLES {
        command.env_remove(variable);
    }
    command.envs(livekit.environment()).envs(collector.environment()).current_dir(testbed::root());
    if let Some(model) = model {
        command.env("OPENAI_BASE_URL", &model.base_url).env("OPENAI_API_KEY", "none-needed");
    }
}
