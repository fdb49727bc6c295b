//! What stands between the provider's bytes and the library that reads them.
//!
//! The library buffers a line without end, puts events into an unbounded channel, drops the connection right after
//! `[DONE]`, and logs a data line that is not JSON. So it gets whole lines only, each of bounded length and each data
//! line JSON; it gets them while somebody waits for words; and a body that is done is read to its end, which keeps the
//! connection for the next turn.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use serde::de::IgnoredAny;
use tokio::sync::watch;

use super::{Exchange, transport_fault};
use crate::llm::error::{Fault, Kind};

/// A token's line has some hundred bytes. Servers that send a whole reply at once send more.
const MAX_LINE_BYTES: usize = 4 << 20;

/// Reads of what follows `[DONE]`, and for how long, before we let go of the connection.
const MAX_TAIL_READS: usize = 16;
const TAIL_LIMIT: Duration = Duration::from_secs(1);

/// Cuts bytes into lines and judges each.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// The beginning of a line that has not ended.
    partial: Vec<u8>,
    /// The event under way has its data already.
    has_data: bool,
    done: bool,
}

struct Guard<S: Stream + Send + Unpin + 'static> {
    /// None once it has ended.
    body: Option<S>,
    lines: Lines,
    exchange: Arc<Exchange>,
    wanted: watch::Receiver<bool>,
}

type Lent<S> = Option<(io::Result<Vec<u8>>, Guard<S>)>;

/// `body` as the library may have it. Why it broke off is left in `exchange`.
pub(super) fn guarded<S, B>(
    body: S,
    exchange: Arc<Exchange>,
    wanted: watch::Receiver<bool>,
) -> impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static
where
    S: Stream<Item = reqwest::Result<B>> + Send + 'static,
    B: AsRef<[u8]> + Send + 'static,
{
    let guard = Guard { body: Some(Box::pin(body)), lines: Lines::default(), exchange, wanted };
    stream::unfold(guard, Guard::next)
}

// === impl Guard ===

impl<S, B> Guard<S>
where
    S: Stream<Item = reqwest::Result<B>> + Send + Unpin + 'static,
    B: AsRef<[u8]> + Send + 'static,
{
    async fn next(mut self) -> Lent<S> {
        // The reader that was just served gets the chance to say whether it wants more.
        tokio::task::yield_now().await;
        self.wanted.wait_for(|wanted| *wanted).await.ok()?;
        let fault = match self.body.as_mut()?.next().await {
            Some(Ok(bytes)) => match self.lines.push(bytes.as_ref()) {
                Ok(lines) => {
                    self.exchange.done.store(self.lines.done, Ordering::Release);
                    return Some((Ok(lines), self));
                }
                Err(fault) => fault,
            },
            Some(Err(error)) => transport_fault(error),
            None => {
                self.body = None;
                return None;
            }
        };
        let _ = self.exchange.broken.set(fault);
        self.body = None;
        Some((Err(io::Error::other("the body broke off")), self))
    }
}

impl<S: Stream + Send + Unpin + 'static> Drop for Guard<S> {
    fn drop(&mut self) {
        let Some(body) = self.body.take().filter(|_| self.lines.done) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(TAIL_LIMIT, read_tail(body)));
        }
    }
}

async fn read_tail<S: Stream + Unpin>(body: S) {
    body.take(MAX_TAIL_READS).for_each(|_| async {}).await;
}

// === impl Lines ===

impl Lines {
    /// The whole lines that `bytes` complete; may be empty.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<u8>, Fault> {
        let Some(last_end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            self.partial.extend_from_slice(bytes);
            return if self.partial.len() > MAX_LINE_BYTES { Err(endless()) } else { Ok(Vec::new()) };
        };
        let mut whole = std::mem::take(&mut self.partial);
        whole.extend_from_slice(&bytes[..=last_end]);
        self.partial.extend_from_slice(&bytes[last_end + 1..]);
        let mut kept = Vec::with_capacity(whole.len());
        for line in whole.split_inclusive(|byte| *byte == b'\n') {
            if self.keeps(line)? {
                kept.extend_from_slice(line);
            }
        }
        Ok(kept)
    }

    /// Whether the library may have a line. An empty data line, which some servers send to keep the connection alive,
    /// would be an error to it.
    fn keeps(&mut self, line: &[u8]) -> Result<bool, Fault> {
        if line.len() > MAX_LINE_BYTES {
            return Err(endless());
        }
        let line = std::str::from_utf8(line).map_err(|_| malformed("a line is not UTF-8"))?;
        let line = line.trim_end_matches(['\r', '\n']);
        let Some(data) = line.strip_prefix("data:") else {
            self.has_data &= !line.is_empty();
            return Ok(true);
        };
        let data = data.strip_prefix(' ').unwrap_or(data);
        if data.is_empty() {
            return Ok(false);
        }
        if std::mem::replace(&mut self.has_data, true) {
            return Err(malformed("an event has two data lines"));
        }
        if data == "[DONE]" {
            self.done = true;
        } else {
            serde_json::from_str::<IgnoredAny>(data).map_err(|_| malformed("a data line is not JSON"))?;
        }
        Ok(true)
    }
}

fn malformed(how: &str) -> Fault {
    Fault::with_detail(Kind::MalformedStream, how)
}

fn endless() -> Fault {
    malformed("a line is longer than 4 MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(lines: &mut Lines, bytes: &[u8]) -> String {
        String::from_utf8(lines.push(bytes).unwrap()).unwrap()
    }

    #[test]
    fn lines_come_out_whole_whereever_they_were_cut() {
        let text = "data: {\"a\":\"ü👋\"}\r\n\r\n: comment\ndata: [DONE]\n\n";
        for size in 1..text.len() {
            let mut lines = Lines::default();
            let out: String = text.as_bytes().chunks(size).map(|bytes| whole(&mut lines, bytes)).collect();
            assert_eq!(out, text);
            assert!(lines.done);
        }
    }

    #[test]
    fn an_unfinished_line_is_held_back() {
        let mut lines = Lines::default();
        assert_eq!(whole(&mut lines, b"data: {\"a\":1}\n\ndata: {"), "data: {\"a\":1}\n\n");
        assert_eq!(whole(&mut lines, b"}\n"), "data: {}\n");
    }

    #[test]
    fn what_the_library_would_log_or_choke_on_does_not_reach_it() {
        let two = &b"data: {}\ndata: {}\n"[..];
        for bytes in [&b"data: {\"a\":\n"[..], b"data: my name is Ada\n", b"data: \"\xff\"\n", two] {
            let fault = Lines::default().push(bytes).unwrap_err();
            assert_eq!(fault.kind, Kind::MalformedStream);
        }
    }

    #[test]
    fn an_empty_data_line_is_left_out() {
        let mut lines = Lines::default();
        assert_eq!(whole(&mut lines, b"data: \n\ndata:\r\n\r\ndata: {}\n\n"), "\n\r\ndata: {}\n\n");
    }

    #[test]
    fn a_line_without_end_is_given_up() {
        let mut lines = Lines::default();
        let piece = vec![b'x'; 1 << 20];
        let failed = (0..8).find_map(|_| lines.push(&piece).err());
        assert_eq!(failed.unwrap().kind, Kind::MalformedStream);
        assert!(lines.partial.len() <= MAX_LINE_BYTES + piece.len());
    }

    #[tokio::test]
    async fn nothing_is_read_while_nobody_waits_for_it() {
        let (want, wanted) = watch::channel(false);
        let body = stream::repeat_with(|| Ok(b"data: 1\n".to_vec()));
        let mut guarded = Box::pin(guarded(body, Arc::default(), wanted));
        let patience = Duration::from_millis(20);
        assert!(tokio::time::timeout(patience, guarded.next()).await.is_err());
        want.send_replace(true);
        assert_eq!(guarded.next().await.unwrap().unwrap(), b"data: 1\n");
    }

    #[tokio::test]
    async fn the_reason_of_a_break_is_left_where_the_caller_finds_it() {
        let (_want, wanted) = watch::channel(true);
        let exchange = Arc::new(Exchange::default());
        let body = stream::iter([Ok(b"data: {\"a\n")]);
        let mut guarded = Box::pin(guarded(body, exchange.clone(), wanted));
        assert!(guarded.next().await.unwrap().is_err());
        assert!(guarded.next().await.is_none());
        assert_eq!(exchange.broken.get().unwrap().kind, Kind::MalformedStream);
    }
}
