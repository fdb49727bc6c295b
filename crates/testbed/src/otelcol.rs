//! An OpenTelemetry Collector of our own, which receives traces at the same path and with the same authentication as
//! OpenObserve.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

use crate::signals::{self, LogRecord, Metric};
use crate::spans::{self, Span};
use crate::{Process, free_port, http, ports, root, tools, unique_hex};

const START_TIMEOUT: Duration = Duration::from_secs(60);
/// On SIGTERM the collector writes out the data it still holds.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
const TRACES_PATH: &str = "/api/default/v1/traces";
const USER: &str = "voiced@example.com";

/// A running collector on loopback: OTLP/HTTP behind Basic auth, traces, metrics and logs kept in a file each. Dropping it kills it.
#[derive(Debug)]
pub struct OtelCollector {
    program: PathBuf,
    directory: TempDir,
    port: u16,
    password: String,
    process: Mutex<Option<Process>>,
}

impl OtelCollector {
    /// Finds or builds the collector, starts it and returns when it answers.
    pub fn start() -> Result<Self> {
        ports::launch_one(Self::configured, Self::launch)
    }

    /// A collector with its address and password settled, but not running: `restart` brings it up.
    pub fn configured() -> Result<Self> {
        let program = tools::otelcol()?;
        let directory = tempfile::Builder::new().prefix("otelcol-").tempdir()?;
        let port = free_port()?;
        Ok(Self { program, directory, port, password: unique_hex(), process: Mutex::new(None) })
    }

    /// The TCP port of the endpoint.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where traces are posted, `http://127.0.0.1:PORT/api/default/v1/traces`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}{TRACES_PATH}", self.port)
    }

    /// The value of the `Authorization` header, `Basic …`.
    pub fn authorization(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{USER}:{}", self.password)))
    }

    /// The variables that an exporter needs to reach this collector, under the names of the OTel specification.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.endpoint()),
            ("OTEL_EXPORTER_OTLP_HEADERS", format!("Authorization={}", self.authorization())),
        ]
    }

    /// Every span received so far, in the order of arrival.
    pub fn spans(&self) -> Result<Vec<Span>> {
        spans::decode(&read(&self.file())?)
    }

    /// The spans received so far, as soon as `enough` accepts them; an error that lists them when that takes longer
    /// than `patience`.
    pub fn wait_for_spans(&self, patience: Duration, enough: impl Fn(&[Span]) -> bool) -> Result<Vec<Span>> {
        let deadline = Instant::now() + patience;
        loop {
            let spans = self.spans()?;
            if enough(&spans) {
                return Ok(spans);
            }
            if Instant::now() > deadline {
                let names: Vec<&str> = spans.iter().map(|span| span.name.as_str()).collect();
                bail!(
                    "the awaited spans did not come within {patience:?}; there are {}: {names:?}",
                    names.len()
                );
            }
            std::thread::sleep(POLL);
        }
    }

    /// The file the collector writes, one OTLP/JSON document a line.
    pub fn file(&self) -> PathBuf {
        self.directory.path().join("traces.jsonl")
    }

    /// Every point of every metric received so far, in the order of arrival.
    pub fn metrics(&self) -> Result<Vec<Metric>> {
        signals::metrics(&read(&self.metrics_file())?)
    }

    /// Every log record received so far, in the order of arrival.
    pub fn logs(&self) -> Result<Vec<LogRecord>> {
        signals::logs(&read(&self.logs_file())?)
    }

    /// The same as [`Self::file`], for metrics.
    pub fn metrics_file(&self) -> PathBuf {
        self.directory.path().join("metrics.jsonl")
    }

    /// The same as [`Self::file`], for logs.
    pub fn logs_file(&self) -> PathBuf {
        self.directory.path().join("logs.jsonl")
    }

    /// Where the collector writes its log.
    pub fn log(&self) -> PathBuf {
        self.directory.path().join("otelcol.log")
    }

    /// The id of the running process.
    pub fn process_id(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// Stops the collector; the spans it has stay readable.
    pub fn stop(&self) -> Result<()> {
        if let Some(mut process) = self.process().take() {
            process.terminate()?;
            process.wait(STOP_TIMEOUT)?;
        }
        Ok(())
    }

    /// Starts the collector again, after stopping it if it runs: same port, same password, same file.
    pub fn restart(&self) -> Result<()> {
        ports::launch_again(|| self.launch())
    }

    fn launch(&self) -> Result<()> {
        self.stop()?;
        let mut command = Command::new(&self.program);
        command
            .arg("--config")
            .arg(root().join("tools/otelcol/config.yaml"))
            .env("OTELCOL_LISTEN", format!("127.0.0.1:{}", self.port))
            .env("OTELCOL_USER", USER)
            .env("OTELCOL_PASSWORD", &self.password)
            .env("OTELCOL_FILE", self.file())
            .env("OTELCOL_METRICS_FILE", self.metrics_file())
            .env("OTELCOL_LOGS_FILE", self.logs_file());
        let process = Process::spawn("otelcol", &mut command, &self.log())?;
        *self.process() = Some(wait_until_up(process, self.port)?);
        Ok(())
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// Any HTTP answer will do: the collector refuses a GET, which shows that it is up.
fn wait_until_up(mut process: Process, port: u16) -> Result<Process> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if let Some(status) = process.exit_status()? {
            bail!("otelcol ended at once ({status}); {}", process.log_tail());
        }
        if http::get(port, TRACES_PATH).is_ok() {
            return Ok(process);
        }
        if Instant::now() > deadline {
            bail!("otelcol does not answer on port {port} after {START_TIMEOUT:?}; {}", process.log_tail());
        }
        std::thread::sleep(POLL);
    }
}
