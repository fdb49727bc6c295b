//! Server-sent events as defined by the WHATWG (HTML Standard, section 9.2.6), and the variants that servers send.
//!
//! Lines end with LF, CR or CRLF; one leading byte order mark is skipped; bytes that are not UTF-8 become U+FFFD; an
//! event without a blank line behind it is reported as such. Beyond the specification, two things that real servers
//! send are not ignored: a field `error` (llama.cpp), and JSON without `data:` in front, on a line or as the whole
//! body.

use std::ops::Range;

use serde::de::IgnoredAny;

/// A token's event has some hundred bytes. Servers that send a whole reply at once send more.
pub(super) const MAX_EVENT_BYTES: usize = 4 << 20;

/// The most characters kept of a line that is no event, for a report.
const MAX_STRAY_CHARS: usize = 1 << 10;

const BYTE_ORDER_MARK: char = '\u{feff}';

/// Cuts a body into events. Feed it with bytes, then take events until there is none.
#[derive(Debug, Default)]
pub(super) struct EventStream {
    unread: Vec<u8>,
    /// The number of bytes of `unread` that were read.
    position: usize,
    /// The last line ended with CR, so that LF now belongs to that end.
    after_cr: bool,
    /// The first line was read.
    has_begun: bool,
    /// A line that is not empty was read.
    has_lines: bool,
    /// The beginning of a line that has not ended.
    line: Vec<u8>,
    event: Pending,
    /// The part of the body that has come, where the body is one JSON document.
    document: Option<String>,
    stray: Option<String>,
}

/// The event whose lines are coming.
#[derive(Debug, Default)]
struct Pending {
    name: String,
    data: String,
    has_data: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Event {
    pub(super) kind: EventKind,
    pub(super) data: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    Message,
    /// `event: error`, or a field `error`.
    Error,
}

/// The way in which the last event of a body ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With the body, as it should: it was no event with a blank line behind it.
    Whole,
    /// Without its blank line. The specification discards it.
    Cut,
}

/// A line or an event is longer than [`MAX_EVENT_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

// === impl EventStream ===

impl EventStream {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.unread.drain(..std::mem::take(&mut self.position));
        self.unread.extend_from_slice(bytes);
    }

    /// The next whole event of the bytes that were fed.
    pub(super) fn next(&mut self) -> Result<Option<Event>, TooLong> {
        while let Some(range) = self.next_line()? {
            let mut line = std::mem::take(&mut self.line);
            line.extend_from_slice(&self.unread[range]);
            if let Some(event) = self.read_line(&String::from_utf8_lossy(&line))? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    /// The event that the body left when it ended.
    pub(super) fn finish(&mut self) -> Result<Option<(Event, Ending)>, TooLong> {
        let line = std::mem::take(&mut self.line);
        let last = if line.is_empty() { None } else { self.read_line(&String::from_utf8_lossy(&line))? };
        let document = self.document.take().map(|data| Event { kind: EventKind::Message, data });
        let whole = last.or(document).map(|event| (event, Ending::Whole));
        Ok(whole.or_else(|| self.event.dispatch().map(|event| (event, Ending::Cut))))
    }

    /// The first line that was no part of an event, shortened.
    pub(super) fn stray(&self) -> Option<&str> {
        self.stray.as_deref()
    }

    /// The place of the rest of the next line. A line that has not ended goes into `line`.
    fn next_line(&mut self) -> Result<Option<Range<usize>>, TooLong> {
        if self.after_cr && self.position < self.unread.len() {
            self.after_cr = false;
            self.position += usize::from(self.unread[self.position] == b'\n');
        }
        let start = self.position;
        let rest = &self.unread[start..];
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let length = end.unwrap_or(rest.len());
        if self.line.len() + length > MAX_EVENT_BYTES {
            return Err(TooLong);
        }
        let Some(end) = end else {
            self.line.extend_from_slice(rest);
            self.position = self.unread.len();
            return Ok(None);
        };
        self.after_cr = rest[end] == b'\r';
        self.position += end + 1;
        Ok(Some(start..start + end))
    }

    fn read_line(&mut self, line: &str) -> Result<Option<Event>, TooLong> {
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let line = if is_first { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line) } else { line };
        if self.document.is_some() {
            return self.extend_document(line).map(|()| None);
        }
        if line.is_empty() {
            return Ok(self.event.dispatch());
        }
        let may_be_document = !std::mem::replace(&mut self.has_lines, true);
        if line.trim_start().starts_with(['{', '[']) {
            return self.bare(line, may_be_document);
        }
        self.field(line)
    }

    fn field(&mut self, line: &str) -> Result<Option<Event>, TooLong> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => return self.event.add(value).map(|()| None),
            "event" => value.clone_into(&mut self.event.name),
            "error" => return Ok(Some(Event { kind: EventKind::Error, data: value.to_owned() })),
            "" | "id" | "retry" => {}
            _ => self.note_stray(line),
        }
        Ok(None)
    }

    /// JSON without `data:`: an event of its own, or where the body begins with it the beginning of a document.
    fn bare(&mut self, line: &str, may_be_document: bool) -> Result<Option<Event>, TooLong> {
        if serde_json::from_str::<IgnoredAny>(line).is_ok() {
            return Ok(Some(Event { kind: EventKind::Message, data: line.to_owned() }));
        }
        if !may_be_document {
            self.note_stray(line);
            return Ok(None);
        }
        self.document = Some(String::new());
        self.extend_document(line).map(|()| None)
    }

    fn extend_document(&mut self, line: &str) -> Result<(), TooLong> {
        let document = self.document.get_or_insert_default();
        if document.len() + line.len() > MAX_EVENT_BYTES {
            return Err(TooLong);
        }
        document.push_str(line);
        document.push('\n');
        Ok(())
    }

    fn note_stray(&mut self, line: &str) {
        self.stray.get_or_insert_with(|| line.chars().take(MAX_STRAY_CHARS).collect());
    }
}

// === impl Pending ===

impl Pending {
    fn add(&mut self, value: &str) -> Result<(), TooLong> {
        if self.data.len() + value.len() > MAX_EVENT_BYTES {
            return Err(TooLong);
        }
        if std::mem::replace(&mut self.has_data, true) {
            self.data.push('\n');
        }
        self.data.push_str(value);
        Ok(())
    }

    /// The event, if it has data. Whatever its name was, the next one begins without a name.
    fn dispatch(&mut self) -> Option<Event> {
        let Pending { name, data, has_data } = std::mem::take(self);
        let kind = if name.eq_ignore_ascii_case("error") { EventKind::Error } else { EventKind::Message };
        has_data.then_some(Event { kind, data })
    }
}

#[cfg(test)]
mod tests;
