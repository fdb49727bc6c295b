//! Fuzzing: a receiver's answers, a caller's `traceparent`, and a journal of the spool.

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};

pub(crate) use super::spool::fuzzing::journal;
use super::traceparent::TraceParent;
use super::{otlp_http, otlp_post};
use crate::fuzzing::{choice, text};

pub(crate) fn traceparent(bytes: &[u8]) {
    let parent = TraceParent::parse(&text(bytes));
    assert!(parent.is_none_or(|parent| parent.trace_id != 0 && parent.span_id != 0));
}

/// Two bytes of status, a line of Content-Type, a line of Location, and the body.
pub(crate) fn answer(mut bytes: &[u8]) {
    let high = u16::from(choice(&mut bytes).unwrap_or_default());
    let low = u16::from(choice(&mut bytes).unwrap_or_default());
    let Ok(status) = StatusCode::from_u16(high << 8 | low) else { return };
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let names = [CONTENT_TYPE, LOCATION];
    let given =
        names.into_iter().filter_map(|name| Some((name, HeaderValue::from_bytes(lines.next()?).ok()?)));
    let headers: HeaderMap = given.collect();
    let body = lines.next().unwrap_or_default().to_vec();
    otlp_post::read_answer(&otlp_http::Reply { status, headers, body });
}
