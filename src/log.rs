//! Logs: one line an event on stderr, as text or JSON, with priorities when stderr is the journal.
//!
//! Stdout carries results only. The crates that use `log` are heard too. Whatever a field holds and however it is
//! formatted, a line is one line, with nothing in it that a terminal obeys: it is escaped here, as a whole, and not by
//! each module that logs.

mod fields;

use std::fmt;
use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

use clap::ValueEnum;
use conversation::Secrets;
use fields::Fields;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::{DefaultFields, Format as EventFormat, Writer};
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, Layer};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::output;
use crate::telemetry::signals::LogQueue;
use crate::terminal;

/// The crates that the program consists of besides its own. In a filter, `voiced` stands for all of them.
const CRATES: [&str; 8] = [
    "agent_worker",
    "conversation",
    "otlp_spool",
    "outbound",
    "redaction",
    "speech_services",
    "statedir",
    "turn_store",
];

/// The filter without `RUST_LOG`: our own story, and the warnings of other crates. OpenTelemetry is off because it
/// reports every failed batch, where the exporter reports the fault and its remedy once.
const DEFAULT_FILTER: &str = "warn,voiced=info,opentelemetry=off,str0m=error";

/// The filter of a quiet command: the events that it cannot report itself.
const QUIET_FILTER: &str = "off,voiced::log=warn,voiced::panics=error";

/// The shape of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The destination of the lines, which decides their content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Destination {
    /// A person is watching: the time of day, in colours.
    Terminal,
    /// The journal keeps the time itself and reads a priority from the start of the line.
    Journal,
    Other,
}

/// The lines of [`Format::Text`].
struct Text {
    destination: Destination,
    colours: bool,
}

/// Lines of JSON, with priorities for the journal.
struct Json<F> {
    format: F,
    destination: Destination,
}

/// Makes writers of whole lines to stderr, without the secrets that a library may have logged.
struct Stderr {
    secrets: Secrets,
}

/// One line on its way.
struct Line<'s>(&'s Secrets);

/// Starts logging to stderr and into the queue for export, as `RUST_LOG` demands, and never one of `secrets`. To be
/// called first of all; more calls do nothing.
pub fn init(format: Format, secrets: Secrets, exported: Option<&LogQueue>) {
    start(format, secrets, exported, DEFAULT_FILTER);
}

/// [`init`] for a command that reports its failures on stdout: the log need not repeat them.
pub(crate) fn init_quiet(format: Format, secrets: Secrets) {
    start(format, secrets, None, QUIET_FILTER);
}

fn start(format: Format, secrets: Secrets, exported: Option<&LogQueue>, default: &str) {
    let destination = destination();
    let colours = destination == Destination::Terminal && std::env::var_os("NO_COLOR").is_none();
    let exported = exported.map(|queue| queue.layer(secrets.clone()));
    let layer = match format {
        Format::Text => {
            layer(Stderr { secrets }).fmt_fields(Fields).event_format(Text { destination, colours }).boxed()
        }
        Format::Json => {
            let json = layer(Stderr { secrets }).json().with_current_span(false).flatten_event(true);
            json.map_event_format(|format| Json { format, destination }).boxed()
        }
    };
    let (filter, refused) = filter(std::env::var("RUST_LOG").ok(), default);
    // Also installs the bridge from the crate `log`. It fails when there is a subscriber already, and then that one
    // logs.
    let _ = tracing_subscriber::registry().with(filter).with(layer).with(exported).try_init();
    if let Some(refused) = refused {
        tracing::warn!("{refused}");
    }
}

/// A layer whose lines have colours from nowhere but our formats.
fn layer<S, W>(writer: W) -> Layer<S, DefaultFields, EventFormat, W>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'a> MakeWriter<'a> + 'static,
{
    // The layer would report its own errors by `eprintln!`, which panics when stderr takes nothing.
    Layer::new().with_writer(writer).with_ansi(false).log_internal_errors(false)
}

/// The filter, and the reason why it is not the requested one. A slip in `RUST_LOG` must not keep a worker from
/// starting.
fn filter(variable: Option<String>, default: &str) -> (EnvFilter, Option<String>) {
    let asked = variable.filter(|text| !text.trim().is_empty());
    let parsed = asked.as_deref().map(|asked| EnvFilter::try_new(with_crates(asked)));
    match parsed {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => {
            let asked = asked.unwrap_or_default();
            let refused =
                format!("RUST_LOG={asked:?} is ignored: {error}; expected a filter like voiced=debug,warn");
            (EnvFilter::new(with_crates(default)), Some(refused))
        }
        None => (EnvFilter::new(with_crates(default)), None),
    }
}

/// The filter with a directive for each of our crates in front of the one for `voiced`; one that names a crate itself
/// stands behind, and wins.
fn with_crates(filter: &str) -> String {
    let of_crates = |directive: &str| {
        let level = match directive.trim().strip_prefix("voiced") {
            Some(rest) if rest.is_empty() || rest.starts_with('=') => rest.to_owned(),
            _ => return String::new(),
        };
        CRATES.map(|name| format!("{name}{level},")).concat()
    };
    let added: String = filter.split(',').map(of_crates).collect();
    added + filter
}

fn destination() -> Destination {
    let stream = std::env::var("JOURNAL_STREAM").unwrap_or_default();
    match stderr_inode() {
        Ok(inode) if is_journal(&stream, inode) => Destination::Journal,
        _ if io::stderr().is_terminal() => Destination::Terminal,
        _ => Destination::Other,
    }
}

/// The device and inode numbers of stderr.
fn stderr_inode() -> io::Result<(u64, u64)> {
    let metadata = File::from(io::stderr().as_fd().try_clone_to_owned()?).metadata()?;
    Ok((metadata.dev(), metadata.ino()))
}

/// systemd names the journal's socket in `$JOURNAL_STREAM` as `DEVICE:INODE` (systemd.exec(5)). The variable is
/// inherited by children whose stderr goes elsewhere, so it must be compared.
fn is_journal(stream: &str, (device, inode): (u64, u64)) -> bool {
    let Some((stream_device, stream_inode)) = stream.split_once(':') else { return false };
    stream_device.parse() == Ok(device) && stream_inode.parse() == Ok(inode)
}

/// The syslog priority of a level, as sd-daemon(3) wants it at the start of a line.
fn priority(level: Level) -> &'static str {
    match level {
        Level::ERROR => "<3>",
        Level::WARN => "<4>",
        Level::INFO => "<6>",
        Level::DEBUG | Level::TRACE => "<7>",
    }
}

// === impl Stderr ===

impl<'s> MakeWriter<'s> for Stderr {
    type Writer = Line<'s>;

    fn make_writer(&'s self) -> Line<'s> {
        Line(&self.secrets)
    }
}

// === impl Line ===

impl Write for Line<'_> {
    /// The subscriber writes a line at once, so that no secret comes in two parts.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        output::to_stderr(self.0.taken_out(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

// === impl Text ===

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        self.start(&mut writer, *event.metadata().level())?;
        let mut said = String::new();
        let mut fields = Writer::new(&mut said);
        let target = event.metadata().target();
        if !is_ours(target) {
            write!(fields, "{target}: ")?;
        }
        context.format_fields(fields.by_ref(), event)?;
        for span in context.event_scope().into_iter().flatten() {
            if let Some(known) =
                span.extensions().get::<FormattedFields<N>>().filter(|known| !known.is_empty())
            {
                write!(fields, " {known}")?;
            }
        }
        writeln!(writer, "{}", terminal::escaped(&said))
    }
}

impl Text {
    /// The part before the message: priority, or time and level.
    fn start(&self, writer: &mut Writer<'_>, level: Level) -> fmt::Result {
        let colours = self.colours;
        let level_text = if colours { coloured(level) } else { format!("{level:>5}") };
        match self.destination {
            Destination::Journal => writer.write_str(priority(level)),
            Destination::Other => write!(writer, "{} {level_text} ", now()?),
            Destination::Terminal if colours => {
                write!(writer, "\x1b[2m{}\x1b[0m {level_text} ", time_of_day(&now()?))
            }
            Destination::Terminal => write!(writer, "{} {level_text} ", time_of_day(&now()?)),
        }
    }
}

fn is_ours(target: &str) -> bool {
    target.split("::").next().is_some_and(|name| name == "voiced" || CRATES.contains(&name))
}

fn coloured(level: Level) -> String {
    let colour = match level {
        Level::ERROR => 31,
        Level::WARN => 33,
        Level::INFO => 32,
        Level::DEBUG => 34,
        Level::TRACE => 35,
    };
    format!("\x1b[{colour}m{level:>5}\x1b[0m")
}

/// UTC, to the millisecond: `2026-11-23T10:07:04.123Z`.
fn now() -> Result<String, fmt::Error> {
    let mut time = String::new();
    SystemTime.format_time(&mut Writer::new(&mut time))?;
    let milliseconds = time.find('.').map_or(time.len(), |point| point + 4);
    time.truncate(milliseconds);
    Ok(time + "Z")
}

fn time_of_day(time: &str) -> &str {
    time.split_once('T').map_or(time, |(_, time)| time)
}

// === impl Json ===

impl<S, N, F> FormatEvent<S, N> for Json<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if self.destination == Destination::Journal {
            writer.write_str(priority(*event.metadata().level()))?;
        }
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        writer.write_str(&terminal::json(&line))
    }
}

#[cfg(test)]
pub(crate) mod tests;
