//! The thread that writes spans down: each record into the journal at once, ended spans into batches.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::batch::{BatchName, on_disk};
use super::deliveries::{Deliveries, unix_micros};
use super::disk::{Disk, Recovered};
use super::disk_state::{DiskState, Notice};
use super::journal::Record;
use super::live::Live;
use super::span_queue::{SpanQueue, Taken};
use crate::wire::Envelope;

/// How long an ended span waits for company. Each batch costs two syncs of the disk and a request; the journal has
/// kept the span from the death of the process all along, so only the death of the machine could take the spans that
/// wait.
const BATCH_DELAY: Duration = Duration::from_secs(1);
/// How often slots of dead workers are looked for.
const ADOPT_EVERY: Duration = Duration::from_secs(30);

/// The limits of one batch; a single larger span still goes, alone.
#[derive(Clone, Copy, Debug)]
pub(super) struct BatchLimits {
    pub(super) spans: usize,
    pub(super) bytes: usize,
}

pub(super) struct Writer {
    pub(super) limits: BatchLimits,
    pub(super) envelope: Envelope,
    pub(super) span_queue: Arc<SpanQueue>,
    pub(super) deliveries: Arc<Deliveries>,
    /// None: spans are not written down.
    pub(super) disk: Option<Disk>,
    pub(super) state: State,
}

/// The state that changes while the writer runs.
pub(super) struct State {
    live: Live,
    /// When the oldest ended span came.
    waiting_since: Option<Instant>,
    next_adoption: Instant,
    disk_state: DiskState,
    /// The error that kept this worker from taking over the slots of dead workers; None when there was none.
    adoption_trouble: Option<io::ErrorKind>,
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
        Self {
            live: Live::new(envelope),
            waiting_since: None,
            next_adoption: Instant::now(),
            disk_state: DiskState::default(),
            adoption_trouble: None,
        }
    }
}

// === impl Writer ===

impl Writer {
    pub(super) fn run(mut self) {
        loop {
            let room = self.limits.spans.saturating_sub(self.state.live.ended.len()).max(1);
            let bytes = self.limits.bytes.saturating_sub(self.state.live.ended_bytes() as usize);
            let Taken { records, last } = self.span_queue.take(self.wakes_at(), room, bytes);
            self.write(records);
            if last || self.batch_is_due() {
                self.batch();
            }
            if last {
                self.rescue().unwrap_or_else(|error| self.disk_failed(&error));
                break;
            }
            self.tidy();
            self.adopt();
        }
        self.deliveries.close();
    }

    fn write(&mut self, records: Vec<Record>) {
        if records.is_empty() {
            return;
        }
        // A journal that lacks a record is written anew before it is continued: see `store`.
        if let Some(disk) = self.disk.as_mut().filter(|_| self.state.disk_state.is_good())
            && let Err(error) = disk.append(&records)
        {
            self.disk_failed(&error);
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

    /// Makes a batch of all ended spans.
    fn batch(&mut self) {
        self.state.waiting_since = None;
        let ended = std::mem::take(&mut self.state.live.ended);
        if ended.is_empty() {
            return;
        }
        let name = BatchName::new(unix_micros(), ended.len());
        let content = self.envelope.batch(ended);
        self.state.live.apply(Record::Batched(name));
        let stored = self.store(name, &content);
        let evicted = match &stored {
            Some(Ok(())) => self.deliveries.store(name, on_disk(content.len() as u64)),
            Some(Err(_)) | None => self.deliveries.store_in_memory(name, content),
        };
        self.remove(&evicted);
        match stored.map(|stored| stored.and_then(|()| self.rescue())) {
            Some(Ok(())) => self.disk_worked(),
            Some(Err(error)) => self.disk_failed(&error),
            None => {}
        }
    }

    /// None without a disk. After a failure the journal is made whole first.
    fn store(&mut self, name: BatchName, content: &[u8]) -> Option<io::Result<()>> {
        let disk = self.disk.as_mut()?;
        let readied = if self.state.disk_state.is_good() { Ok(()) } else { disk.rewrite(&self.state.live) };
        Some(readied.and_then(|()| disk.store(name, content)))
    }

    /// Puts batches that are only in memory on a disk that takes them again.
    fn rescue(&mut self) -> io::Result<()> {
        let Some(disk) = &mut self.disk else { return Ok(()) };
        while let Some((name, content)) = self.deliveries.in_memory() {
            disk.rescue(name, &content)?;
            if !self.deliveries.moved_to_disk(name, on_disk(content.len() as u64)) {
                disk.batches().withdraw(name);
            }
        }
        Ok(())
    }

    fn tidy(&mut self) {
        if let Some(disk) = self.disk.as_mut().filter(|_| self.state.disk_state.is_good())
            && let Err(error) = disk.tidy(&self.state.live)
        {
            self.disk_failed(&error);
        }
    }

    fn adopt(&mut self) {
        let now = Instant::now();
        let due = self.state.next_adoption <= now;
        let Some(disk) = self.disk.as_mut().filter(|_| due) else { return };
        self.state.next_adoption = now + ADOPT_EVERY;
        match disk.adopt(&self.envelope, unix_micros()) {
            Ok((batches, recovered)) => {
                tell(recovered);
                self.state.adoption_trouble = None;
                let put_up = |(name, bytes): &(BatchName, u64)| self.deliveries.store(*name, *bytes);
                let evicted: Vec<_> = batches.iter().flat_map(put_up).collect();
                self.remove(&evicted);
            }
            Err(error) => self.adoption_failed(&error),
        }
    }

    fn remove(&self, evicted: &[BatchName]) {
        let Some(disk) = &self.disk else { return };
        for name in evicted {
            // A file that stays behind is counted and dropped again at the next start.
            drop(disk.batches().remove(*name));
        }
    }

    // === what is said of the disk ===

    fn disk_failed(&mut self, error: &io::Error) {
        let lost = self.lost();
        let notice = self.state.disk_state.failed(error, lost);
        self.say(notice);
    }

    fn disk_worked(&mut self) {
        if !self.state.disk_state.is_good() {
            let lost = self.lost();
            let notice = self.state.disk_state.worked(lost);
            self.say(notice);
        }
    }

    /// Spans that were lost so far.
    fn lost(&self) -> u64 {
        self.deliveries.snapshot().stats.dropped + self.span_queue.dropped()
    }

    fn say(&self, notice: Option<Notice>) {
        let Some((disk, notice)) = self.disk.as_ref().zip(notice) else { return };
        let path = disk.path().display();
        match notice {
            Notice::Fails(_) => tracing::error!(%path, "{notice}"),
            Notice::Works { .. } => tracing::warn!(%path, "{notice}"),
        }
    }

    fn adoption_failed(&mut self, error: &io::Error) {
        if self.state.adoption_trouble.replace(error.kind()) != Some(error.kind()) {
            tracing::error!("what another worker left in the trace spool cannot be sent yet: {error}");
        }
    }
}

/// Logs the spans that dead workers left.
pub(super) fn tell(recovered: Recovered) {
    let Recovered { ended, aborted } = recovered;
    if ended + aborted > 0 {
        tracing::warn!(ended, aborted, "spans of a worker that was killed were found and will be sent");
    }
}
