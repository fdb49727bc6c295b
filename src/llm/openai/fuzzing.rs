//! Fuzzing: a provider's stream in pieces of any size, and its refusals.

use super::Exchange;
use super::chunk::Chunk;
use super::error_body;
use super::guard::{Next, Reader};
use crate::fuzzing::{choice, text};
use crate::llm::thinking::Thinking;

/// The first byte is the size of the pieces in which the body comes.
pub(crate) fn stream(mut bytes: &[u8]) {
    let size = usize::from(choice(&mut bytes).unwrap_or_default()) + 1;
    let exchange = Exchange::default();
    let (mut reader, mut thinking) = (Reader::default(), Thinking::default());
    for piece in bytes.chunks(size) {
        reader.feed(piece);
        if !take(&mut reader, &mut thinking, &exchange) {
            return;
        }
    }
    if reader.finish(&exchange).is_ok() {
        take(&mut reader, &mut thinking, &exchange);
    }
    thinking.finish();
}

/// Reads the bytes that were fed; false when the stream is over.
fn take(reader: &mut Reader, thinking: &mut Thinking, exchange: &Exchange) -> bool {
    loop {
        match reader.next(exchange) {
            Ok(Some(Next::Object(object))) => {
                assert!(!object.contains(['\n', '\r']), "what the library gets is on one line");
                let chunk = Chunk::decode(&object).expect("what the library gets is an object");
                thinking.read(&chunk.text);
            }
            Ok(Some(Next::Done)) | Err(_) => return false,
            Ok(None) => return true,
        }
    }
}

pub(crate) fn refusal(bytes: &[u8]) {
    if let Some(said) = error_body::explain(bytes) {
        let _ = said.fault().to_string();
    }
    let messages = [conversation::Message::new(conversation::Role::User, "what is tracing?")];
    let shown = crate::llm::excerpt::safe(&text(bytes), &messages, None, |line| Some(line.to_owned()));
    assert!(shown.is_none_or(|shown| !shown.contains("what is tracing?")), "nobody is quoted");
}
