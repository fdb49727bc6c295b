//! The environment variables that others define: how each reads as a value of one of our keys.

use super::kind::{self, Raw};

/// A well-known environment variable that sets a key.
pub(super) struct Variable {
    pub(super) name: &'static str,
    /// Reads the variable's own notation. None: it says nothing about this key.
    pub(super) read: fn(&str) -> Result<Option<Raw>, String>,
}

/// The transport, which only ever is OTLP over HTTP with protobuf; other values are refused instead of ignored, since
/// the collector at the other end would not understand us.
pub(super) const PROTOCOL: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];

impl Variable {
    /// A variable whose text is the key's value.
    pub(super) const fn plain(name: &'static str) -> Self {
        Self { name, read: as_it_is }
    }

    pub(super) const fn new(name: &'static str, read: fn(&str) -> Result<Option<Raw>, String>) -> Self {
        Self { name, read }
    }
}

fn as_it_is(text: &str) -> Result<Option<Raw>, String> {
    Ok(Some(Raw::Untyped(text.to_owned())))
}

/// `OTEL_SDK_DISABLED`. The specification reads everything but "true" as false; whoever writes "1" means to switch
/// traces off, and sending them anyway would be the worse surprise, so that is refused.
pub(super) fn not_disabled(text: &str) -> Result<Option<Raw>, String> {
    match text.to_ascii_lowercase().as_str() {
        "true" => Ok(Some(Raw::Boolean(false))),
        "false" => Ok(Some(Raw::Boolean(true))),
        _ => Err("expected true or false".to_owned()),
    }
}

/// `OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT`: a boolean in older semantic conventions, the place of the
/// content in newer ones. We write spans, no events.
pub(super) fn capture_content(text: &str) -> Result<Option<Raw>, String> {
    let choice = match text.to_ascii_lowercase().as_str() {
        "true" | "span_only" | "span_and_event" => "full",
        "false" | "no_content" | "event_only" => "off",
        _ => {
            return Err(
                "expected true, false, SPAN_ONLY, SPAN_AND_EVENT, EVENT_ONLY or NO_CONTENT".to_owned()
            );
        }
    };
    Ok(Some(Raw::String(choice.to_owned())))
}

/// `OTEL_EXPORTER_OTLP_TIMEOUT` counts milliseconds.
pub(super) fn milliseconds(text: &str) -> Result<Option<Raw>, String> {
    match text.parse::<u64>() {
        Ok(number) => Ok(Some(Raw::String(format!("{number}ms")))),
        Err(_) => Err("expected a number of milliseconds".to_owned()),
    }
}

/// `OTEL_METRICS_EXPORTER` and `OTEL_LOGS_EXPORTER`. Metrics can be scraped whatever it says.
pub(super) fn exporter(text: &str) -> Result<Option<Raw>, String> {
    match text.to_ascii_lowercase().as_str() {
        "otlp" => Ok(Some(Raw::Boolean(true))),
        "none" => Ok(Some(Raw::Boolean(false))),
        "prometheus" => Ok(None),
        _ => Err("expected otlp or none".to_owned()),
    }
}

/// `OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE` does not mind upper and lower case.
pub(super) fn lower_case(text: &str) -> Result<Option<Raw>, String> {
    Ok(Some(Raw::Untyped(text.to_ascii_lowercase())))
}

/// `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` is the whole URL: nothing is appended to it.
pub(super) fn traces_endpoint(text: &str) -> Result<Option<Raw>, String> {
    Ok(Some(Raw::TracesUrl(text.to_owned())))
}

/// `OTEL_RESOURCE_ATTRIBUTES` may name the service too; `OTEL_SERVICE_NAME` is stronger.
pub(super) fn service_name(text: &str) -> Result<Option<Raw>, String> {
    let attributes = kind::attributes(text)?;
    let name = attributes.into_iter().find(|(name, _)| name == kind::SERVICE_NAME);
    Ok(name.map(|(_, value)| Raw::String(value)))
}

/// Whatever else `OTEL_RESOURCE_ATTRIBUTES` holds.
pub(super) fn other_attributes(text: &str) -> Result<Option<Raw>, String> {
    let names_service = |item: &&str| item.split('=').next().map(str::trim) == Some(kind::SERVICE_NAME);
    let others: Vec<&str> = text.split(',').filter(|item| !names_service(item)).collect();
    Ok(Some(Raw::String(others.join(","))))
}
