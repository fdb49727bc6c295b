//! Fuzzing: a receiver's answers, and a journal of the spool.

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};

pub use crate::spool::fuzzing::journal;
use crate::{http, post};

/// Two bytes of status, a line of Content-Type, a line of Location, and the body.
pub fn answer(bytes: &[u8]) {
    let (status, bytes) = bytes.split_at(bytes.len().min(2));
    let status = status.iter().fold(0, |status, byte| status << 8 | u16::from(*byte));
    let Ok(status) = StatusCode::from_u16(status) else { return };
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let names = [CONTENT_TYPE, LOCATION];
    let given =
        names.into_iter().filter_map(|name| Some((name, HeaderValue::from_bytes(lines.next()?).ok()?)));
    let headers: HeaderMap = given.collect();
    let body = lines.next().unwrap_or_default().to_vec();
    post::read_answer(&http::Reply { status, headers, body });
}
