//! Server-sent events (HTML Standard, section 9.2.6): of each event its data.

/// A longer event is refused: at 24 kHz it would hold more than a minute.
const MAX_EVENT_BYTES: usize = 4 << 20;
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Cuts a body into events. Bytes may come in pieces of any size.
#[derive(Default)]
pub(super) struct EventStream {
    /// The line that has not ended.
    line: Vec<u8>,
    /// The data of the event that has not ended.
    data: Option<String>,
    /// The last line ended with CR, so that LF now belongs to that end.
    after_cr: bool,
    has_begun: bool,
}

/// An event is longer than [`MAX_EVENT_BYTES`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

// === impl EventStream ===

impl EventStream {
    /// The data of the events that end within these bytes.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Result<Vec<String>, TooLong> {
        let mut events = Vec::new();
        for piece in bytes.split_inclusive(|byte| matches!(byte, b'\n' | b'\r')) {
            let (content, end) = match piece.split_last() {
                Some((end @ (b'\n' | b'\r'), content)) => (content, Some(*end)),
                _ => (piece, None),
            };
            let is_rest = std::mem::take(&mut self.after_cr) && end == Some(b'\n') && content.is_empty();
            self.after_cr = end == Some(b'\r');
            if is_rest {
                continue;
            }
            self.extend(content)?;
            if end.is_some() {
                events.extend(self.end_line()?);
            }
        }
        Ok(events)
    }

    /// The event that the body left when it ended: some servers leave out the blank line behind the last.
    pub(super) fn finish(&mut self) -> Result<Option<String>, TooLong> {
        if !self.line.is_empty() {
            self.end_line()?;
        }
        Ok(self.data.take())
    }

    fn extend(&mut self, content: &[u8]) -> Result<(), TooLong> {
        let held = self.line.len() + self.data.as_ref().map_or(0, String::len);
        if held + content.len() > MAX_EVENT_BYTES {
            return Err(TooLong);
        }
        self.line.extend_from_slice(content);
        Ok(())
    }

    fn end_line(&mut self) -> Result<Option<String>, TooLong> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&line);
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        let line = if is_first { line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&line) } else { &line };
        if line.is_empty() {
            return Ok(self.data.take());
        }
        if let Some(value) = line.strip_prefix("data:") {
            self.add(value.strip_prefix(' ').unwrap_or(value))?;
        }
        Ok(None)
    }

    fn add(&mut self, value: &str) -> Result<(), TooLong> {
        match &mut self.data {
            None => self.data = Some(value.to_owned()),
            Some(data) if data.len() + value.len() >= MAX_EVENT_BYTES => return Err(TooLong),
            Some(data) => {
                data.push('\n');
                data.push_str(value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(body: &str, size: usize) -> Vec<String> {
        let mut stream = EventStream::default();
        let mut events: Vec<String> =
            body.as_bytes().chunks(size).flat_map(|piece| stream.feed(piece).unwrap()).collect();
        events.extend(stream.finish().unwrap());
        events
    }

    #[test]
    fn events_are_cut_at_blank_lines_however_lines_end() {
        for end in ["\n", "\r\n", "\r"] {
            let body = ["data: a", "", ": comment", "event: x", "data:b", "data: c", "", "data: d"].join(end);
            for size in [1, 2, 5, 100] {
                assert_eq!(events(&body, size), ["a", "b\nc", "d"], "{end:?} in pieces of {size}");
            }
        }
    }

    #[test]
    fn a_byte_order_mark_in_front_is_skipped() {
        assert_eq!(events("\u{feff}data: a\n\n", 1), ["a"]);
    }

    #[test]
    fn an_event_without_an_end_is_given_up() {
        let mut stream = EventStream::default();
        let mut fed = (0..=MAX_EVENT_BYTES >> 16).map(|_| stream.feed(&[b'x'; 1 << 16]));
        assert!(fed.any(|fed| fed == Err(TooLong)));
        let mut stream = EventStream::default();
        let line = format!("data: {}\n", "x".repeat(1 << 16));
        let mut fed = (0..=MAX_EVENT_BYTES >> 16).map(|_| stream.feed(line.as_bytes()));
        assert!(fed.any(|fed| fed == Err(TooLong)));
    }
}
