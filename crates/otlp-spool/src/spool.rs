//! The way of spans out of the process, which no crash and no outage interrupts.
//!
//! Opening or ending a span puts a record into a bounded queue ([`span_queue`]); no task that answers a turn ever waits
//! for a disk or the network. One thread ([`writer`]) appends each record to a [`journal`] and makes [`batch`] files
//! of ended spans; another ([`sender`]) posts the files, oldest first, and removes those that the receiver took. The
//! [`delivery_queue`] decides which batch goes when, and which falls off. After a crash the journal's open spans are ended as
//! `aborted`.
//!
//! Delivery is at least once: a receiver that took a batch and died before it said so gets it again.

mod batch;
mod deliveries;
mod delivery_queue;
mod disk;
mod disk_state;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod journal;
mod live;
mod rejected;
mod scan;
mod sender;
mod slot;
mod span_queue;
mod transport;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use opentelemetry::Context;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanProcessor};
use statedir::Slots;

use self::deliveries::{Deliveries, unix_micros};
use self::delivery_queue::Bounds;
use self::disk::Disk;
use self::journal::Record;
pub use self::scan::Survey;
use self::sender::Sender;
use self::span_queue::{LIMITS, SpanQueue};
pub use self::transport::Transport;
use self::writer::{BatchLimits, State, Writer};
use crate::exporter::Spans;
use crate::wire::WireSpan;
use crate::{Envelope, StartError};

/// The limit without a disk, or with one that takes nothing: enough for some minutes of a full worker.
const MEMORY_BYTES: u64 = 64 << 20;

/// The place and the limits of the spool.
#[derive(Clone, Debug)]
pub struct Settings {
    /// None: in memory only.
    pub directory: Option<PathBuf>,
    /// Workers with the same service and agent name take over batches that one of them left behind.
    pub service: String,
    pub agent: String,
    /// The most that waits; the oldest batches make room.
    pub max_bytes: u64,
    /// Older batches are dropped.
    pub max_age: Duration,
    /// What the settings of the directory and of the limits are called, for messages to those who set them.
    pub names: [&'static str; 2],
}

/// The outcomes of the spans so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportStatus {
    /// Spans that the receiver took.
    pub exported: u64,
    /// Spans that are lost: there was no room for them, they grew too old, or their file was damaged.
    pub dropped: u64,
    /// Spans that the receiver will never take; kept apart on the disk.
    pub rejected: u64,
    /// Attempts to deliver a batch that failed.
    pub failed_batches: u64,
    /// Spans that wait in batches.
    pub queued_spans: u64,
    /// The bytes that they take, on the disk or in memory.
    pub queued_bytes: u64,
    /// When the oldest batch that waits was made.
    pub oldest: Option<SystemTime>,
    /// The error of the latest batch; None when it went well.
    pub last_error: Option<String>,
}

/// The result of the last flush.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flushed {
    /// Spans that did not reach the receiver and are gone.
    pub lost: u64,
    /// Spans that are on the disk, for the next start.
    pub kept: u64,
}

/// The way out of the process. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Spool {
    span_queue: Arc<SpanQueue>,
    deliveries: Arc<Deliveries>,
    directory: Option<Arc<Path>>,
    opened: Arc<Spans>,
    ended: Arc<Spans>,
}

// === impl Settings ===

impl Settings {
    /// In memory only, a gigabyte and a day.
    pub fn new(service: &str, agent: &str) -> Self {
        Self {
            directory: None,
            service: service.to_owned(),
            agent: agent.to_owned(),
            max_bytes: 1 << 30,
            max_age: Duration::from_secs(24 * 3600),
            names: ["directory", "max_bytes and max_age"],
        }
    }
}

// === impl Spool ===

impl Spool {
    /// Starts the threads. The transport is made on its own, because a blocking HTTP client must neither be made nor
    /// dropped inside an async runtime.
    pub fn start<C: Transport>(
        settings: &Settings,
        envelope: Envelope,
        make: impl FnOnce() -> Result<C, StartError> + Send + 'static,
    ) -> Result<Self, StartError> {
        let span_queue = Arc::new(SpanQueue::new(LIMITS));
        let (opened, ended) = (into(&span_queue, Record::Opened)?, into(&span_queue, Record::Ended)?);
        let bounds = Bounds { bytes: settings.max_bytes, memory_bytes: MEMORY_BYTES, age: settings.max_age };
        let deliveries = Arc::new(Deliveries::new(bounds, settings.names[1]));
        let disk = settings.directory.as_deref().and_then(|path| open_disk(settings, path, &envelope));
        let directory = disk.as_ref().map(|disk| Arc::from(disk.path()));
        let places = disk.as_ref().map(|disk| (disk.batches().clone(), disk.rejected().clone()));
        if let Some(disk) = &disk {
            put_up(disk, &deliveries);
        }
        start_sender(deliveries.clone(), places, make)?;
        let state = State::new(envelope.clone());
        let limits = BatchLimits::default();
        let spool =
            Self { span_queue: span_queue.clone(), deliveries: deliveries.clone(), directory, opened, ended };
        let writer = Writer { limits, envelope, span_queue, deliveries, disk, state };
        thread::Builder::new().name("trace-spool".to_owned()).spawn(move || writer.run())?;
        Ok(spool)
    }

    /// A span began; `span` is its form if this process is killed before it ends.
    pub fn opened(&self, span: SpanData) {
        self.opened.export(span);
    }

    pub fn ended(&self, span: SpanData) {
        self.ended.export(span);
    }

    pub fn status(&self) -> ExportStatus {
        let queue = self.deliveries.snapshot();
        ExportStatus {
            exported: queue.stats.taken,
            dropped: queue.stats.dropped + self.span_queue.dropped(),
            rejected: queue.stats.rejected,
            failed_batches: queue.stats.failures,
            queued_spans: queue.spans,
            queued_bytes: queue.bytes,
            oldest: queue.oldest.map(|micros| UNIX_EPOCH + Duration::from_micros(micros)),
            last_error: queue.last_error,
        }
    }

    /// The directory of the batches; None when they are only in memory.
    pub fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// Takes no more spans and lets the threads end when every queued span was tried once more.
    pub fn close(&self) {
        self.span_queue.close();
    }

    /// Closes, then waits until everything was delivered or put to disk, but not past `patience`.
    pub fn flush(&self, patience: Duration) -> Flushed {
        let before = self.status();
        self.close();
        let (on_disk, in_memory) = self.deliveries.wait(Instant::now() + patience);
        let now = self.status();
        let gone = (now.dropped - before.dropped) + (now.rejected - before.rejected);
        Flushed { lost: gone + in_memory + self.span_queue.ended(), kept: on_disk }
    }
}

impl SpanProcessor for Spool {
    fn on_start(&self, _span: &mut opentelemetry_sdk::trace::Span, _context: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.ended(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    /// Called when the last tracer is dropped: queued spans still go out, but the caller does not wait for them.
    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        self.close();
        Ok(())
    }
}

/// An exporter whose spans become records in the queue.
fn into(span_queue: &Arc<SpanQueue>, record: fn(WireSpan) -> Record) -> Result<Arc<Spans>, StartError> {
    let span_queue = span_queue.clone();
    let take =
        move |request| WireSpan::all(request).into_iter().map(record).for_each(|it| span_queue.push(it));
    Spans::new(take).map(Arc::new)
}

/// None, with a line in the log, when the disk cannot be used: traces are worth more than their safety.
fn open_disk(settings: &Settings, path: &Path, envelope: &Envelope) -> Option<Disk> {
    let slots = Slots::new(path, &settings.service, &settings.agent);
    match Disk::open(slots, envelope, unix_micros()) {
        Ok((disk, recovered)) => {
            writer::tell(recovered);
            tracing::debug!(path = %disk.path().display(), "traces are spooled");
            Some(disk)
        }
        Err(error) => {
            let (name, path) = (settings.names[0], path.display());
            tracing::error!(
                "{name}: {path} cannot be used: {error}; traces are kept in memory, and a crash or a \
                 long outage loses them"
            );
            None
        }
    }
}

/// Puts up the batches that an earlier process left.
fn put_up(disk: &Disk, deliveries: &Deliveries) {
    let batches = disk.batches().list().unwrap_or_else(|error| {
        let path = disk.batches().path().display();
        tracing::error!("cannot list {path}: {error}; what is in it waits for the next start");
        Vec::new()
    });
    for name in batches.into_iter().flat_map(|(name, bytes)| deliveries.store(name, bytes)) {
        drop(disk.batches().remove(name));
    }
}

fn start_sender<C: Transport>(
    deliveries: Arc<Deliveries>,
    places: Option<(batch::BatchDir, rejected::RejectedDir)>,
    make: impl FnOnce() -> Result<C, StartError> + Send + 'static,
) -> Result<(), StartError> {
    let (made, outcome) = std::sync::mpsc::sync_channel(1);
    let thread = thread::Builder::new().name("otlp-export".to_owned()).spawn(move || {
        let transport = match make() {
            Ok(transport) => transport,
            Err(error) => return drop(made.send(Err(error))),
        };
        let _ = made.send(Ok(()));
        Sender { transport, deliveries, places }.run();
    })?;
    // The sender ends without a message only when making the transport panicked.
    outcome.recv().unwrap_or_else(|_| Err(std::io::Error::other(panic_of(thread)).into()))
}

fn panic_of(thread: thread::JoinHandle<()>) -> String {
    let panic = thread.join().err();
    let text = panic.as_ref().and_then(|panic| panic.downcast_ref::<String>().map(String::as_str));
    format!("the exporter panicked while it was made: {}", text.unwrap_or("no message"))
}

#[cfg(test)]
mod tests;
