//! The guard between the provider's bytes and the library that reads them.
//!
//! The library puts events into an unbounded channel, drops the connection right after `[DONE]`, quotes content other
//! than JSON in its log, and panics at some bytes. So it gets one event at a time, when its reader asks for one, and
//! each in the same plain form: `data: `, a JSON object, a blank line. Empty events and errors never reach it. A body
//! that is done is read to its end, which keeps the connection for the next turn.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use serde_json::value::RawValue;
use tokio::sync::watch;

use super::chunk::Chunk;
use super::event_stream::{Ending, Event, EventKind, EventStream, TooLong};
use super::{Exchange, body_fault, error_body, json};
use crate::llm::error::{Fault, Kind};

/// The reads of the bytes behind `[DONE]`, and their time, before we let go of the connection.
const MAX_TAIL_READS: usize = 16;
const TAIL_LIMIT: Duration = Duration::from_secs(1);

/// The most bytes that may come without an object: comments, and other lines without content.
const MAX_SILENT_BYTES: usize = 16 << 20;

/// The event that ends a stream.
const DONE: &str = "[DONE]";
/// The text that some gateways write in its place.
const ERROR: &str = "[ERROR]";

/// Whether the reader of the reply waits for an event. It is set by the reader, and taken back with each event.
#[derive(Clone, Debug)]
pub(super) struct Demand(Arc<watch::Sender<bool>>);

/// Makes objects, errors and the end out of the events of a body.
#[derive(Debug, Default)]
pub(super) struct Reader {
    events: EventStream,
    /// The objects of an event that had several.
    ready: VecDeque<String>,
    done: bool,
    /// Bytes since the last object.
    silent_bytes: usize,
    /// Content that was not understood, to be reported if the reply turns out to be none.
    stray: Option<String>,
}

/// The next part of a body.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A JSON object, on one line.
    Object(String),
    /// `[DONE]`.
    Done,
}

struct Guard<S: Stream + Send + Unpin + 'static> {
    /// None once it has ended.
    body: Option<S>,
    reader: Reader,
    /// The library has got its last event.
    over: bool,
    exchange: Arc<Exchange>,
    demand: Demand,
}

type Lent<S> = Option<(io::Result<Vec<u8>>, Guard<S>)>;

/// `body` in the form that the library may have. The reason why it broke off is left in `exchange`.
pub(super) fn guarded<S, B>(
    body: S,
    exchange: Arc<Exchange>,
    demand: Demand,
) -> impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static
where
    S: Stream<Item = reqwest::Result<B>> + Send + 'static,
    B: AsRef<[u8]> + Send + 'static,
{
    let guard =
        Guard { body: Some(Box::pin(body)), reader: Reader::default(), over: false, exchange, demand };
    stream::unfold(guard, Guard::next)
}

// === impl Demand ===

impl Demand {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Asks for one event.
    pub(super) fn ask(&self) {
        self.0.send_replace(true);
    }

    /// Waits until an event is asked for.
    async fn wait(&self) {
        // `self` holds a sender, so this cannot fail.
        let _ = self.0.subscribe().wait_for(|wanted| *wanted).await;
    }

    fn meet(&self) {
        self.0.send_replace(false);
    }
}

// === impl Guard ===

impl<S, B> Guard<S>
where
    S: Stream<Item = reqwest::Result<B>> + Send + Unpin + 'static,
    B: AsRef<[u8]> + Send + 'static,
{
    async fn next(mut self) -> Lent<S> {
        if self.over {
            return None;
        }
        self.demand.wait().await;
        match self.read().await {
            Ok(Some(next)) => {
                self.exchange.done.store(next == Next::Done, Ordering::Release);
                self.demand.meet();
                Some((Ok(next.into_bytes()), self))
            }
            Ok(None) => {
                self.note_stray();
                None
            }
            Err(fault) => {
                (self.body, self.over) = (None, true);
                let _ = self.exchange.broken.set(fault);
                Some((Err(io::Error::other("the body broke off")), self))
            }
        }
    }

    async fn read(&mut self) -> Result<Option<Next>, Fault> {
        loop {
            if let Some(next) = self.reader.next(&self.exchange)? {
                return Ok(Some(next));
            }
            let Some(body) = &mut self.body else { return Ok(None) };
            match body.next().await {
                Some(Ok(bytes)) => self.reader.feed(bytes.as_ref()),
                Some(Err(error)) => return Err(body_fault(error)),
                None => {
                    self.body = None;
                    self.reader.finish(&self.exchange)?;
                }
            }
        }
    }

    fn note_stray(&self) {
        if let Some(stray) = self.reader.stray() {
            let _ = self.exchange.stray.set(stray.to_owned());
        }
    }
}

impl<S: Stream + Send + Unpin + 'static> Drop for Guard<S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // The library's task dies with its channel, which looks like the end of a reply.
            let _ = self.exchange.broken.set(Kind::Panicked.into());
        }
        let Some(body) = self.body.take().filter(|_| self.reader.done) else { return };
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(tokio::time::timeout(TAIL_LIMIT, read_tail(body)));
        }
    }
}

async fn read_tail<S: Stream + Unpin>(body: S) {
    body.take(MAX_TAIL_READS).for_each(|_| async {}).await;
}

// === impl Reader ===

impl Reader {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.silent_bytes += bytes.len();
        self.events.feed(bytes);
    }

    /// The next object of the bytes that were fed, or the end of the stream.
    pub(super) fn next(&mut self, exchange: &Exchange) -> Result<Option<Next>, Fault> {
        loop {
            if let Some(object) = self.ready.pop_front() {
                self.silent_bytes = 0;
                return Ok(Some(Next::Object(object)));
            }
            if self.silent_bytes > MAX_SILENT_BYTES {
                return Err(malformed("16 MiB came without an event that says anything"));
            }
            if self.done {
                return Ok(Some(Next::Done));
            }
            let Some(event) = self.events.next().map_err(|TooLong| endless())? else { return Ok(None) };
            self.take(event, exchange)?;
        }
    }

    /// Takes the event that the body left unfinished. An event without a blank line behind it may be cut, so its words
    /// do not count.
    pub(super) fn finish(&mut self, exchange: &Exchange) -> Result<(), Fault> {
        match self.events.finish().map_err(|TooLong| endless())? {
            None => Ok(()),
            // An error without its blank line is still an error.
            Some((event, _)) if event.kind == EventKind::Error => self.take(event, exchange),
            Some((event, Ending::Whole)) => self.take(event, exchange),
            Some((event, Ending::Cut)) => {
                let has_words =
                    |object: &String| Chunk::decode(object).is_ok_and(|chunk| !chunk.text.is_empty());
                if self.take(event, exchange).is_err() || self.ready.iter().any(has_words) {
                    exchange.skip("event");
                    self.ready.clear();
                }
                Ok(())
            }
        }
    }

    pub(super) fn stray(&self) -> Option<&str> {
        self.stray.as_deref().or(self.events.stray())
    }

    fn take(&mut self, event: Event, exchange: &Exchange) -> Result<(), Fault> {
        match event.kind {
            EventKind::Error => Err(error_event(&event.data)),
            EventKind::Message => self.take_data(&event.data, exchange),
        }
    }

    /// An event has one JSON value as a rule; servers that forget the blank line send several as one.
    fn take_data(&mut self, data: &str, exchange: &Exchange) -> Result<(), Fault> {
        let mut values = serde_json::Deserializer::from_str(data).into_iter::<&RawValue>();
        while let Some(Ok(value)) = values.next() {
            self.take_value(value, exchange);
        }
        let rest = data.get(values.byte_offset()..).unwrap_or_default().trim();
        match json::repaired(rest) {
            Some(repaired) => self.take_data(&repaired, exchange),
            None => self.take_rest(rest, exchange),
        }
    }

    fn take_value(&mut self, value: &RawValue, exchange: &Exchange) {
        for item in json::items(value) {
            match item.get() {
                object if object.starts_with('{') => self.ready.push_back(object.replace(['\r', '\n'], " ")),
                "null" => {}
                "\"[DONE]\"" => self.done = true,
                _ => exchange.skip("event"),
            }
        }
    }

    /// Takes data that is no JSON: the end of the stream, a sign of life in plain text, or an object that was cut.
    fn take_rest(&mut self, rest: &str, exchange: &Exchange) -> Result<(), Fault> {
        match rest {
            "" => {}
            rest if rest.starts_with(DONE) => self.done = true,
            rest if rest.starts_with(ERROR) => return Err(error_event(rest[ERROR.len()..].trim())),
            rest if rest.starts_with("data:") => {
                return self.take_data(rest["data:".len()..].trim(), exchange);
            }
            rest if rest.starts_with(['{', '[']) => return Err(malformed("an event is not JSON")),
            rest => {
                exchange.skip("event");
                self.stray.get_or_insert_with(|| rest.chars().take(1024).collect());
            }
        }
        Ok(())
    }
}

/// An event that the server calls an error, whatever its content.
fn error_event(data: &str) -> Fault {
    error_body::explain(data.as_bytes()).unwrap_or_default().fault()
}

fn malformed(how: &str) -> Fault {
    Fault::with_detail(Kind::MalformedStream, how)
}

fn endless() -> Fault {
    malformed("an event is longer than 4 MiB")
}

// === impl Next ===

impl Next {
    /// The form in which the library reads it.
    fn into_bytes(self) -> Vec<u8> {
        let data = match &self {
            Self::Object(object) => object,
            Self::Done => DONE,
        };
        format!("data: {data}\n\n").into_bytes()
    }
}

#[cfg(test)]
mod tests;
