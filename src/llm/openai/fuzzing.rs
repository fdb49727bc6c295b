//! Fuzzing: a provider's stream in pieces of any size, and its refusals.

use super::chunk::Chunk;
use super::guard::Lines;
use super::refusal;
use crate::fuzzing::{choice, text};

/// The first byte is the size of the pieces in which the body comes.
pub(crate) fn stream(mut bytes: &[u8]) {
    let size = usize::from(choice(&mut bytes).unwrap_or_default()) + 1;
    let mut lines = Lines::default();
    for piece in bytes.chunks(size) {
        let Ok(kept) = lines.push(piece) else { return };
        let kept = String::from_utf8(kept).expect("what the library gets is text");
        assert!(kept.is_empty() || kept.ends_with('\n'), "what the library gets is whole lines");
        for data in kept.lines().filter_map(|line| line.strip_prefix("data:")).map(str::trim) {
            if data != "[DONE]" {
                serde_json::from_str::<serde::de::IgnoredAny>(data).expect("what the library gets is JSON");
                let _ = Chunk::decode(data);
            }
        }
    }
}

pub(crate) fn refusal(bytes: &[u8]) {
    if let Some(error) = refusal::explain(bytes) {
        let _ = error.fault().to_string();
    }
    let messages = [crate::chat::Message::new(crate::chat::Role::User, "what is tracing?")];
    let shown = crate::llm::excerpt::safe(&text(bytes), &messages, None, |line| Some(line.to_owned()));
    assert!(shown.is_none_or(|shown| !shown.contains("what is tracing?")), "nobody is quoted");
}
