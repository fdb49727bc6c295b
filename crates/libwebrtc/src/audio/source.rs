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
        sender::PACKET_BLOCKS,
    },
    runtime,
};

/// Takes the blocks of a source.
pub(crate) trait Sink: Send + Sync {
    /// 10 ms, interleaved, in the format of the source.
    fn block(&self, samples: &[i16]);
}

/// The blocks that sound begins with: those of a packet.
const FIRST_BLOCKS: usize = PACKET_BLOCKS;

/// A queue of samples that is played in real time to all sinks.
///
/// The clock runs while there are sinks or queued samples. Sound behind silence does not wait for it: the first packet
/// leaves as soon as its samples are there, and as many blocks of the next silence are left out, so that the sum of all
/// blocks keeps step with the clock.
pub(crate) struct Source {
    format: Format,
    state: Mutex<State>,
    room: Notify,
    /// Sound has begun.
    begun: Arc<Notify>,
}

/// Replaced as a whole, so that a block takes them without a copy.
type Sinks = Arc<[Arc<dyn Sink>]>;

struct State {
    queue: Queue,
    sinks: Sinks,
    runs: bool,
    /// The last block was silence.
    is_silent: bool,
    /// The blocks that were played before their time.
    ahead: usize,
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
        let sinks = Sinks::default();
        let state = Mutex::new(State { queue, sinks, runs: false, is_silent: true, ahead: 0, cleared: 0 });
        Arc::new(Self { format, state, room: Notify::new(), begun: Arc::default() })
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
                if state.begins() {
                    self.begun.notify_one();
                }
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
            let [early, source] = [Arc::downgrade(self), Arc::downgrade(self)];
            let (mut first, mut block) = (Vec::new(), Vec::new());
            let early = move || begin(&early, &mut first);
            clock::start_with(&runtime, self.begun.clone(), early, move || beat(&source, &mut block));
        }
        Ok(())
    }

    /// Takes the next step of the clock; a block is put into `block`.
    fn next(&self, block: &mut Vec<i16>) -> Next {
        let mut state = self.state.lock();
        let has_block = state.queue.has_block();
        if state.sinks.is_empty() && !has_block {
            state.runs = false;
            return Next::Done;
        }
        state.is_silent = !has_block;
        if !has_block && state.ahead > 0 {
            state.ahead -= 1;
            return Next::Nothing;
        }
        self.pop(&mut state, block);
        Next::Block(state.sinks.clone())
    }

    /// The next block of sound that begins before its time.
    fn next_early(&self, block: &mut Vec<i16>) -> Option<Sinks> {
        let mut state = self.state.lock();
        if state.ahead == FIRST_BLOCKS || !state.queue.has_block() {
            return None;
        }
        state.ahead += 1;
        state.is_silent = false;
        self.pop(&mut state, block);
        Some(state.sinks.clone())
    }

    fn pop(&self, state: &mut State, block: &mut Vec<i16>) {
        state.queue.pop(block);
        if !state.queue.is_over() {
            self.room.notify_waiters();
        }
    }
}

/// What a beat does.
enum Next {
    /// The block that is silent when the queue is empty, for these sinks.
    Block(Sinks),
    /// Silence was left out.
    Nothing,
    /// Neither sinks nor a whole block are left.
    Done,
}

fn beat(source: &Weak<Source>, block: &mut Vec<i16>) -> Beat {
    let Some(source) = source.upgrade() else { return Beat::Done };
    match source.next(block) {
        Next::Block(sinks) => sinks.iter().for_each(|sink| sink.block(block)),
        Next::Nothing => {}
        Next::Done => return Beat::Done,
    }
    Beat::GoOn
}

fn begin(source: &Weak<Source>, block: &mut Vec<i16>) {
    let Some(source) = source.upgrade() else { return };
    while let Some(sinks) = source.next_early(block) {
        sinks.iter().for_each(|sink| sink.block(block));
    }
}

// === impl State ===

impl State {
    /// Whether enough samples wait for sound to begin behind silence.
    fn begins(&self) -> bool {
        let is_heard = self.is_silent && !self.sinks.is_empty();
        is_heard && self.ahead == 0 && self.queue.samples.len() >= FIRST_BLOCKS * self.queue.block
    }
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

    fn has_block(&self) -> bool {
        self.samples.len() >= self.block
    }

    fn is_over(&self) -> bool {
        self.samples.len() > self.capacity
    }

    /// A rest shorter than a block waits for more samples, and silence is played meanwhile.
    fn pop(&mut self, block: &mut Vec<i16>) {
        block.clear();
        if !self.has_block() {
            return block.resize(self.block, 0);
        }
        block.extend(self.samples.drain(..self.block));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first sample of each block, and when it came.
    #[derive(Default)]
    struct Heard(Mutex<Vec<(i16, tokio::time::Instant)>>);

    impl Sink for Heard {
        fn block(&self, samples: &[i16]) {
            self.0.lock().push((samples[0], tokio::time::Instant::now()));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn sound_begins_at_once_and_keeps_step_with_the_clock() {
        let format = Format { rate: 48_000, channels: 1 };
        let (source, heard) = (Source::new(format, 3), Arc::new(Heard::default()));
        let began = tokio::time::Instant::now();
        source.add_sink(heard.clone()).unwrap();
        for round in 1..=3 {
            tokio::time::sleep(std::time::Duration::from_millis(203)).await;
            let (pushed, before) = (tokio::time::Instant::now(), heard.0.lock().len());
            for _ in 0..10 {
                source.push(&vec![round; format.samples()]).await.unwrap();
            }
            tokio::time::sleep(std::time::Duration::from_millis(60)).await;
            let heard = heard.0.lock();
            let first: Vec<_> = heard[before..].iter().take(FIRST_BLOCKS).copied().collect();
            assert_eq!(first, vec![(round, pushed); FIRST_BLOCKS], "they do not wait for the clock");
            assert_eq!(heard.iter().filter(|(sample, _)| *sample == round).count(), 10);
        }
        tokio::time::sleep(std::time::Duration::from_millis(105)).await;
        let beats = began.elapsed().as_millis() / 10;
        assert_eq!(heard.0.lock().len() as u128, beats, "no more blocks than beats");
    }

    #[tokio::test(start_paused = true)]
    async fn samples_that_are_less_than_a_packet_wait_for_the_clock() {
        let format = Format { rate: 48_000, channels: 1 };
        let (source, heard) = (Source::new(format, 3), Arc::new(Heard::default()));
        source.add_sink(heard.clone()).unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(33)).await;
        source.push(&vec![7; format.samples()]).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let heard: Vec<i16> = heard.0.lock().iter().map(|(sample, _)| *sample).collect();
        assert_eq!(heard, [0, 0, 0, 7, 0]);
    }
}
