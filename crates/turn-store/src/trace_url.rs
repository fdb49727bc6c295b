//! The template of the links to traces.

use std::fmt::Write;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};
use serde::Deserialize;
use thiserror::Error;

/// The names that may stand between braces.
const PLACES: [&str; 4] = ["trace_id", "start_us", "end_us", "session_id"];
/// How far around a turn a link looks, in microseconds: clocks differ, and backends round.
const MARGIN_US: i64 = 60_000_000;
const ENCODED: AsciiSet = NON_ALPHANUMERIC.remove(b'*').remove(b'-').remove(b'.').remove(b'_');

/// A URL with places, as text and places in turn.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TraceUrl {
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Place(&'static str),
}

/// The target of a link.
#[derive(Clone, Copy, Debug)]
pub struct Linked<'a> {
    pub trace_id: &'a str,
    pub session_id: &'a str,
    pub started_us: i64,
    pub ended_us: i64,
}

/// The fault of a text.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TraceUrlError {
    #[error("it must begin with https:// or http:// and hold no blanks")]
    NoWebAddress,
    #[error("a `{{` has no `}}`")]
    Unclosed,
    #[error("`{{{0}}}` is no place; there are {{{places}}}", places = PLACES.join("}, {"))]
    UnknownPlace(String),
    #[error("it has no {{trace_id}}, so that all links would lead to one page")]
    NoTraceId,
}

impl TraceUrl {
    /// The error tells the fault of the text.
    pub fn parse(text: &str) -> Result<Self, TraceUrlError> {
        let is_web = ["https://", "http://"].iter().any(|scheme| text.starts_with(scheme));
        if !is_web || text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return Err(TraceUrlError::NoWebAddress);
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            let (name, after) = behind.split_once('}').ok_or(TraceUrlError::Unclosed)?;
            let place = PLACES.iter().find(|place| **place == name);
            let place = place.ok_or_else(|| TraceUrlError::UnknownPlace(name.to_owned()))?;
            parts.extend([Part::Text(before.to_owned()), Part::Place(place)]);
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        if !parts.contains(&Part::Place("trace_id")) {
            return Err(TraceUrlError::NoTraceId);
        }
        Ok(Self { parts })
    }

    /// The link, with percent-encoded values in its places.
    pub fn link(&self, to: Linked<'_>) -> String {
        let mut url = String::new();
        for part in &self.parts {
            // Writing into a String cannot fail.
            let _ = match part {
                Part::Text(text) => write!(url, "{text}"),
                Part::Place("trace_id") => write!(url, "{}", encoded(to.trace_id)),
                Part::Place("session_id") => write!(url, "{}", encoded(to.session_id)),
                Part::Place("start_us") => write!(url, "{}", to.started_us.saturating_sub(MARGIN_US)),
                Part::Place(_) => write!(url, "{}", to.ended_us.saturating_add(MARGIN_US)),
            };
        }
        url
    }
}

impl TryFrom<String> for TraceUrl {
    type Error = TraceUrlError;

    fn try_from(text: String) -> Result<Self, TraceUrlError> {
        Self::parse(&text)
    }
}

fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, &ENCODED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_filled_in_and_encoded() {
        let url = "https://o2.test/web/traces/trace-details?trace_id={trace_id}&from={start_us}&to={end_us}#{session_id}";
        let to = Linked {
            trace_id: "4bf9",
            session_id: "RM_1&x=<y> z",
            started_us: 100_000_000,
            ended_us: 200_000_000,
        };
        assert_eq!(
            TraceUrl::parse(url).unwrap().link(to),
            "https://o2.test/web/traces/trace-details?trace_id=4bf9&from=40000000&to=260000000#RM_1%26x%3D%3Cy%3E%20z"
        );
    }

    #[test]
    fn what_leads_nowhere_is_refused_with_the_reason() {
        for (text, reason) in [
            ("javascript:alert({trace_id})", "begin with https://"),
            ("https://x/ {trace_id}", "no blanks"),
            ("https://x/{trace}", "`{trace}` is no place"),
            ("https://x/{trace_id", "no `}`"),
            ("https://x/", "no {trace_id}"),
        ] {
            let error = TraceUrl::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
