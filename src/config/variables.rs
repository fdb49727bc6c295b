//! The environment variables that other programs define, and how each is read as a value of one of our keys.

use otlp_spool::Signal;
use thiserror::Error;

use super::kind::{self, AttributesError, Raw};
use super::sections;

/// A well-known environment variable that sets a key.
pub(super) struct Variable {
    pub(super) name: &'static str,
    /// Reads the variable's own notation, or tells the expected one.
    pub(super) read: fn(&str) -> Result<Reading, NotationError>,
}

/// A variable's value for a key.
#[derive(Debug, PartialEq)]
pub(super) enum Reading {
    Is(Raw),
    /// The value, and the reason why a part of it is ignored.
    Partly(Raw, String),
    Nothing,
    /// The value is unknown where OpenTelemetry knows names only: its specification wants it ignored with a warning.
    Ignored(String),
}

/// The fault of a text that is not in its variable's notation.
#[derive(Debug, Error)]
pub(super) enum NotationError {
    #[error("expected {0}")]
    Expected(&'static str),
    #[error(transparent)]
    Attributes(#[from] AttributesError),
}

/// The prefix of variables that are set for every program: none of them may stop a command that does not need it.
pub(super) const OTEL: &str = "OTEL_";
/// The transport of all signals. That of one is stronger; see [`protocol`].
pub(super) const PROTOCOL: &str = "OTEL_EXPORTER_OTLP_PROTOCOL";
/// The only protocol that we speak.
pub(super) const SPOKEN: &str = "http/protobuf";
/// The file to read instead of `agent.toml`.
pub(super) const CONFIG: &str = "VOICED_CONFIG";

/// The credentials of `voiced openobserve install`.
const OPENOBSERVE_TOKEN: &str = "OPENOBSERVE_TOKEN";

/// The wait that stands for "no limit".
const NO_LIMIT: &str = "1h";
/// How many names of a list are repeated.
const MOST_NAMES: usize = 3;

/// The exporters of every signal that its specification knows, and that we do not have.
const CONSOLE: [&str; 3] = ["console", "logging", "otlp/stdout"];

/// The variable with the transport of one signal.
pub(super) const fn protocol(signal: Signal) -> &'static str {
    match signal {
        Signal::Traces => "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        Signal::Metrics => "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL",
        Signal::Logs => "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
    }
}

/// Whether a variable of this name can change anything here.
pub(super) fn is_read(name: &str) -> bool {
    // Kubernetes makes names like VOICED_HTTP_PORT out of the names of services. A part of a text that is no name may
    // be a secret.
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let ours = name.starts_with("VOICED_") && name.contains("__") && name.bytes().all(is_part);
    ours || [CONFIG, OPENOBSERVE_TOKEN].contains(&name) || is_well_known(name) || is_protocol(name)
}

pub(super) fn is_protocol(name: &str) -> bool {
    name == PROTOCOL || Signal::ALL.iter().any(|signal| protocol(*signal) == name)
}

pub(super) fn is_well_known(name: &str) -> bool {
    sections::all().flat_map(|key| key.variables).any(|variable| variable.name == name)
}

// === impl Variable ===

impl Variable {
    /// A variable whose text is the key's value.
    pub(super) const fn plain(name: &'static str) -> Self {
        Self { name, read: as_it_is }
    }

    pub(super) const fn new(name: &'static str, read: fn(&str) -> Result<Reading, NotationError>) -> Self {
        Self { name, read }
    }

    pub(super) fn is_otel(&self) -> bool {
        self.name.starts_with(OTEL)
    }
}

// === how they read ===

fn as_it_is(text: &str) -> Result<Reading, NotationError> {
    Ok(Reading::Is(Raw::Untyped(text.to_owned())))
}

/// `OTEL_SDK_DISABLED`. The specification reads everything but "true" as false; an operator who writes "1" means to
/// switch traces off, and sending them anyway would be the worse surprise, so that is refused.
pub(super) fn not_disabled(text: &str) -> Result<Reading, NotationError> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(Reading::Is(Raw::Boolean(false))),
        "false" => Ok(Reading::Is(Raw::Boolean(true))),
        _ => Err(NotationError::Expected("true or false")),
    }
}

/// `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`: a boolean in older semantic conventions, the place of the
/// content in newer ones. We write spans, no events.
pub(super) fn capture_content(text: &str) -> Result<Reading, NotationError> {
    let choice = match text.to_ascii_lowercase().as_str() {
        "true" | "span_only" | "span_and_event" => "full",
        "false" | "no_content" | "event_only" => "off",
        _ => {
            let known = "true, false, SPAN_ONLY, SPAN_AND_EVENT, EVENT_ONLY or NO_CONTENT";
            return Err(NotationError::Expected(known));
        }
    };
    Ok(Reading::Is(Raw::String(choice.to_owned())))
}

/// `OTEL_METRIC_EXPORT_INTERVAL` counts milliseconds.
pub(super) fn milliseconds(text: &str) -> Result<Reading, NotationError> {
    match text.parse::<u64>() {
        Ok(number) => Ok(Reading::Is(Raw::String(format!("{number}ms")))),
        Err(_) => Err(NotationError::Expected("a number of milliseconds")),
    }
}

/// `OTEL_EXPORTER_OTLP_TIMEOUT`: milliseconds too, but zero is no limit, for which the specification allows a long
/// time.
pub(super) fn timeout(text: &str) -> Result<Reading, NotationError> {
    match milliseconds(text)? {
        Reading::Is(Raw::String(zero)) if zero == "0ms" => Ok(Reading::Is(Raw::String(NO_LIMIT.to_owned()))),
        other => Ok(other),
    }
}

pub(super) fn traces_exporter(text: &str) -> Result<Reading, NotationError> {
    Ok(exporter(text, &["zipkin", "jaeger"], &[]))
}

/// Prometheus can read `/metrics` at any time.
pub(super) fn metrics_exporter(text: &str) -> Result<Reading, NotationError> {
    Ok(exporter(text, &[], &["prometheus"]))
}

pub(super) fn logs_exporter(text: &str) -> Result<Reading, NotationError> {
    Ok(exporter(text, &[], &[]))
}

/// A list of exporters, of which `otlp` is the one that we have. A name that is known elsewhere (`others`, `CONSOLE`)
/// asks for another exporter than `otlp`, and so for none here; one in `served` needs no exporter.
fn exporter(text: &str, others: &[&str], served: &[&str]) -> Reading {
    let names: Vec<String> = text
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    let has = |wanted: &str| names.iter().any(|name| name == wanted);
    let is_known = |name: &str| [others, served, &CONSOLE].iter().any(|known| known.contains(&name));
    let foreign: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !matches!(*name, "otlp" | "none") && !served.contains(name))
        .collect();
    let exported = Raw::Boolean(has("otlp") && !has("none"));
    if names.is_empty() {
        return Reading::Nothing;
    }
    if has("none") && names.len() > 1 {
        return Reading::Partly(
            exported,
            "`none` stands among others, and wins: nothing is exported".to_owned(),
        );
    }
    if !has("otlp") && !has("none") && !names.iter().any(|name| is_known(name)) {
        return Reading::Ignored(format!("{}; otlp and none are known", unknown(&foreign)));
    }
    if foreign.is_empty() { Reading::Is(exported) } else { Reading::Partly(exported, unknown(&foreign)) }
}

fn unknown(exporters: &[&str]) -> String {
    let shown: Vec<String> = exporters.iter().take(MOST_NAMES).map(|name| kind::shortened(name)).collect();
    let more = if exporters.len() > MOST_NAMES { " and more" } else { "" };
    format!("there is no exporter {}{more} here", kind::either(&shown))
}

/// `OTEL_EXPORTER_OTLP_COMPRESSION`.
pub(super) fn compression(text: &str) -> Result<Reading, NotationError> {
    Ok(one_of(text, &["gzip", "none"]))
}

/// `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE`.
pub(super) fn temporality(text: &str) -> Result<Reading, NotationError> {
    Ok(one_of(text, &["cumulative", "delta", "lowmemory"]))
}

/// A name out of a set, in upper or lower case.
fn one_of(text: &str, known: &[&str]) -> Reading {
    let name = text.to_ascii_lowercase();
    if known.contains(&name.as_str()) {
        return Reading::Is(Raw::String(name));
    }
    Reading::Ignored(format!("{} is not one of {}", kind::shortened(text), known.join(", ")))
}

/// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is the whole URL: nothing is appended to it.
pub(super) fn traces_endpoint(text: &str) -> Result<Reading, NotationError> {
    Ok(Reading::Is(Raw::TracesUrl(text.to_owned())))
}

/// `OTEL_RESOURCE_ATTRIBUTES` may name the service too; `OTEL_SERVICE_NAME` is stronger.
pub(super) fn service_name(text: &str) -> Result<Reading, NotationError> {
    let attributes = kind::attributes(text)?;
    let is_name = |(name, value): &(String, String)| name == kind::SERVICE_NAME && !value.is_empty();
    let name = attributes.into_iter().find(is_name);
    Ok(name.map_or(Reading::Nothing, |(_, value)| Reading::Is(Raw::String(value))))
}

/// The rest of `OTEL_RESOURCE_ATTRIBUTES`.
pub(super) fn other_attributes(text: &str) -> Result<Reading, NotationError> {
    // The whole is read, so that a fault in it is one mistake and not one of each key.
    kind::attributes(text)?;
    let names_service = |item: &&str| item.split('=').next().map(str::trim) == Some(kind::SERVICE_NAME);
    let others: Vec<&str> = text.split(',').filter(|item| !names_service(item)).collect();
    Ok(Reading::Is(Raw::String(others.join(","))))
}
