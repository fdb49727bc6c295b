//! The command line: its arguments, and the commands that they run.

mod ask;
mod call;
mod check;
mod config;
mod connect;
mod openobserve;
mod replay;
mod sessions;
mod start;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use redaction::Privacy;
use turn_store::Status;

use crate::config::{ConfigError, EX_CONFIG, Env, LoadArgs, Loaded, Purpose};
use crate::log::Format;
use crate::output::{self, StdoutError};
use crate::reload::Source;
use crate::telemetry::Telemetry;
use crate::telemetry::signals::{LogQueue, Signals};
use crate::terminal;

/// The exit code of wrong arguments, the same as clap's.
const EX_ARGUMENTS: u8 = 2;
/// How long the last spans may take to leave at the end.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the last turns may take to be recorded.
const RECORD_TIMEOUT: Duration = Duration::from_secs(5);

/// A voice agent worker for LiveKit: joins rooms, answers what people say through an LLM, and records each turn as an
/// OpenTelemetry trace.
#[derive(Debug, Parser)]
#[command(name = "voiced", version, max_term_width = 110, arg_required_else_help = true)]
#[command(after_help = "\
Examples:
  voiced config                          what is configured, and where each value came from
  voiced check                           whether everything that is configured is there and works
  voiced ask \"What is tracing?\"          one traced call to the model, without a LiveKit server
  voiced start                           serve the rooms that LiveKit dispatches, until SIGTERM
  voiced call --room try-it              talk to the agent from this terminal
  voiced sessions --since 7d             latency and tokens of each session

Exit codes: 0 all went well, 1 it did not, 2 wrong arguments, 78 wrong configuration.
The configuration is read from agent.toml, the environment and --set; `voiced config` shows the outcome.")]
pub struct Cli {
    /// The configuration file [default: $VOICED_CONFIG, ./agent.toml, /etc/voiced/agent.toml]
    #[arg(long, global = true, value_name = "PATH")]
    config: Option<PathBuf>,
    /// Set one key, over everything else; repeatable
    #[arg(long = "set", global = true, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
    /// How log lines look on stderr; RUST_LOG chooses which
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    log_format: Format,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Register with LiveKit as an agent worker and serve jobs
    ///
    /// Runs until SIGTERM or SIGINT, then takes no new jobs and waits until the sessions under way have ended, at most
    /// worker.drain_timeout. A second signal ends at once.
    Start,
    /// Join one room, without a dispatch
    ///
    /// The session is the same as under `start`. It ends when the room ends, when the last person has left, or on
    /// Ctrl-C.
    Connect(ConnectArgs),
    /// Ask the model once, without a LiveKit server
    ///
    /// The answer is streamed to stdout. The trace is exported before the command ends.
    Ask(AskArgs),
    /// Play the caller: join a room, write or speak to the agent, print its replies
    ///
    /// In a terminal and with nothing to say this is a text chat. With --wav it plays recordings as a microphone, each
    /// once the agent has answered the one before, and can record both sides. With --rooms and --turns it is a load
    /// generator that ends with a summary. A new room gets the configured agent dispatched; an existing one must have one
    /// already.
    Call(CallArgs),
    /// List the recorded sessions with their latency and tokens, or show one
    ///
    /// Reads the local record (store.path), also while `start` runs. A session counts when a turn of it began in the
    /// time asked for. E2E: from the end of what was said to the first word in the room; TTFT: to the model's first word.
    /// Percentiles are by nearest rank.
    Sessions(SessionsArgs),
    /// Say why each turn of a session began, ended and was interrupted
    ///
    /// Reads a file of store.events_dir, gives its events to the same state machines again, and fails where they do
    /// something else. Needs no configuration.
    Replay(ReplayArgs),
    /// Print the effective configuration, each value with where it came from
    ///
    /// Secrets are shown as set or unset, never in part.
    Config(ConfigArgs),
    /// Check the configuration and everything that it names
    ///
    /// Opens the worker's socket to LiveKit, asks the model for one word, has one word transcribed and one spoken where
    /// that is on, sends one span, and looks whether the health endpoints can listen. Says of each how long it took, and
    /// what to do when it did not work.
    Check(CheckArgs),
    /// Put a dashboard and alerts into OpenObserve
    #[command(subcommand)]
    Openobserve(OpenobserveCommand),
}

#[derive(Args, Debug)]
struct ConnectArgs {
    /// The room to join
    #[arg(long)]
    room: String,
    /// Our participant identity in it [default: agent- and a random part]
    #[arg(long)]
    identity: Option<String>,
}

#[derive(Args, Debug)]
struct AskArgs {
    /// The question; `-` or nothing reads it from stdin
    text: Option<String>,
    /// Print one JSON object: answer, tokens, times, trace id
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct CallArgs {
    /// The room to join; several rooms get -1, -2, ... behind it
    #[arg(long)]
    room: String,
    /// Say this on lk.chat and wait for the reply; repeatable
    #[arg(long = "say", value_name = "TEXT")]
    say: Vec<String>,
    /// Play this recording as a microphone: WAV of 16-bit samples, mono or stereo; repeatable
    #[arg(long = "wav", value_name = "FILE", num_args = 1.., conflicts_with = "say")]
    wav: Vec<PathBuf>,
    /// Record the call in this WAV file, the caller on the left and the agent on the right; several rooms get -1, -2, ...
    /// before its ending
    #[arg(long, value_name = "FILE", requires = "wav", conflicts_with = "say")]
    record: Option<PathBuf>,
    /// How many rooms to call at the same time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rooms: u32,
    /// How many turns in each room; what there is to say is said round and round [default: all that --say or --wav gives,
    /// once]
    #[arg(long, value_name = "M", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    turns: Option<u32>,
    /// How long to wait for the agent and for each reply; with --wav, how long nothing may happen
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = crate::config::parse_duration)]
    timeout: Duration,
    /// Our participant identity [default: caller- and a random part]
    #[arg(long)]
    identity: Option<String>,
}

/// A table of more sessions than this helps no reader.
const MOST_LISTED: u64 = 10_000;

#[derive(Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
struct SessionsArgs {
    #[command(subcommand)]
    command: Option<SessionsCommand>,
    /// How far back to look: a duration, a date and time in UTC, or `all`
    #[arg(long, value_name = "TIME", default_value = "24h")]
    since: String,
    /// Only this room; `*` stands for any text
    #[arg(long)]
    room: Option<String>,
    /// Only sessions with a turn of this status: open, answered, interrupted, failed, aborted
    #[arg(long)]
    status: Option<Status>,
    /// How many sessions at most, the newest first
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = RangedU64ValueParser::<usize>::new().range(1..=MOST_LISTED))]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum SessionsCommand {
    /// Show each turn of one session: what was said, and a bar of where the time went
    Show(ShowArgs),
}

#[derive(Args, Debug)]
struct ShowArgs {
    /// The session's id (the room's SID), or as much of its beginning as no other session has
    id: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct ReplayArgs {
    /// The events of a session, as store.events_dir has them
    file: PathBuf,
}

#[derive(Args, Debug)]
struct ConfigArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct CheckArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum OpenobserveCommand {
    /// Make or update our dashboard and alerts
    ///
    /// Server, organisation, stream and service are those of [telemetry]. The credentials are those of otlp_headers, or
    /// OPENOBSERVE_TOKEN, the base64 of user:password: the tokens of OpenObserve's ingestion page may only write traces.
    /// Running it again changes nothing, unless this version brings something new.
    Install(InstallArgs),
}

#[derive(Args, Debug)]
struct InstallArgs {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// The address of OpenObserve [default: what stands before /api/ in telemetry.otlp_endpoint]
    #[arg(long)]
    url: Option<url::Url>,
    /// The organisation's identifier [default: what stands behind /api/ there]
    #[arg(long)]
    org: Option<String>,
    /// Whom the alerts tell: an alert destination of OpenObserve; repeatable
    #[arg(long, value_name = "NAME")]
    destination: Vec<String>,
    /// Make a destination "voiced" that posts {"text": …} to this URL, as Slack and others read it
    #[arg(long, value_name = "URL")]
    webhook: Option<url::Url>,
}

/// Reads the command line of this process and runs its command to the end.
pub fn run() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => cli.run(),
        Err(message) => finish(tell(&message)),
    }
}

/// Help and versions are results; errors in the arguments go to stderr, and their exit code holds whether or not that
/// takes them.
fn tell(message: &clap::Error) -> anyhow::Result<ExitCode> {
    let code = ExitCode::from(if message.use_stderr() { EX_ARGUMENTS } else { 0 });
    let plain = message.render().to_string();
    if message.use_stderr() && terminal::escaped_lines(&plain) != plain {
        // Control characters in an argument would take effect among colours, so it is quoted in plain text.
        output::complain(plain.trim_end());
        return Ok(code);
    }
    match message.print().and_then(|()| io::stdout().flush()) {
        Err(error) if !message.use_stderr() => Err(StdoutError::from(error).into()),
        _ => Ok(code),
    }
}

// === impl Command ===

impl Command {
    fn purpose(&self) -> Purpose {
        match self {
            Self::Start | Self::Connect(_) | Self::Ask(_) | Self::Check(_) => Purpose::Export,
            Self::Openobserve(_) => Purpose::Address,
            Self::Call(_) | Self::Sessions(_) | Self::Replay(_) | Self::Config(_) => Purpose::Nothing,
        }
    }
}

// === impl Cli ===

impl Cli {
    fn run(self) -> ExitCode {
        if let Command::Replay(args) = &self.command {
            return finish(replay::run(args));
        }
        let started = Instant::now();
        let env = Env::process();
        let args = LoadArgs { config: self.config, set: self.set };
        let purpose = self.command.purpose();
        let loaded = crate::config::load(&args, &env).and_then(|loaded| loaded.used_for(purpose));
        let mut loaded = match loaded {
            Ok(loaded) => loaded,
            Err(error) => return refuse(&error.into()),
        };
        if let Command::Config(args) = &self.command {
            return finish(config::run(&loaded, args.json).map(|()| ExitCode::SUCCESS));
        }
        if let Command::Sessions(args) = self.command {
            warn(&loaded);
            return finish(sessions::run(&loaded.config, args));
        }
        match outbound::install(&loaded.config.network.settings()) {
            Ok(warnings) => loaded.warnings.extend(warnings),
            Err(error) => return refuse(&error.into()),
        }
        let secrets = loaded.config.secrets();
        crate::panics::report(Privacy::new(&loaded.config.telemetry.privacy()));
        if let Command::Check(args) = self.command {
            crate::log::init_quiet(self.log_format, secrets);
            return finish(block_on(check::run(loaded, args, started.elapsed())));
        }
        if let Command::Openobserve(OpenobserveCommand::Install(args)) = self.command {
            crate::log::init_quiet(self.log_format, secrets);
            let warnings = loaded.warnings.iter();
            warnings.for_each(|warning| output::complain(format_args!("warning: {warning}")));
            return finish(block_on(openobserve::install(loaded.config, &env, args)));
        }
        let logs = LogQueue::wanted(&loaded.config.telemetry.settings());
        crate::log::init(self.log_format, secrets.clone(), logs.as_ref());
        loaded.warnings.iter().for_each(|warning| tracing::warn!("{warning}"));
        let source = Source { args, env, secrets };
        finish(serve(self.command, loaded, source, logs))
    }
}

fn serve(
    command: Command,
    loaded: Loaded,
    source: Source,
    logs: Option<LogQueue>,
) -> anyhow::Result<ExitCode> {
    block_on(async {
        match command {
            Command::Start => start::run(loaded, source, logs).await,
            Command::Connect(args) => connect::run(loaded.config, args, logs).await,
            Command::Ask(args) => ask::run(loaded.config, args, logs).await,
            Command::Call(args) => call::run(loaded.config, args).await,
            Command::Config(_)
            | Command::Sessions(_)
            | Command::Replay(_)
            | Command::Check(_)
            | Command::Openobserve(_) => Ok(ExitCode::SUCCESS),
        }
    })
}

fn block_on(command: impl Future<Output = anyhow::Result<ExitCode>>) -> anyhow::Result<ExitCode> {
    let runtime = crate::runtime::start()?;
    let done = runtime.block_on(async {
        crate::shutdown::outlive_limits_on_files()?;
        command.await
    });
    // A blocked read of stdin must not keep the process alive.
    runtime.shutdown_timeout(Duration::from_millis(200));
    done
}

fn finish(done: anyhow::Result<ExitCode>) -> ExitCode {
    match done {
        Ok(code) => code,
        // The reader of `voiced config | head` has seen enough.
        Err(error) if output::is_closed(&error) => ExitCode::SUCCESS,
        Err(error) => refuse(&error),
    }
}

/// Reports the configuration's warnings where there is no log.
fn warn(loaded: &Loaded) {
    loaded.warnings.iter().for_each(|warning| output::complain(format!("warning: {warning}")));
}

/// Reports the error; a wrong configuration has an exit code of its own.
fn refuse(error: &anyhow::Error) -> ExitCode {
    if let Some(config) = error.downcast_ref::<ConfigError>() {
        output::complain(config);
        return ExitCode::from(EX_CONFIG);
    }
    output::complain(format!("error: {error:#}"));
    ExitCode::FAILURE
}

/// Exports the queued spans and signals. Those that could not leave in time have been logged by then.
async fn flush(telemetry: Telemetry, signals: Signals) {
    // All are flushed at the same time, so that a receiver that hangs costs one time-out and not three.
    tokio::join!(telemetry.shutdown(FLUSH_TIMEOUT), signals.stop(FLUSH_TIMEOUT));
}

/// A participant identity or session id that no other participant or session has.
fn random_identity(prefix: &str) -> String {
    let random: String =
        std::iter::repeat_with(|| fastrand::alphanumeric().to_ascii_lowercase()).take(10).collect();
    format!("{prefix}-{random}")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
