//! One answer as bytes and pauses.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use futures::stream;
use serde_json::{Value, json};

use crate::listener::ConnectionHandle;
use crate::record::Open;
use crate::script::{Ending, Reply, Step, Usage};
use crate::talk;

/// A reset discards the data that the client has not read yet, so the earlier data gets this long to be read.
const BEFORE_BREAKING: Duration = Duration::from_millis(100);

/// The answer to a request, chosen but not yet sent.
pub(crate) struct Answer {
    pub(crate) step: Step,
    pub(crate) wants_stream: bool,
    id: String,
    model: String,
    pieces: Vec<String>,
    usage: Option<Value>,
    wants_usage: bool,
}

/// The pauses between the writes of a body.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pauses {
    /// Before each of them.
    pub(crate) each: Duration,
    /// One more, behind so many of them.
    pub(crate) stall: Option<(usize, Duration)>,
}

/// The rest of a streamed body.
struct Rest {
    writes: VecDeque<Bytes>,
    written: usize,
    pauses: Pauses,
    ending: Ending,
    connection: ConnectionHandle,
    open: Open,
}

// === impl Answer ===

impl Answer {
    pub(crate) fn new(step: Step, request: &Value, number: usize) -> Self {
        let messages = request["messages"].as_array().map(Vec::as_slice).unwrap_or_default();
        let pieces = pieces(&step.reply, messages);
        Self {
            id: format!("chatcmpl-scripted-{number}"),
            model: step
                .model
                .clone()
                .unwrap_or_else(|| request["model"].as_str().unwrap_or_default().to_owned()),
            usage: usage(&step.usage, messages, &pieces),
            wants_stream: request["stream"] == true,
            wants_usage: request["stream_options"]["include_usage"] == true,
            pieces,
            step,
        }
    }

    /// The whole completion as one JSON object.
    pub(crate) fn whole(&self) -> Value {
        let message = json!({"role": "assistant", "content": self.pieces.concat()});
        let choice = json!({"index": 0, "message": message, "finish_reason": self.step.finish_reason});
        let mut whole = json!({"id": self.id, "object": "chat.completion", "created": 0, "model": self.model,
            "choices": [choice]});
        if let Some(usage) = &self.usage {
            whole["usage"] = usage.clone();
        }
        whole
    }

    /// The completion as server-sent events, ending as the step says.
    pub(crate) fn streamed(self, connection: ConnectionHandle, open: Open) -> Body {
        let writes = self.writes();
        let each = Duration::from_millis(self.step.pause_ms);
        body(writes, Pauses { each, ..Pauses::default() }, self.step.ending, connection, open)
    }

    /// The writes before the ending.
    fn writes(&self) -> VecDeque<Bytes> {
        if let Some(body) = &self.step.body {
            return pieces_of(body, self.step.split_bytes);
        }
        let events = self.events();
        if self.step.split_bytes == 0 {
            return events.into_iter().map(Bytes::from).collect();
        }
        pieces_of(&events.concat().into_bytes(), self.step.split_bytes)
    }

    fn events(&self) -> Vec<String> {
        let mut events = vec![self.event(json!({"role": "assistant", "content": ""}), None)];
        let said = self.step.after.unwrap_or(usize::MAX);
        let pieces = self.pieces.iter().take(said);
        events.extend(pieces.map(|piece| self.event(json!({"content": piece}), None)));
        match self.step.ending {
            Ending::Finish => events.extend(self.finish()),
            Ending::CloseFinished => events.extend(self.finish().drain(..1)),
            Ending::Malformed => {
                events.push("data: {\"choices\": [{\"delta\": {\"content\": \"oops\n\n".to_owned())
            }
            Ending::Error => events.push(format!("data: {}\n\n", error_object(&self.step))),
            _ => {}
        }
        events
    }

    fn finish(&self) -> Vec<String> {
        let mut events = vec![self.event(json!({}), Some(&self.step.finish_reason))];
        if let Some(usage) = self.usage.as_ref().filter(|_| self.wants_usage) {
            let mut chunk = self.chunk();
            chunk["choices"] = json!([]);
            chunk["usage"] = usage.clone();
            events.push(format!("data: {chunk}\n\n"));
        }
        events.push("data: [DONE]\n\n".to_owned());
        events
    }

    fn event(&self, delta: Value, finish_reason: Option<&str>) -> String {
        let mut chunk = self.chunk();
        chunk["choices"] = json!([{"index": 0, "delta": delta, "finish_reason": finish_reason}]);
        format!("data: {chunk}\n\n")
    }

    fn chunk(&self) -> Value {
        json!({"id": self.id, "object": "chat.completion.chunk", "created": 0, "model": self.model})
    }
}

/// A body of these writes with these pauses and this end.
pub(crate) fn body(
    writes: VecDeque<Bytes>,
    pauses: Pauses,
    ending: Ending,
    connection: ConnectionHandle,
    open: Open,
) -> Body {
    let rest = Rest { writes, written: 0, pauses, ending, connection, open };
    Body::from_stream(stream::unfold(Some(rest), |rest| async { rest?.next().await }))
}

/// The bytes in pieces of this size; 0: in one.
pub(crate) fn pieces_of(bytes: &[u8], size: usize) -> VecDeque<Bytes> {
    let size = if size == 0 { bytes.len().max(1) } else { size };
    bytes.chunks(size).map(Bytes::copy_from_slice).collect()
}

/// `{"error": …}` as OpenAI writes it.
pub(crate) fn error_object(step: &Step) -> Value {
    let kind = if step.status < 500 { "invalid_request_error" } else { "server_error" };
    let kind = if step.status == 200 { "server_error" } else { kind };
    json!({"error": {"message": step.error_message, "type": kind, "param": null, "code": step.error_code}})
}

fn pieces(reply: &Reply, messages: &[Value]) -> Vec<String> {
    match reply {
        Reply::Demo => words(&talk::demo(messages)),
        Reply::Echo => words(&format!("You said: {}", talk::last_user_text(messages))),
        Reply::Text(text) => words(text),
        Reply::Bytes(count) => filler(*count),
    }
}

/// The words of a text, each with the blank before it.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut blank = true;
    for letter in text.chars() {
        if words.is_empty() || (letter.is_whitespace() && !blank) {
            words.push(String::new());
        }
        blank = letter.is_whitespace();
        if let Some(word) = words.last_mut() {
            word.push(letter);
        }
    }
    words
}

fn filler(mut count: usize) -> Vec<String> {
    let line = "All work and no play makes a long reply. ".repeat(26);
    let mut pieces = Vec::new();
    while count > 0 {
        let size = count.min(1024);
        pieces.push(line[..size].to_owned());
        count -= size;
    }
    pieces
}

fn usage(usage: &Usage, messages: &[Value], pieces: &[String]) -> Option<Value> {
    let (input, output, cached) = match *usage {
        Usage::None => return None,
        Usage::Counted => (prompt_words(messages), pieces.len() as u64, None),
        Usage::Exact { input, output, cached } => (input, output, cached),
    };
    let mut counts =
        json!({"prompt_tokens": input, "completion_tokens": output, "total_tokens": input + output});
    if let Some(cached) = cached {
        counts["prompt_tokens_details"] = json!({"cached_tokens": cached});
    }
    Some(counts)
}

fn prompt_words(messages: &[Value]) -> u64 {
    let words = |message: &Value| talk::text_of(&message["content"]).split_whitespace().count();
    messages.iter().map(words).sum::<usize>() as u64
}

// === impl Rest ===

impl Rest {
    async fn next(mut self) -> Option<(io::Result<Bytes>, Option<Self>)> {
        match self.writes.pop_front() {
            Some(bytes) => {
                self.wait().await;
                self.written += 1;
                self.open.wrote();
                Some((Ok(bytes), Some(self)))
            }
            None => self.end().await,
        }
    }

    async fn wait(&self) {
        let stall = self.pauses.stall.filter(|(after, _)| *after == self.written);
        let pause = self.pauses.each + stall.map_or(Duration::ZERO, |(_, stall)| stall);
        if pause.is_zero() {
            // The server must get a chance to write, otherwise it joins writes that have to stay apart.
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(pause).await;
        }
    }

    async fn end(self) -> Option<(io::Result<Bytes>, Option<Self>)> {
        match self.ending {
            Ending::Stall | Ending::Hang => std::future::pending().await,
            Ending::Finish | Ending::Malformed | Ending::Error | Ending::Truncate => {
                self.open.answered();
                return None;
            }
            Ending::Reset | Ending::Drop | Ending::Close | Ending::CloseFinished => {
                tokio::time::sleep(BEFORE_BREAKING).await;
            }
        }
        if matches!(self.ending, Ending::Reset | Ending::Drop) {
            self.connection.reset();
        }
        self.open.answered();
        Some((Err(io::ErrorKind::ConnectionReset.into()), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_every_character() {
        let text = "  Grüße,\n two  blanks 👋 ";
        assert_eq!(words(text).concat(), text);
        assert_eq!(words("one two three").len(), 3);
        assert!(words("").is_empty());
    }

    #[test]
    fn filler_has_the_size_asked_for() {
        assert_eq!(filler(1_000_000).concat().len(), 1_000_000);
    }
}
