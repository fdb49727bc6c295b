//! The settings with which metrics and logs are sent where traces have variables of their own.
//!
//! Traces are sent with `telemetry.otlp_…`, and the other signals with the same. A variable for traces alone changes
//! that for traces alone: the others keep the key's value without it.

use std::path::Path;

use otlp_spool::Signal;

use crate::config::key::Key;
use crate::config::kind::Raw;
use crate::config::load::strongest;
use crate::config::origin::{Layer, Origin};
use crate::config::sections;
use crate::config::setting::{Said, Setting, Target};
use crate::telemetry::endpoint;

const ASPECTS: [(&str, &str); 4] = [
    // This comes first, because headers follow it.
    ("endpoint", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
    ("headers", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"),
    ("timeout", "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"),
    ("compression", "OTEL_EXPORTER_OTLP_TRACES_COMPRESSION"),
];

/// The settings of metrics and logs that no source sets, and that differ from those of traces.
pub(in crate::config) fn inherited(mut settings: Vec<Setting>) -> Vec<Setting> {
    for (aspect, variable) in ASPECTS {
        let Some(traces) = sections::by_path(&format!("telemetry.otlp_{aspect}")) else { continue };
        let is_for_traces = |setting: &Setting| setting.origin.variable() == Some(variable);
        if !strongest(&settings, traces).is_some_and(is_for_traces) {
            continue;
        }
        let general =
            settings.iter().rfind(|setting| setting.key.path == traces.path && !is_for_traces(setting));
        let general = general.cloned();
        for signal in [Signal::Metrics, Signal::Logs] {
            let key = sections::by_path(&format!("telemetry.{}_{aspect}", signal.name()));
            let unset = |key: &&Key| !is_set(&settings, key);
            if let Some(setting) =
                key.filter(unset).and_then(|key| of(key, signal, general.as_ref(), &settings))
            {
                settings.push(setting);
            }
        }
    }
    settings
}

/// The setting of a signal's key with the value of `general`; None where it may follow traces.
fn of(key: &'static Key, signal: Signal, general: Option<&Setting>, settings: &[Setting]) -> Option<Setting> {
    let is_general = general.is_some_and(|general| general.origin.layer() > Layer::Default);
    match (key.name().rsplit('_').next(), general) {
        (Some("endpoint"), Some(general)) if is_general => {
            let said = match &general.said {
                Said::Value(read) => {
                    return read_as(key, beside(read.notation.as_str()?, signal)?, &general.origin);
                }
                other => other.clone(),
            };
            Some(Setting { key, said, origin: general.origin.clone() })
        }
        // They go to the receiver of traces, so settings that were meant for that one are meant for them.
        (Some("endpoint"), _) => None,
        (Some("headers"), None) => {
            let endpoint = sections::by_path(&format!("telemetry.{}_endpoint", signal.name()))?;
            is_set(settings, endpoint).then(|| read_as(key, String::new(), &Origin::Default)).flatten()
        }
        (_, general) => general.map(|general| Setting { key, ..general.clone() }),
    }
}

fn read_as(key: &'static Key, text: String, origin: &Origin) -> Option<Setting> {
    Setting::read(Target::Value(key), &Raw::String(text), Path::new(""), origin.clone()).ok()
}

fn is_set(settings: &[Setting], key: &Key) -> bool {
    strongest(settings, key).is_some_and(|setting| setting.origin.layer() > Layer::Default)
}

/// The URL of a signal when traces would go to `traces`; None when these go nowhere.
fn beside(traces: &str, signal: Signal) -> Option<String> {
    let url = url::Url::parse(traces).ok()?;
    endpoint::signal_url(&url, signal.name()).map(String::from)
}
