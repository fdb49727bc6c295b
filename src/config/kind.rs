//! The values that a key may have: reads a raw value into the form that `Config` is made of, or tells the expected
//! form.

use std::net::SocketAddr;
use std::path::Path;

use figment::value::{Empty, Value};
use redaction::pattern::{self, Pattern};
use url::Url;

use super::{ProxyUrl, TraceUrl, duration, hint};
use crate::telemetry::endpoint;

/// The word for "none".
pub(super) const OFF: &str = "off";
/// The resource attribute that has a key of its own.
pub(super) const SERVICE_NAME: &str = "service.name";

/// The type of a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Text,
    /// Text that is not empty.
    Name,
    /// Never shown; empty is unset.
    Secret,
    Url {
        schemes: &'static [&'static str],
    },
    /// The URL that traces are posted to; empty is nowhere.
    Endpoint,
    /// The URL that another signal is posted to, as it is; empty is unset.
    WholeEndpoint,
    /// OTLP headers. Their values are secrets.
    Headers,
    /// Resource attributes.
    Attributes,
    Duration {
        zero: bool,
    },
    Integer {
        min: i64,
        max: i64,
    },
    Number {
        min: f64,
        max: f64,
    },
    Boolean,
    Choice {
        of: &'static [&'static str],
        /// Choices that later versions know.
        later: &'static [&'static str],
    },
    /// Any of these, each once.
    Set {
        of: &'static [&'static str],
    },
    /// Regular expressions, each compiled once to see that it can be.
    Patterns,
    /// An address and port, or "off".
    Listen,
    /// The path of a file, or "off".
    Path,
    /// A URL with places for the ids of a trace; empty is none.
    TraceUrl,
    /// An HTTP proxy, or "off". It may hold a password.
    Proxy,
}

/// A value as the operator wrote it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Raw {
    /// A value from a place that knows text only: the environment, a flag, a file. Its key decides the type.
    Untyped(String),
    /// The whole URL of the traces, to which nothing is appended.
    TracesUrl(String),
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Array(Vec<Raw>),
    /// A TOML type that no key has, by its name.
    Other(&'static str),
}

/// The reason why a value is refused: more than "expected this, found that", where there is more to say.
pub(super) type Reason = Option<String>;

// === impl Kind ===

impl Kind {
    pub(super) fn is_secret(self) -> bool {
        matches!(self, Self::Secret | Self::Headers)
    }

    /// Reads `raw` into what `Config` deserialises from. The canonical form is the same whichever way it was written.
    pub(super) fn read(self, raw: &Raw) -> Result<Value, Reason> {
        match self {
            Self::Text => Ok(raw.text()?.into()),
            Self::Name => name(raw.text()?),
            Self::Secret => Ok(secret(raw.text()?)),
            Self::Url { schemes } => url(raw.text()?, schemes).map(Value::from),
            Self::Endpoint => endpoint(raw).map(Value::from).map_err(Some),
            Self::WholeEndpoint => whole_endpoint(raw.text()?),
            Self::Headers => headers(raw.text()?),
            Self::Attributes => attributes_text(raw.text()?),
            Self::Duration { zero } => duration_text(raw.text()?, zero),
            Self::Integer { min, max } => integer(raw, min, max),
            Self::Number { min, max } => number(raw, min, max),
            Self::Boolean => boolean(raw),
            Self::Choice { of, later } => choice(raw.text()?, of, later),
            Self::Set { of } => set(raw, of),
            Self::Patterns => patterns(raw),
            Self::Listen => listen_text(raw.text()?),
            Self::Path => name(raw.text()?),
            Self::TraceUrl => trace_url(raw.text()?),
            Self::Proxy => proxy(raw.text()?),
        }
    }

    /// The first item of a list that is wrong by itself. None: the fault is elsewhere.
    pub(super) fn wrong_item(self, raw: &Raw) -> Option<usize> {
        let (Self::Set { .. } | Self::Patterns, Raw::Array(items)) = (self, raw) else { return None };
        items.iter().position(|item| self.read(&Raw::Array(vec![item.clone()])).is_err())
    }

    /// A relative path starts from `base`; every other value stays as it is.
    pub(super) fn placed(self, value: Value, base: &Path) -> Value {
        match (self, value.as_str()) {
            (Self::Path, Some(path)) if path != OFF => base.join(path).to_string_lossy().into_owned().into(),
            _ => value,
        }
    }

    /// The expected form, to stand behind "expected".
    pub(super) fn expected(self) -> String {
        match self {
            Self::Text | Self::Secret => "a string".to_owned(),
            Self::Name => "a string that is not empty".to_owned(),
            Self::Url { schemes } => {
                let schemes: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
                format!("a URL that begins with {}", either(&schemes))
            }
            Self::Endpoint => "a URL like \"http://127.0.0.1:4318\", or \"\" for no export".to_owned(),
            Self::WholeEndpoint => "a URL like \"http://127.0.0.1:4318/v1/metrics\"".to_owned(),
            Self::Headers => "headers like \"name=value,name=value\"".to_owned(),
            Self::Attributes => "attributes like \"name=value,name=value\"".to_owned(),
            Self::Duration { .. } => "a duration like \"250ms\", \"5s\" or \"1h\"".to_owned(),
            Self::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Self::Number { min, max } => format!("a number from {min} to {max}"),
            Self::Boolean => "true or false".to_owned(),
            Self::Choice { of, .. } => either(&quoted(of)),
            Self::Set { of } => format!("a list of {}", either(&quoted(of))),
            Self::Patterns => "a list of regular expressions like ['C-[0-9]{6}']".to_owned(),
            Self::Listen => "an address and port like \"127.0.0.1:8081\", or \"off\"".to_owned(),
            Self::Path => "the path of a file, or \"off\"".to_owned(),
            Self::TraceUrl => "a URL like \"https://traces.example.com/trace/{trace_id}\"".to_owned(),
            Self::Proxy => "a proxy like \"http://proxy.example.com:3128\", or \"off\"".to_owned(),
        }
    }
}

fn quoted(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| format!("\"{name}\"")).collect()
}

/// "a", "a or b", "a, b or c".
pub(super) fn either(names: &[String]) -> String {
    match names {
        [others @ .., last] if !others.is_empty() => format!("{} or {last}", others.join(", ")),
        _ => names.concat(),
    }
}

// === the kinds ===

fn name(text: &str) -> Result<Value, Reason> {
    if text.trim().is_empty() { Err(None) } else { Ok(text.into()) }
}

/// White space around a key comes with copying and from files that end in a newline; no key has any.
fn secret(text: &str) -> Value {
    match text.trim() {
        "" => Empty::None.into(),
        text => text.into(),
    }
}

/// A base URL, without a slash at its end. None of its parts may be secret, since URLs are shown and logged.
fn url(text: &str, schemes: &[&str]) -> Result<String, Reason> {
    let text = text.trim();
    // `localhost:7880` parses as a URL of the scheme `localhost`, so the scheme is looked at first.
    match text.split_once("://") {
        Some((scheme, _)) if schemes.contains(&scheme.to_ascii_lowercase().as_str()) => (),
        _ => return Err(None),
    }
    let url = Url::parse(text).map_err(|error| Some(error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Some("a user or password in it would be shown in logs".to_owned()));
    }
    if outbound::has_place(&url) {
        return Err(Some(endpoint::EndpointError::Place.to_string()));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Some("a base URL ends before any `?` or `#`".to_owned()));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn endpoint(raw: &Raw) -> Result<String, String> {
    let (text, whole) = match raw {
        Raw::TracesUrl(text) => (text.as_str(), true),
        other => (other.text().map_err(|_| "it is no string".to_owned())?, false),
    };
    if text.trim().is_empty() {
        return Ok(String::new());
    }
    endpoint::traces_url(text, whole).map(String::from).map_err(|error| error.to_string())
}

fn whole_endpoint(text: &str) -> Result<Value, Reason> {
    match text.trim() {
        "" => Ok(Empty::None.into()),
        text => endpoint::traces_url(text, true)
            .map(|url| String::from(url).into())
            .map_err(|error| Some(error.to_string())),
    }
}

fn headers(text: &str) -> Result<Value, Reason> {
    endpoint::parse_headers(text).map_err(|error| Some(error.to_string()))?;
    Ok(text.trim().into())
}

fn attributes_text(text: &str) -> Result<Value, Reason> {
    match attributes(text) {
        Ok(list) if list.iter().any(|(name, _)| name == SERVICE_NAME) => {
            Err(Some("service.name has a key of its own, telemetry.service_name".to_owned()))
        }
        Ok(_) => Ok(text.trim().into()),
        Err(reason) => Err(Some(reason)),
    }
}

/// `OTEL_RESOURCE_ATTRIBUTES`' notation: `key=value` pairs between commas, percent-encoded.
pub(super) fn attributes(text: &str) -> Result<Vec<(String, String)>, String> {
    let decode = |part: &str| {
        let bytes = endpoint::percent_decode(part.trim());
        bytes.and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(|| {
            format!("`{part}` holds a `%` that begins no percent-encoding; a literal `%` is written %25")
        })
    };
    let mut attributes = Vec::new();
    for item in text.split(',').map(str::trim).filter(|item| !item.is_empty()) {
        let (name, value) = item.split_once('=').ok_or_else(|| format!("`{item}` has no `=`"))?;
        if name.trim().is_empty() {
            return Err(format!("`{item}` has no name before its `=`"));
        }
        attributes.push((decode(name)?, decode(value)?));
    }
    Ok(attributes)
}

fn duration_text(text: &str, zero: bool) -> Result<Value, Reason> {
    let duration = duration::parse(text).map_err(Some)?;
    if duration.is_zero() && !zero {
        return Err(Some("it must be longer than zero".to_owned()));
    }
    Ok(text.trim().into())
}

fn integer(raw: &Raw, min: i64, max: i64) -> Result<Value, Reason> {
    let number = match raw {
        Raw::Integer(number) => *number,
        Raw::Untyped(text) => text.trim().parse().map_err(|_| None)?,
        _ => return Err(None),
    };
    if (min..=max).contains(&number) { Ok(number.into()) } else { Err(None) }
}

fn number(raw: &Raw, min: f64, max: f64) -> Result<Value, Reason> {
    let number = match raw {
        Raw::Integer(number) => *number as f64,
        Raw::Float(number) => *number,
        Raw::Untyped(text) => text.trim().parse().map_err(|_| None)?,
        _ => return Err(None),
    };
    if (min..=max).contains(&number) { Ok(number.into()) } else { Err(None) }
}

fn boolean(raw: &Raw) -> Result<Value, Reason> {
    match raw {
        Raw::Boolean(value) => Ok((*value).into()),
        Raw::Untyped(text) => text.trim().parse::<bool>().map(Value::from).map_err(|_| None),
        _ => Err(None),
    }
}

fn choice(text: &str, of: &[&str], later: &[&str]) -> Result<Value, Reason> {
    let text = text.trim();
    if of.contains(&text) {
        return Ok(text.into());
    }
    if later.contains(&text) {
        return Err(Some(format!("\"{text}\" is not available in this version")));
    }
    Err(hint::nearest(text, of.iter().copied()).map(|near| format!("did you mean \"{near}\"?")))
}

/// A list, or names between commas where there is only text.
fn set(raw: &Raw, of: &[&str]) -> Result<Value, Reason> {
    let names: Vec<&str> = match raw {
        Raw::Array(items) => items.iter().map(Raw::text).collect::<Result<_, _>>()?,
        Raw::Untyped(text) => text.split(',').map(str::trim).filter(|name| !name.is_empty()).collect(),
        _ => return Err(None),
    };
    let mut set: Vec<&str> = Vec::new();
    for name in names {
        if !of.contains(&name) {
            let near = hint::nearest(name, of.iter().copied());
            let near = near.map_or(String::new(), |near| format!("; did you mean \"{near}\"?"));
            return Err(Some(format!("\"{name}\" is none of them{near}")));
        }
        if !set.contains(&name) {
            set.push(name);
        }
    }
    Ok(set.into())
}

/// A list. Where there is only text, a list in JSON, or one pattern: a comma may be part of it.
fn patterns(raw: &Raw) -> Result<Value, Reason> {
    let texts: Vec<String> = match raw {
        Raw::Array(items) => {
            items.iter().map(|item| item.text().map(str::to_owned)).collect::<Result<_, _>>()?
        }
        Raw::Untyped(text) if text.trim().is_empty() => Vec::new(),
        Raw::Untyped(text) => serde_json::from_str(text).unwrap_or_else(|_| vec![text.clone()]),
        _ => return Err(None),
    };
    if texts.len() > pattern::MOST {
        return Err(Some(format!("there are {}; at most {} are allowed", texts.len(), pattern::MOST)));
    }
    for (index, text) in texts.iter().enumerate() {
        let refused = |error| Some(format!("pattern {}, {}: {error}", index + 1, shortened(text)));
        Pattern::new(text).map_err(refused)?;
    }
    Ok(texts.into())
}

fn trace_url(text: &str) -> Result<Value, Reason> {
    match text.trim() {
        "" => Ok("".into()),
        text => TraceUrl::parse(text).map(|_| text.into()).map_err(|error| Some(error.to_string())),
    }
}

fn proxy(text: &str) -> Result<Value, Reason> {
    match text.trim() {
        "" | OFF => Ok(OFF.into()),
        text => ProxyUrl::parse(text).map(|proxy| proxy.expose().as_str().into()).map_err(Some),
    }
}

fn listen_text(text: &str) -> Result<Value, Reason> {
    listen(text).map(|_| text.trim().into())
}

/// None: no listener.
pub(super) fn listen(text: &str) -> Result<Option<SocketAddr>, Reason> {
    match text.trim() {
        OFF => Ok(None),
        text => text.parse().map(Some).map_err(|_| {
            let port = text.strip_prefix("localhost")?;
            Some(format!("write 127.0.0.1{port}, names are not looked up"))
        }),
    }
}

// === impl Raw ===

impl Raw {
    fn text(&self) -> Result<&str, Reason> {
        match self {
            Self::Untyped(text) | Self::TracesUrl(text) | Self::String(text) => Ok(text),
            _ => Err(None),
        }
    }

    /// The value for an error message, shortened. `secret`: its type only.
    pub(super) fn found(&self, secret: bool) -> String {
        match self {
            Self::Untyped(_) | Self::TracesUrl(_) | Self::String(_) if secret => {
                "text that is not shown here".to_owned()
            }
            // The text before an @ in a URL is a password.
            Self::Untyped(text) | Self::TracesUrl(text) | Self::String(text) if text.contains('@') => {
                "text that is not shown here".to_owned()
            }
            Self::Untyped(text) | Self::TracesUrl(text) | Self::String(text) => shortened(text),
            _ if secret => format!("a value of type {}", self.type_name()),
            Self::Integer(number) => number.to_string(),
            Self::Float(number) => number.to_string(),
            Self::Boolean(value) => value.to_string(),
            Self::Array(_) | Self::Other(_) => format!("a value of type {}", self.type_name()),
        }
    }

    fn type_name(&self) -> &'static str {
        match self {
            Self::Untyped(_) | Self::TracesUrl(_) | Self::String(_) => "string",
            Self::Integer(_) => "integer",
            Self::Float(_) => "float",
            Self::Boolean(_) => "boolean",
            Self::Array(_) => "array",
            Self::Other(name) => name,
        }
    }
}

pub(super) fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
