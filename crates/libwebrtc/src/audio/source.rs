//! Captured samples that wait for their time, and the clock that passes them on.

use std::{
    collections::VecDeque,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{
    RtcError,
    audio::{
        clock::{self, Beat},
        resample::Format,
    },
    runtime,
};

/// Takes the blocks of a source.
pub(crate) trait Sink: Send + Sync {
    /// 10 ms, interleaved, in the format of the source.
    fn block(&self, samples: &[i16]);
}

/// A queue of samples that is played in real time to all sinks.
///
/// The clock runs while there are sinks or queued samples.
pub(crate) struct Source {
    format: Format,
    state: Mutex<State>,
    room: Notify,
}

/// Replaced as a whole, so that a block takes them without a copy.
type Sinks = Arc<[Arc<dyn Sink>]>;

struct State {
    queue: Queue,
    sinks: Sinks,
    runs: bool,
    /// The number of calls of `clear`: samples that were being pushed during one are dropped.
    cleared: u64,
}

/// The waiting samples; without capacity there are none.
struct Queue {
    samples: VecDeque<i16>,
    block: usize,
    capacity: usize,
}

// === impl Source ===

impl Source {
    /// At most `queue_blocks` of 10 ms wait; with zero the caller that captures keeps the pace.
    pub(crate) fn new(format: Format, queue_blocks: usize) -> Arc<Self> {
        let block = format.samples();
        let queue = Queue { samples: VecDeque::new(), block, capacity: queue_blocks.saturating_mul(block) };
        let state = Mutex::new(State { queue, sinks: Sinks::default(), runs: false, cleared: 0 });
        Arc::new(Self { format, state, room: Notify::new() })
    }

    pub(crate) fn format(&self) -> Format {
        self.format
    }

    /// Whether samples wait here, as opposed to going to the sinks at once.
    pub(crate) fn is_queued(&self) -> bool {
        self.state.lock().queue.capacity > 0
    }

    /// Plays one block at once.
    pub(crate) fn play(&self, block: &[i16]) {
        let sinks = self.state.lock().sinks.clone();
        sinks.iter().for_each(|sink| sink.block(block));
    }

    /// Puts samples into the queue part by part, and returns once no more than its capacity waits.
    pub(crate) async fn push(self: &Arc<Self>, samples: &[i16]) -> Result<(), RtcError> {
        let (capacity, cleared) = {
            let state = self.state.lock();
            (state.queue.capacity, state.cleared)
        };
        for part in samples.chunks(capacity.max(1)) {
            {
                let mut state = self.state.lock();
                if state.cleared != cleared {
                    break;
                }
                state.queue.push(part)?;
            }
            self.run()?;
            self.wait_for_room().await;
        }
        Ok(())
    }

    /// Drops the queued samples and those of the callers that wait for room, and lets these callers return.
    pub(crate) fn clear(&self) {
        {
            let mut state = self.state.lock();
            state.queue.samples.clear();
            state.cleared += 1;
        }
        self.room.notify_waiters();
    }

    pub(crate) fn add_sink(self: &Arc<Self>, sink: Arc<dyn Sink>) -> Result<(), RtcError> {
        {
            let mut state = self.state.lock();
            state.sinks = state.sinks.iter().cloned().chain([sink]).collect();
        }
        // Without a queue the caller that captures is the clock.
        if self.is_queued() { self.run() } else { Ok(()) }
    }

    pub(crate) fn remove_sink(&self, sink: &Arc<dyn Sink>) {
        let mut state = self.state.lock();
        state.sinks = state.sinks.iter().filter(|other| !Arc::ptr_eq(other, sink)).cloned().collect();
    }

    async fn wait_for_room(&self) {
        loop {
            // Registers before the queue is read, so that no beat in between is missed.
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            if !self.state.lock().queue.is_over() {
                return;
            }
            room.await;
        }
    }

    fn run(self: &Arc<Self>) -> Result<(), RtcError> {
        let runtime = runtime::handle()?;
        if !std::mem::replace(&mut self.state.lock().runs, true) {
            let (source, mut block) = (Arc::downgrade(self), Vec::new());
            clock::start(&runtime, move || beat(&source, &mut block));
        }
        Ok(())
    }

    /// Puts the next block, silent when the queue is empty, into `block`, and returns its sinks; `None` when neither sinks
    /// nor a whole block are left.
    fn next(&self, block: &mut Vec<i16>) -> Option<Sinks> {
        let mut state = self.state.lock();
        if state.sinks.is_empty() && state.queue.samples.len() < state.queue.block {
            state.runs = false;
            return None;
        }
        state.queue.pop(block);
        if !state.queue.is_over() {
            self.room.notify_waiters();
        }
        Some(state.sinks.clone())
    }
}

fn beat(source: &Weak<Source>, block: &mut Vec<i16>) -> Beat {
    let Some(source) = source.upgrade() else { return Beat::Done };
    let Some(sinks) = source.next(block) else { return Beat::Done };
    sinks.iter().for_each(|sink| sink.block(block));
    Beat::GoOn
}

// === impl Queue ===

impl Queue {
    /// Takes up to twice the capacity: a full queue and the part that one caller waits with.
    fn push(&mut self, samples: &[i16]) -> Result<(), RtcError> {
        if self.samples.len() + samples.len() > self.capacity.saturating_mul(2) {
            let message = "the queue of the audio source is full: wait for one capture_frame before the next";
            return Err(RtcError::invalid_state(message));
        }
        self.samples.extend(samples);
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.samples.len() > self.capacity
    }

    /// A rest shorter than a block waits for more samples, and silence is played meanwhile.
    fn pop(&mut self, block: &mut Vec<i16>) {
        block.clear();
        if self.samples.len() < self.block {
            return block.resize(self.block, 0);
        }
        block.extend(self.samples.drain(..self.block));
    }
}
