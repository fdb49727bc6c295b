//! The variables of OpenTelemetry, which an operator sets for every program of a machine: all signals read them alike,
//! they fail no command that does not need them, and `voiced config` names those that have no effect.

mod program;
mod protocol;
mod signals;
mod values;

use voiced::config::{Ignored, Purpose};
use voiced::telemetry::{Settings, Signal};

use crate::support::settings::Place;

const ENDPOINT: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://platform:4317");
const GRPC: (&str, &str) = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");

/// Each value is refused where a signal is sent with it.
const WRONG: [(&str, &str); 11] = [
    ("OTEL_SDK_DISABLED", "1"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4317"),
    ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization: Basic eA=="),
    ("OTEL_EXPORTER_OTLP_TRACES_HEADERS", "key"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "-1"),
    ("OTEL_RESOURCE_ATTRIBUTES", "foo=bar,spam"),
    ("OTEL_RESOURCE_ATTRIBUTES", "foo=%ZZ"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
    ("OTEL_SERVICE_NAME", "${NAME}"),
];

fn place(variables: &[(&str, &str)]) -> Place {
    variables.iter().fold(Place::new(), |place, (name, value)| place.var(name, *value))
}

fn telemetry(variables: &[(&str, &str)]) -> Settings {
    place(variables).config().telemetry.settings()
}

/// Whether traces, metrics and logs are switched on.
fn wanted(telemetry: &Settings) -> [bool; 3] {
    Signal::ALL.map(|signal| telemetry.wants(signal))
}

fn ignored(place: &Place, variable: &str) -> Option<Ignored> {
    place.loaded().ignored.into_iter().find(|ignored| ignored.variable == variable)
}

fn is_warned_of(place: &Place, variable: &str) -> bool {
    let loaded = place.loaded_for(Purpose::Nothing).unwrap();
    loaded.warnings.iter().any(|warning| warning.contains(variable))
}

/// The receiver of a signal; its URL does not matter here.
fn exporter(telemetry: &Settings, signal: Signal) -> otlp_spool::Receiver {
    telemetry.receiver(signal, "http://127.0.0.1:4318".parse().unwrap())
}
