//! The dashboard, the alerts and the template of notifications. The files can also be imported by hand; they are
//! written for the stream `default` and the service `voiced`.

use serde_json::Value;
use sha2::{Digest, Sha256};

const DASHBOARD: &str = include_str!("../../observability/openobserve/dashboard.json");
const ALERTS: [&str; 5] = [
    include_str!("../../observability/openobserve/alerts/slow_turns.json"),
    include_str!("../../observability/openobserve/alerts/failed_turns.json"),
    include_str!("../../observability/openobserve/alerts/failed_stt.json"),
    include_str!("../../observability/openobserve/alerts/failed_tts.json"),
    include_str!("../../observability/openobserve/alerts/no_turns.json"),
];
const TEMPLATE: &str = include_str!("../../observability/openobserve/template.json");

/// The notation of stream and service in the files.
const STREAM: &str = "FROM \"default\"";
const SERVICE: &str = "service_name = 'voiced'";
const OUR_SERVICE: &str = "voiced";
/// Digits of a revision that are shown and compared.
const REVISION_CHARS: usize = 12;

/// All things to install, for one stream and one service.
#[derive(Clone, Debug)]
pub(crate) struct Assets {
    pub(super) dashboard: Value,
    pub(super) alerts: Vec<Value>,
    pub(super) template: Value,
}

// === impl Assets ===

impl Assets {
    pub(crate) fn new(stream: &str, service: &str) -> Result<Self, serde_json::Error> {
        let mut dashboard = fitted(DASHBOARD, stream, service)?;
        name_after(&mut dashboard, "title", service, |title, service| format!("{title}: {service}"));
        let mut alerts =
            ALERTS.iter().map(|text| fitted(text, stream, service)).collect::<Result<Vec<_>, _>>()?;
        for alert in &mut alerts {
            name_after(alert, "name", service, |name, service| format!("{name}_{}", plain(service)));
            sign(alert);
        }
        sign(&mut dashboard);
        Ok(Self { dashboard, alerts, template: serde_json::from_str(TEMPLATE)? })
    }
}

/// The revision in a description that we wrote.
pub(super) fn revision(description: &str) -> Option<&str> {
    let (_, behind) = description.rsplit_once("revision ")?;
    let revision = behind.strip_suffix('.')?;
    (revision.len() == REVISION_CHARS && revision.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .then_some(revision)
}

pub(super) fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The file with the names of this stream and service in the place of those it was written with.
fn fitted(file: &str, stream: &str, service: &str) -> Result<Value, serde_json::Error> {
    let mut value = serde_json::from_str(file)?;
    let from = format!("FROM \"{}\"", stream.replace('"', "\"\""));
    let is = format!("service_name = '{}'", service.replace('\'', "''"));
    fit(&mut value, &|key, text| match key {
        "query" | "sql" => Some(text.replace(STREAM, &from).replace(SERVICE, &is)),
        "stream" | "stream_name" => Some(stream.to_owned()),
        _ => None,
    });
    Ok(value)
}

fn fit(value: &mut Value, replace: &impl Fn(&str, &str) -> Option<String>) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| fit(item, replace)),
        Value::Object(fields) => {
            for (key, field) in fields {
                match field.as_str().and_then(|text| replace(key, text)) {
                    Some(text) => *field = text.into(),
                    None => fit(field, replace),
                }
            }
        }
        _ => {}
    }
}

/// Several services of one organisation have a dashboard and alerts each.
fn name_after(value: &mut Value, key: &str, service: &str, named: impl Fn(&str, &str) -> String) {
    if service != OUR_SERVICE {
        value[key] = named(text(value, key), service).into();
    }
}

/// A service's name in the form that an alert's name may hold: without `: # ? & % / ' "` and blanks. All other
/// characters stay, so that `a-b` and `a_b` do not share an alert.
fn plain(service: &str) -> String {
    let is_refused = |c: char| c.is_whitespace() || c.is_control() || ":#?&%/'\"".contains(c);
    service.chars().map(|c| if is_refused(c) { '_' } else { c }).collect()
}

/// Writes a checksum of the rest into the description: it shows later whether ours has changed, whatever the server or
/// people made of the installed one.
fn sign(value: &mut Value) {
    let digest = Sha256::digest(value.to_string());
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    let description = text(value, "description");
    value["description"] =
        format!("{description} Installed by voiced, revision {}.", &digest[..REVISION_CHARS]).into();
}

#[cfg(test)]
mod tests;
