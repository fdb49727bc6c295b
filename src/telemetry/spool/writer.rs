//! The thread that writes down what is recorded: each record into the journal at once, what has ended into batches.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{BatchName, on_disk};
use super::delivering::{Delivering, unix_micros};
use super::disk::{Disk, Salvaged};
use super::intake::{Intake, Taken};
use super::journal::Record;
use super::live::Live;
use crate::telemetry::otel::wire::Envelope;

/// How long an ended span waits for company. Each batch costs two syncs of the disk and a request; the journal has kept the
/// span from the death of the process all along, so only the death of the machine could take what waits.
const BATCH_DELAY: Duration = Duration::from_secs(1);
/// How often slots of dead workers are looked for.
const ADOPT_EVERY: Duration = Duration::from_secs(30);

/// The most of one batch; a single larger span still goes, alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchLimits {
    pub(super) spans: usize,
    pub(super) bytes: usize,
}

pub(super) struct Writer {
    pub(super) limits: BatchLimits,
    pub(super) envelope: Envelope,
    pub(super) intake: Arc<Intake>,
    pub(super) delivering: Arc<Delivering>,
    /// None: nothing is written down.
    pub(super) disk: Option<Disk>,
    pub(super) state: State,
}

/// What changes while the writer runs.
pub(super) struct State {
    live: Live,
    /// When the oldest ended span came.
    waiting_since: Option<Instant>,
    next_adoption: Instant,
    /// What the disk said last; None when it went well.
    trouble: Option<io::ErrorKind>,
}

// === impl BatchLimits ===

impl Default for BatchLimits {
    fn default() -> Self {
        Self { spans: 512, bytes: 8 << 20 }
    }
}

// === impl State ===

impl State {
    pub(super) fn new(envelope: Envelope) -> Self {
        let next_adoption = Instant::now();
        Self { live: Live::new(envelope), waiting_since: None, next_adoption, trouble: None }
    }
}

// === impl Writer ===

impl Writer {
    pub(super) fn run(mut self) {
        loop {
            let room = self.limits.spans.saturating_sub(self.state.live.ended.len()).max(1);
            let bytes = self.limits.bytes.saturating_sub(self.state.live.ended_bytes() as usize);
            let Taken { records, last } = self.intake.take(self.wakes_at(), room, bytes);
            self.write(records);
            if last || self.batch_is_due() {
                self.batch();
            }
            if last {
                break;
            }
            self.tidy();
            self.adopt();
        }
        self.delivering.close();
    }

    fn write(&mut self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        if let Some(disk) = &mut self.disk {
            let written = disk.append(&records);
            self.observe(written);
        }
        records.into_iter().for_each(|record| self.state.live.apply(record));
        if !self.state.live.ended.is_empty() {
            self.state.waiting_since.get_or_insert_with(Instant::now);
        }
    }

    fn wakes_at(&self) -> Option<Instant> {
        let batch = self.state.waiting_since.map(|since| since + BATCH_DELAY);
        let adoption = self.disk.is_some().then_some(self.state.next_adoption);
        batch.into_iter().chain(adoption).min()
    }

    fn batch_is_due(&self) -> bool {
        let live = &self.state.live;
        let full = live.ended.len() >= self.limits.spans || live.ended_bytes() >= self.limits.bytes as u64;
        full || self.state.waiting_since.is_some_and(|since| since.elapsed() >= BATCH_DELAY)
    }

    /// Makes a batch of everything that has ended.
    fn batch(&mut self) {
        self.state.waiting_since = None;
        let ended = std::mem::take(&mut self.state.live.ended);
        if ended.is_empty() {
            return;
        }
        let name = BatchName::new(unix_micros(), ended.len());
        let content = self.envelope.batch(ended);
        self.state.live.apply(Record::Batched(name));
        let stored = self.disk.as_mut().map(|disk| disk.store(name, &content));
        let fallen = match &stored {
            Some(Ok(())) => self.delivering.store(name, on_disk(content.len() as u64)),
            Some(Err(_)) | None => self.delivering.store_in_memory(name, content),
        };
        self.remove(&fallen);
        if let Some(stored) = stored {
            self.observe(stored);
        }
    }

    fn tidy(&mut self) {
        if let Some(disk) = &mut self.disk {
            let tidied = disk.tidy(&self.state.live);
            self.observe(tidied);
        }
    }

    fn adopt(&mut self) {
        let now = Instant::now();
        let Some(disk) = self.disk.as_mut().filter(|_| self.state.next_adoption <= now) else { return };
        self.state.next_adoption = now + ADOPT_EVERY;
        let adopted = disk.adopt(&self.envelope, unix_micros());
        if let Ok((batches, salvaged)) = &adopted {
            tell(*salvaged);
            let fallen = batches
                .iter()
                .flat_map(|(name, bytes)| self.delivering.store(*name, *bytes))
                .collect::<Vec<_>>();
            self.remove(&fallen);
        }
        self.observe(adopted.map(drop));
    }

    fn remove(&self, fallen: &[BatchName]) {
        let Some(disk) = &self.disk else { return };
        for name in fallen {
            // What stays behind is counted and dropped again at the next start.
            drop(disk.batches().remove(*name));
        }
    }

    /// Says once when the disk fails, and once when it works again.
    fn observe(&mut self, outcome: io::Result<()>) {
        let Some(disk) = &self.disk else { return };
        let path = disk.path().display();
        match outcome {
            Ok(()) if self.state.trouble.take().is_some() => {
                tracing::warn!(%path, "the trace spool is written again");
            }
            Ok(()) => {}
            Err(error) if self.state.trouble == Some(error.kind()) => {}
            Err(error) => {
                self.state.trouble = Some(error.kind());
                tracing::error!(
                    %path,
                    "the trace spool cannot be written: {error}; traces are kept in memory, and a crash would lose them"
                );
            }
        }
    }
}

/// Says what dead workers left.
pub(super) fn tell(salvaged: Salvaged) {
    let Salvaged { ended, aborted } = salvaged;
    if ended + aborted > 0 {
        tracing::warn!(ended, aborted, "spans of a worker that was killed were found and will be sent");
    }
}
