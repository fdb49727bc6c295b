//! Decoded frames on their way to the reader of a stream.

use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

use parking_lot::Mutex;

/// Frames of 10 ms that wait by default.
const DEFAULT: usize = 10;
/// A reader who asks for no limit gets a minute: a reader that is further behind has stopped reading.
const UNLIMITED: usize = 6000;
/// The frames that were read and are kept for the memory of the next ones.
const SPARE: usize = 4;
/// The first dropped frame is logged, and then one in this many.
const WARN_EVERY: u64 = 100;

pub(crate) struct FrameQueue<F> {
    capacity: usize,
    state: Mutex<State<F>>,
}

struct State<F> {
    frames: VecDeque<F>,
    waker: Option<Waker>,
    closed: bool,
    dropped: u64,
    spare: Vec<F>,
}

impl<F> FrameQueue<F> {
    /// `frames` as in `NativeAudioStreamOptions`: `None` is the default, zero asks for no limit.
    pub(crate) fn new(frames: Option<usize>) -> Self {
        let capacity = match frames {
            None => DEFAULT,
            Some(0) => UNLIMITED,
            Some(frames) => frames.min(UNLIMITED),
        };
        let state =
            State { frames: VecDeque::new(), waker: None, closed: false, dropped: 0, spare: Vec::new() };
        Self { capacity, state: Mutex::new(state) }
    }

    /// The frames that may wait.
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Drops the oldest frame when the queue is full.
    pub(crate) fn push(&self, frame: F) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        if state.frames.len() >= self.capacity {
            state.frames.pop_front();
            state.dropped += 1;
            if state.dropped % WARN_EVERY == 1 {
                log::warn!("an audio stream is read too slowly: {} frames of 10 ms dropped", state.dropped);
            }
        }
        state.frames.push_back(frame);
        let waker = state.waker.take();
        drop(state);
        waker.into_iter().for_each(Waker::wake);
    }

    /// A frame that was read, whose memory may serve the next one.
    pub(crate) fn spare(&self) -> Option<F> {
        self.state.lock().spare.pop()
    }

    /// Takes a frame back that was read.
    pub(crate) fn reuse(&self, frame: F) {
        let mut state = self.state.lock();
        if state.spare.len() < SPARE {
            state.spare.push(frame);
        }
    }

    /// Ends the stream: the waiting frames can still be read.
    pub(crate) fn end(&self) {
        let waker = {
            let mut state = self.state.lock();
            state.closed = true;
            state.waker.take()
        };
        waker.into_iter().for_each(Waker::wake);
    }

    /// Ends the stream and drops the waiting frames, since the reader has gone.
    pub(crate) fn close(&self) {
        self.state.lock().frames.clear();
        self.end();
    }

    pub(crate) fn poll(&self, context: &Context<'_>) -> Poll<Option<F>> {
        let mut state = self.state.lock();
        match state.frames.pop_front() {
            Some(frame) => Poll::Ready(Some(frame)),
            None if state.closed => Poll::Ready(None),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;
    use crate::audio_frame::AudioFrame;

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn frame(mark: u32) -> AudioFrame<'static> {
        AudioFrame { sample_rate: mark, ..AudioFrame::new(48_000, 1, 480) }
    }

    fn read(queue: &FrameQueue<AudioFrame<'static>>) -> Poll<Option<u32>> {
        let context = Context::from_waker(Waker::noop());
        queue.poll(&context).map(|frame| frame.map(|frame| frame.sample_rate))
    }

    #[test]
    fn a_full_queue_drops_the_oldest_frames() {
        let queue = FrameQueue::new(Some(2));
        (1..=4).for_each(|mark| queue.push(frame(mark)));
        assert_eq!(read(&queue), Poll::Ready(Some(3)));
        assert_eq!(read(&queue), Poll::Ready(Some(4)));
        assert_eq!(read(&queue), Poll::Pending);
        assert_eq!(queue.state.lock().dropped, 2);
    }

    #[test]
    fn no_limit_is_a_minute() {
        let queue = FrameQueue::new(Some(0));
        (0..7000).for_each(|mark| queue.push(frame(mark)));
        assert_eq!(queue.state.lock().frames.len(), 6000);
        assert_eq!(FrameQueue::<()>::new(None).capacity, 10);
        assert_eq!(FrameQueue::<()>::new(Some(usize::MAX)).capacity, 6000);
    }

    #[test]
    fn what_waits_at_the_end_is_still_read() {
        let queue = FrameQueue::new(None);
        queue.push(frame(1));
        queue.end();
        queue.push(frame(2));
        assert_eq!(read(&queue), Poll::Ready(Some(1)));
        assert_eq!(read(&queue), Poll::Ready(None));
    }

    #[test]
    fn a_waiting_reader_is_woken_by_a_frame_and_by_the_close() {
        let wakes = Arc::new(Wakes::default());
        let waker = wakes.clone().into();
        let context = Context::from_waker(&waker);
        let queue = FrameQueue::new(None);
        assert!(queue.poll(&context).is_pending());
        queue.push(frame(1));
        assert_eq!(wakes.0.load(Ordering::Relaxed), 1);
        assert!(queue.poll(&context).is_ready());
        assert!(queue.poll(&context).is_pending());
        queue.close();
        assert_eq!(wakes.0.load(Ordering::Relaxed), 2);
        assert!(matches!(queue.poll(&context), Poll::Ready(None)));
    }
}
