//! The body of a request: `multipart/form-data` (RFC 7578), which is short enough to be written by hand.

use bytes::Bytes;
use reqwest::header::HeaderValue;

/// A form with its `Content-Type`.
#[derive(Clone)]
pub(super) struct Form {
    pub(super) content_type: HeaderValue,
    pub(super) body: Bytes,
}

/// The fields, and the audio as a file. Servers tell the format by the ending of the file's name.
pub(super) fn form(fields: &[(&str, &str)], samples: &[i16], rate: u32) -> Form {
    let boundary = format!("utterance-{:032x}", fastrand::u128(..));
    let mut body = Vec::with_capacity(samples.len() * 2 + 1024);
    for (name, value) in fields {
        part(&mut body, &boundary, &format!("name=\"{name}\""));
        body.extend_from_slice(format!("\r\n{value}\r\n").as_bytes());
    }
    part(&mut body, &boundary, "name=\"file\"; filename=\"utterance.wav\"");
    body.extend_from_slice(b"Content-Type: audio/wav\r\n\r\n");
    body.extend_from_slice(&wav::encode(samples, rate));
    body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    let content_type = format!("multipart/form-data; boundary={boundary}");
    // Digits and letters make a header.
    let content_type =
        HeaderValue::try_from(content_type).unwrap_or(HeaderValue::from_static("multipart/form-data"));
    Form { content_type, body: body.into() }
}

fn part(body: &mut Vec<u8>, boundary: &str, disposition: &str) {
    body.extend_from_slice(
        format!("--{boundary}\r\nContent-Disposition: form-data; {disposition}\r\n").as_bytes(),
    );
}
