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

    /// Takes the last blocks back, which were silence: those that follow stand in their place. False where that cannot be.
    fn take_back(&self, _blocks: usize) -> bool {
        false
    }

    /// How many of the next blocks, if they are silent, may come later than their time.
    fn rest(&self) -> u32 {
        0
    }
}

/// The blocks that sound begins with: those of a packet.
const FIRST_BLOCKS: usize = PACKET_BLOCKS;
/// The beats of silence that come together at most.
pub(super) const LONGEST_REST: u32 = 20;

/// A queue of samples that is played in real time to all sinks.
///
/// The clock runs while there are sinks or queued samples. Sound behind silence does not wait for it: its first blocks
/// take the place of the last silent ones where the sinks can take these back, so that a packet leaves at once, and keeps
/// the distance between its time and the clock that all packets have.
pub(crate) struct Source {
    format: Format,
    state: Mutex<State>,
    room: Notify,
    /// There is sound behind silence.
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
        let state = Mutex::new(State { queue, sinks, runs: false, is_silent: true, cleared: 0 });
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
                if state.is_silent {
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
            clock::start(&runtime, self.begun.clone(), early, move |was_left| {
                beat(&source, &mut block, was_left)
            });
        }
        Ok(())
    }

    /// Puts the next block, silent when the queue is empty or it is to be, into `block`, and returns its sinks; `None` when neither sinks
    /// nor a whole block are left.
    fn next(&self, block: &mut Vec<i16>, is_silent: bool) -> Option<Sinks> {
        let mut state = self.state.lock();
        let has_block = state.queue.has_block() && !is_silent;
        if state.sinks.is_empty() && !has_block {
            state.runs = false;
            return None;
        }
        state.is_silent = !has_block;
        if has_block {
            self.pop(&mut state, block);
        } else {
            block.clear();
            block.resize(state.queue.block, 0);
        }
        Some(state.sinks.clone())
    }

    /// The next block of sound that begins before its time; a block is put into `block`.
    fn next_early(&self, block: &mut Vec<i16>) {
        let mut state = self.state.lock();
        state.is_silent = false;
        self.pop(&mut state, block);
    }

    /// The sinks for which sound begins now.
    fn begins(&self) -> Option<Sinks> {
        let state = self.state.lock();
        state.begins().then(|| state.sinks.clone())
    }

    fn pop(&self, state: &mut State, block: &mut Vec<i16>) {
        state.queue.pop(block);
        if !state.queue.is_over() {
            self.room.notify_waiters();
        }
    }
}

/// `was_left`: of the silence before what waits now.
fn beat(source: &Weak<Source>, block: &mut Vec<i16>, was_left: bool) -> Beat {
    let Some(source) = source.upgrade() else { return Beat::Done };
    let Some(sinks) = source.next(block, was_left) else { return Beat::Done };
    sinks.iter().for_each(|sink| sink.block(block));
    if source.state.lock().is_silent { rest(&sinks) } else { Beat::GoOn }
}

/// The rest of a clock whose next blocks for these sinks are silent.
pub(super) fn rest<S: Sink + ?Sized>(sinks: &[Arc<S>]) -> Beat {
    let longest = sinks.iter().map(|sink| sink.rest()).min().unwrap_or_default();
    Beat::Rest(longest.min(LONGEST_REST))
}

fn begin(source: &Weak<Source>, block: &mut Vec<i16>) {
    let Some(source) = source.upgrade() else { return };
    let Some(sinks) = source.begins() else { return };
    // Of several sinks some may not be able to; then none may.
    let [sink] = &*sinks else { return };
    if !sink.take_back(FIRST_BLOCKS) {
        return;
    }
    for _ in 0..FIRST_BLOCKS {
        source.next_early(block);
        sink.block(block);
    }
}

// === impl State ===

impl State {
    /// Whether enough samples wait for sound to begin behind silence.
    fn begins(&self) -> bool {
        self.is_silent && self.queue.samples.len() >= FIRST_BLOCKS * self.queue.block
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

    /// A rest shorter than a block waits for more samples, and silence is played meanwhile.
    fn has_block(&self) -> bool {
        self.samples.len() >= self.block
    }

    fn is_over(&self) -> bool {
        self.samples.len() > self.capacity
    }

    fn pop(&mut self, block: &mut Vec<i16>) {
        block.clear();
        block.extend(self.samples.drain(..self.block.min(self.samples.len())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first sample of each block, and when it came.
    #[derive(Default)]
    struct Heard {
        blocks: Mutex<Vec<(i16, tokio::time::Instant)>>,
        cannot_take_back: bool,
        rests: bool,
    }

    impl Sink for Heard {
        fn block(&self, samples: &[i16]) {
            self.blocks.lock().push((samples[0], tokio::time::Instant::now()));
        }

        fn take_back(&self, blocks: usize) -> bool {
            let mut heard = self.blocks.lock();
            let left = heard.len() - blocks;
            assert!(heard[left..].iter().all(|(sample, _)| *sample == 0), "sound was taken back");
            if !self.cannot_take_back {
                heard.truncate(left);
            }
            !self.cannot_take_back
        }

        fn rest(&self) -> u32 {
            if self.rests { 15 } else { 0 }
        }
    }

    const FORMAT: Format = Format { rate: 48_000, channels: 1 };

    async fn wait(ms: u64) {
        tokio::time::sleep(std::time::Duration::from_millis(ms)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn sound_begins_at_once_and_keeps_step_with_the_clock() {
        for rests in [false, true] {
            in_step(Heard { rests, ..Heard::default() }).await;
        }
    }

    async fn in_step(heard: Heard) {
        let (source, heard) = (Source::new(FORMAT, 3), Arc::new(heard));
        let began = tokio::time::Instant::now();
        source.add_sink(heard.clone()).unwrap();
        for round in 1..=3 {
            wait(203).await;
            let pushed = tokio::time::Instant::now();
            for _ in 0..10 {
                source.push(&vec![round; FORMAT.samples()]).await.unwrap();
            }
            wait(60).await;
            let heard = heard.blocks.lock();
            let began = heard.iter().position(|(sample, _)| *sample == round).unwrap();
            let sound: Vec<_> = heard[began..].iter().take(10).copied().collect();
            assert_eq!(sound[..FIRST_BLOCKS], vec![(round, pushed); FIRST_BLOCKS], "they do not wait");
            assert!(sound.iter().all(|(sample, _)| *sample == round), "there is no gap");
            let last = sound[9].1 - pushed;
            assert!((70..=80).contains(&last.as_millis()), "the last of ten after {last:?}");
        }
        wait(305).await;
        source.push(&vec![9; FIRST_BLOCKS * FORMAT.samples()]).await.unwrap();
        wait(1).await;
        let beats = began.elapsed().as_millis() / 10;
        assert_eq!(heard.blocks.lock().len() as u128, beats, "as many blocks as beats");
    }

    #[tokio::test(start_paused = true)]
    async fn sound_waits_for_the_clock_where_silence_cannot_be_taken_back() {
        let heard = Arc::new(Heard { cannot_take_back: true, ..Heard::default() });
        let source = Source::new(FORMAT, 3);
        source.add_sink(heard.clone()).unwrap();
        wait(33).await;
        source.push(&vec![7; 2 * FORMAT.samples()]).await.unwrap();
        wait(30).await;
        let heard: Vec<i16> = heard.blocks.lock().iter().map(|(sample, _)| *sample).collect();
        assert_eq!(heard, [0, 0, 0, 7, 7, 0]);
    }

    #[tokio::test(start_paused = true)]
    async fn samples_that_are_less_than_a_packet_wait_for_the_clock() {
        let (source, heard) = (Source::new(FORMAT, 3), Arc::new(Heard::default()));
        source.add_sink(heard.clone()).unwrap();
        wait(33).await;
        source.push(&vec![7; FORMAT.samples()]).await.unwrap();
        wait(20).await;
        let heard: Vec<i16> = heard.blocks.lock().iter().map(|(sample, _)| *sample).collect();
        assert_eq!(heard, [0, 0, 0, 7, 0]);
    }
}
