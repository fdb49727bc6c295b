//! The lists of OpenTelemetry's variables: headers and resource attributes.

use std::path::Path;

use conversation::Secret;
use figment::value::Value;
use thiserror::Error;

use super::{Fit, Kind, Misfit, Raw};
use crate::config::listing::Shown;
use crate::telemetry::endpoint;

/// The resource attribute that has a key of its own.
pub(in crate::config) const SERVICE_NAME: &str = "service.name";

/// OTLP headers. Their values are secrets.
pub(in crate::config) struct Headers;

/// Resource attributes.
pub(in crate::config) struct Attributes;

/// The fault of a list of resource attributes.
#[derive(Debug, Error)]
pub(in crate::config) enum AttributesError {
    #[error("`{0}` has no `=`")]
    NoEquals(String),
    #[error("`{0}` has no name before its `=`")]
    NoName(String),
    #[error("`{0}` holds a `%` that begins no percent-encoding; a literal `%` is written %25")]
    Percent(String),
}

// === impl Headers ===

impl Kind for Headers {
    type Value = Vec<(String, Secret)>;

    const IS_SECRET: bool = true;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<Self::Value>, Misfit> {
        let text = raw.text()?;
        let pair = |(name, value): (String, Secret)| Value::from(vec![name, value.expose().to_owned()]);
        let headers: Vec<Value> = endpoint::parse_headers(text)?.into_iter().map(pair).collect();
        Ok(Fit::carried(headers, text.trim()))
    }

    fn expected(&self) -> String {
        "headers like \"name=value,name=value\"".to_owned()
    }

    /// The names of the headers.
    fn shown(&self, notation: &Value) -> Shown {
        let headers = endpoint::parse_headers(notation.as_str().unwrap_or_default()).unwrap_or_default();
        let names: Vec<String> = headers.into_iter().map(|(name, _)| name).collect();
        if names.is_empty() { Shown::Unset } else { Shown::Headers(names) }
    }
}

// === impl Attributes ===

impl Kind for Attributes {
    type Value = Vec<(String, String)>;

    fn read(&self, raw: &Raw, _: &Path) -> Result<Fit<Self::Value>, Misfit> {
        let text = raw.text()?;
        let list = attributes(text)?;
        if list.iter().any(|(name, _)| name == SERVICE_NAME) {
            return Err(Misfit::because("service.name has a key of its own, telemetry.service_name"));
        }
        Fit::of(&list, text.trim())
    }

    fn expected(&self) -> String {
        "attributes like \"name=value,name=value\"".to_owned()
    }
}

/// `OTEL_RESOURCE_ATTRIBUTES`' notation: `key=value` pairs between commas, percent-encoded.
pub(in crate::config) fn attributes(text: &str) -> Result<Vec<(String, String)>, AttributesError> {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    items.map(attribute).collect()
}

fn attribute(item: &str) -> Result<(String, String), AttributesError> {
    let (name, value) = item.split_once('=').ok_or_else(|| AttributesError::NoEquals(item.to_owned()))?;
    if name.trim().is_empty() {
        return Err(AttributesError::NoName(item.to_owned()));
    }
    Ok((decoded(name)?, decoded(value)?))
}

fn decoded(part: &str) -> Result<String, AttributesError> {
    let bytes = endpoint::percent_decode(part.trim());
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| AttributesError::Percent(part.to_owned()))
}
