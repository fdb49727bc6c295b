//! For tests: the reading of a body that was recorded, without the library and a socket.

use std::collections::BTreeMap;
use std::time::SystemTime;

use outbound::retry_after::retry_after;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::Exchange;
use super::chunk::Chunk;
use super::error_body::explain;
use super::guard::{Next, Reader};
use super::refusal::Refusal;
use crate::llm::error::Fault;

pub(in crate::llm) fn is_refusal(status: u16, content_type: &str) -> bool {
    !(200..300).contains(&status) || super::refusal::is_page(content_type)
}

pub(in crate::llm) fn refusal(status: u16, headers: &BTreeMap<String, String>, body: &[u8]) -> Fault {
    let header = |(name, value): (&String, &String)| {
        (name.parse::<HeaderName>().unwrap(), HeaderValue::from_str(value).unwrap())
    };
    let headers: HeaderMap = headers.iter().map(header).collect();
    let retry_after = retry_after(&headers, SystemTime::now());
    Refusal { status, said: explain(body), redirect: None, retry_after }.fault()
}

/// Gives each chunk to `take`, until that reports an error. Returns whether the end was announced, and the content
/// that was no event.
pub(in crate::llm) fn read<'a>(
    pieces: impl IntoIterator<Item = &'a [u8]>,
    mut take: impl FnMut(Chunk) -> Option<Fault>,
) -> Result<(bool, Option<String>), Fault> {
    let (mut reader, exchange) = (Reader::default(), Exchange::default());
    for piece in pieces.into_iter().map(Some).chain([None]) {
        match piece {
            Some(piece) => reader.feed(piece),
            None => reader.finish(&exchange)?,
        }
        while let Some(next) = reader.next(&exchange)? {
            let Next::Object(object) = next else { return Ok((true, None)) };
            if let Some(fault) = take(Chunk::decode(&object)?) {
                return Err(fault);
            }
        }
    }
    Ok((false, reader.stray().map(str::to_owned)))
}
