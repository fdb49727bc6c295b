//! One chunk of a streamed chat completion: OpenAI's `chat.completion.chunk`, and the variants of compatible servers.
//!
//! Only the words, a sign of reasoning, the finish reason, usage and an error matter. No other field can fail a chunk,
//! and those among these that cannot be read are noted by name.

use std::collections::BTreeSet;

use serde_json::value::RawValue;

use super::error_body::{self, Said};
use super::json::{self, Cut, Object};
use crate::llm::error::{Fault, Kind};
use crate::llm::usage::Counts;

/// The depth of parts within parts that servers send at most.
const MAX_DEPTH: usize = 4;

/// A longer name is cut: it goes into spans, records and logs.
const MAX_NAME_CHARS: usize = 128;

/// vLLM's and DeepSeek's name, OpenRouter's and Groq's, and those of others.
const REASONING: [&str; 7] = [
    "reasoning_content",
    "reasoning",
    "reasoning_details",
    "reasoning_text",
    "thinking",
    "thinking_blocks",
    "thought",
];

/// The names of fields with content that could not be read. The names are ours, never the server's.
pub(in crate::llm) type Skipped = BTreeSet<&'static str>;

/// A chunk's addition to the reply.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::llm) struct Chunk {
    /// Words to pass on; may be empty.
    pub(in crate::llm) text: String,
    /// The low half of a surrogate pair before the text, and the high one behind it, where a server cut one in two.
    pub(in crate::llm) halves: (Option<u16>, Option<u16>),
    /// The reply so far or as a whole, where a server sends that beside the addition or in its place.
    pub(in crate::llm) whole: Option<String>,
    /// The choice that the words belong to. None: no choice is in the chunk.
    pub(in crate::llm) choice: Option<u64>,
    /// It has a field of a completion, be it empty.
    pub(in crate::llm) is_completion: bool,
    /// The words came in Cloudflare's own shape, which has no finish reason: `[DONE]` ends it.
    pub(in crate::llm) is_native: bool,
    /// The model thinks aloud, where no participant hears it: no words, but a sign of life.
    pub(in crate::llm) reasoning: bool,
    pub(in crate::llm) finish_reason: Option<String>,
    pub(in crate::llm) counts: Counts,
    pub(in crate::llm) model: Option<String>,
    pub(in crate::llm) id: Option<String>,
    /// The server reports an error, after the words.
    pub(in crate::llm) fault: Option<Fault>,
    /// The server's words about the error.
    pub(in crate::llm) said: Option<Said>,
    pub(in crate::llm) skipped: Skipped,
}

// === impl Chunk ===

impl Chunk {
    pub(super) fn decode(json: &str) -> Result<Self, Fault> {
        // Serde's message would quote the chunk, and with it the conversation.
        let event = Object::read(json).ok_or_else(|| Fault::new(Kind::MalformedStream))?;
        let mut chunk = Self::default();
        chunk.said = error_body::of_event(&event);
        chunk.fault = chunk.said.clone().map(Said::fault);
        chunk.model = chunk.name(&event, "model");
        chunk.id = chunk.name(&event, "id");
        chunk.is_completion = ["choices", "usage", "response"].iter().any(|field| event.has(field));
        chunk.take_usage(&event);
        chunk.take_choices(&event);
        chunk.take_native(&event);
        Ok(chunk)
    }

    /// Whether it has words, or half a letter.
    pub(in crate::llm) fn has_letters(&self) -> bool {
        !self.text.is_empty() || self.halves != (None, None)
    }

    /// Reads a name that is only recorded.
    fn name(&mut self, object: &Object<'_>, field: &'static str) -> Option<String> {
        let value = object.get(field)?;
        let name = object.all(field).find_map(json::words);
        if name.is_none() {
            self.skip(field, value);
        }
        name.filter(|name| !name.is_empty()).map(|name| name.chars().take(MAX_NAME_CHARS).collect())
    }

    fn take_usage(&mut self, holder: &Object<'_>) {
        for usage in holder.all("usage") {
            match json::object(usage) {
                Some(usage) => self.counts.raise(counts(&usage)),
                None => self.skip("usage", usage),
            }
        }
        // Groq's, in the last chunk.
        if let Some(groq) = holder.object("x_groq") {
            self.take_usage(&groq);
        }
    }

    fn take_choices(&mut self, event: &Object<'_>) {
        let choices: Vec<Object<'_>> = event
            .all("choices")
            .flat_map(json::items)
            .filter_map(|choice| {
                let read = json::object(choice);
                if read.is_none() {
                    self.skip("choices", choice);
                }
                read
            })
            .collect();
        let index = |choice: &Object<'_>| choice.count(&["index"]).unwrap_or_default();
        let Some(ours) = choices.iter().map(index).min() else { return };
        self.choice = Some(ours);
        for choice in choices.iter().filter(|choice| index(choice) == ours) {
            self.take_choice(choice);
        }
    }

    fn take_choice(&mut self, choice: &Object<'_>) {
        // DashScope writes the word `null` into each chunk.
        let is_none = |reason: &String| {
            ["null", "none", "0", "undefined"].iter().any(|none| reason.eq_ignore_ascii_case(none))
        };
        let reason = self.name(choice, "finish_reason").filter(|reason| !is_none(reason));
        self.finish_reason = self.finish_reason.take().or(reason);
        self.take_usage(choice);
        self.take_error(choice);
        for delta in choice.all("delta") {
            match json::object(delta) {
                Some(delta) => self.take_delta(&delta),
                None => self.take_content("delta", delta, 0),
            }
        }
        if self.text.is_empty() {
            // The shape of completions from before chat; some servers send it beside the delta, with the same words.
            self.take_first("text", choice);
        }
        if let Some(message) = choice.object("message") {
            self.take_error(&message);
            let mut whole = Self::default();
            whole.take_delta(&message);
            self.whole = Some(whole.text).filter(|text| !text.is_empty());
        }
    }

    fn take_delta(&mut self, delta: &Object<'_>) {
        self.reasoning |= REASONING.iter().flat_map(|name| delta.all(name)).any(|thought| !is_empty(thought));
        self.take_error(delta);
        self.take_first("content", delta);
        self.take_first("refusal", delta);
        // The words of an audio model beside its sound.
        let spoken = delta.object("audio").and_then(|audio| audio.text(&["transcript"]));
        self.text.push_str(&spoken.unwrap_or_default());
    }

    fn take_error(&mut self, holder: &Object<'_>) {
        if let (None, Some(said)) = (&self.fault, error_body::within(holder)) {
            self.fault = Some(said.fault());
        }
    }

    /// Takes the first field of this name that has content: a doubled field is said once.
    fn take_first(&mut self, field: &'static str, holder: &Object<'_>) {
        let read = |chunk: &Self| (chunk.text.len(), chunk.halves, chunk.reasoning);
        let before = read(self);
        for content in holder.all(field) {
            self.take_content(field, content, 0);
            if read(self) != before {
                return;
            }
        }
    }

    /// Takes words as text, as a number, or as parts (Mistral, and other servers that copy the form of OpenAI's
    /// requests).
    fn take_content(&mut self, field: &'static str, content: &RawValue, depth: usize) {
        if let Some(words) = json::cut_words(content) {
            self.say(words);
        } else if depth > MAX_DEPTH {
            self.skip(field, content);
        } else if let Some(part) = json::object(content) {
            self.take_part(field, content, &part, depth);
        } else if content.get().starts_with('[') {
            json::items(content).into_iter().for_each(|part| self.take_content(field, part, depth + 1));
        } else {
            self.skip(field, content);
        }
    }

    fn say(&mut self, words: Cut) {
        if words == Cut::default() {
            return;
        }
        let (head, tail) = &mut self.halves;
        match words.head {
            Some(low) if self.text.is_empty() && tail.is_none() => *head = Some(low),
            low => self.text.extend(joined(tail.take(), low)),
        }
        self.text.push_str(&words.text);
        self.halves.1 = words.tail;
    }

    fn take_part(&mut self, field: &'static str, raw: &RawValue, part: &Object<'_>, depth: usize) {
        let kind = part.text(&["type"]).unwrap_or_default().to_lowercase();
        let thoughts = || REASONING.iter().flat_map(|name| part.all(name)).any(|thought| !is_empty(thought));
        if kind.contains("think") || kind.contains("reason") || thoughts() {
            self.reasoning = true;
            return;
        }
        let places = ["text", "content", "value", "refusal", "output_text", "parts"];
        match places.iter().filter_map(|place| part.get(place)).find(|words| !is_empty(words)) {
            Some(words) => self.take_content(field, words, depth + 1),
            None => self.skip(field, raw),
        }
    }

    /// Cloudflare's own events: `{"response": "words"}`.
    fn take_native(&mut self, event: &Object<'_>) {
        let Some(response) = event.get("response").filter(|_| !event.has("choices")) else { return };
        self.is_native = true;
        self.take_content("response", response, 0);
    }

    /// Notes a field that could not be read, unless it was empty.
    fn skip(&mut self, field: &'static str, value: &RawValue) {
        if !is_empty(value) {
            self.skipped.insert(field);
        }
    }
}

/// The text of two halves of a surrogate pair, if there is any; half of one is replaced.
pub(in crate::llm) fn joined(high: Option<u16>, low: Option<u16>) -> Option<char> {
    let halves: Vec<u16> = high.into_iter().chain(low).collect();
    let joined = char::decode_utf16(halves.iter().copied()).next();
    joined.map(|read| read.unwrap_or(char::REPLACEMENT_CHARACTER))
}

fn is_empty(value: &RawValue) -> bool {
    matches!(value.get(), "{}" | "[]" | "\"\"" | "false")
}

/// OpenAI's names, Anthropic's, and DeepSeek's for the cache.
fn counts(usage: &Object<'_>) -> Counts {
    let details =
        ["prompt_tokens_details", "input_tokens_details"].iter().find_map(|name| usage.object(name));
    let cached = details.and_then(|details| details.count(&["cached_tokens"]));
    Counts {
        input: usage.count(&["prompt_tokens", "input_tokens"]),
        output: usage.count(&["completion_tokens", "output_tokens"]),
        cached_input: cached.or_else(|| usage.count(&["prompt_cache_hit_tokens", "cached_tokens"])),
    }
}

#[cfg(test)]
mod tests;
