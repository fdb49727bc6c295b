//! Turns on their way to the file: the queue is bounded, and never makes the pushing task wait.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Holds the items that the writer has not written.
pub(super) struct Queue<T> {
    bound: usize,
    state: Mutex<State<T>>,
    /// An item was pushed, or the queue was closed.
    work: Condvar,
    /// The writer is done.
    done: Condvar,
}

struct State<T> {
    items: VecDeque<T>,
    /// The number of the oldest items that are being written and have to stay as they are.
    in_hand: usize,
    closed: bool,
    /// The writer has ended.
    ended: bool,
    /// Set until the queue is empty again: an overflow is logged once and counted always.
    overflowing: bool,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    Taken,
    /// `first`: there was room until now.
    Full {
        first: bool,
    },
    Closed,
}

/// The writer's next step.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// At least one item waits.
    Work,
    /// No item came in time.
    Idle,
    /// The queue is closed, and every item was taken.
    End,
}

// === impl Queue ===

impl<T> Queue<T> {
    pub(super) fn new(bound: usize) -> Self {
        let (items, in_hand) = (VecDeque::new(), 0);
        let state = State { items, in_hand, closed: false, ended: false, overflowing: false };
        Self { bound, state: Mutex::new(state), work: Condvar::new(), done: Condvar::new() }
    }

    /// Where there is no room, the item takes the place of the waiting one that it `supersedes`, if there is one.
    pub(super) fn push(&self, item: T, supersedes: impl Fn(&T) -> bool) -> Pushed {
        let mut state = self.lock();
        if state.closed {
            return Pushed::Closed;
        }
        if state.items.len() >= self.bound {
            let in_hand = state.in_hand;
            if let Some(old) = state.items.iter_mut().skip(in_hand).find(|old| supersedes(old)) {
                *old = item;
                return Pushed::Taken;
            }
            let first = !std::mem::replace(&mut state.overflowing, true);
            return Pushed::Full { first };
        }
        state.items.push_back(item);
        drop(state);
        self.work.notify_one();
        Pushed::Taken
    }

    /// Waits for an item, but no longer than `patience`. A closed queue does not wait.
    pub(super) fn wait(&self, patience: Duration) -> Next {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        loop {
            if !state.items.is_empty() {
                return Next::Work;
            }
            if state.closed {
                return Next::End;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Next::Idle;
            }
            state = self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Waits without being woken by items, while the file is not available. True when the queue was closed meanwhile.
    pub(super) fn pause(&self, length: Duration) -> bool {
        let deadline = Instant::now() + length;
        let mut state = self.lock();
        state.in_hand = 0;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if state.closed || left.is_zero() {
                return state.closed;
            }
            state = self.work.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The oldest items, at most `most`. They stay in the queue, and count as waiting, until `forget`; until then, or
    /// a `pause`, none of them is exchanged.
    pub(super) fn peek(&self, most: usize) -> Vec<T>
    where
        T: Clone,
    {
        let mut state = self.lock();
        state.in_hand = most.min(state.items.len());
        state.items.iter().take(most).cloned().collect()
    }

    /// The number of waiting items that are `such`.
    pub(super) fn count(&self, such: impl Fn(&T) -> bool) -> usize {
        self.lock().items.iter().filter(|item| such(item)).count()
    }

    /// Takes the oldest `count` items out: they are written, or given up.
    pub(super) fn forget(&self, count: usize) {
        let mut state = self.lock();
        let count = count.min(state.items.len());
        state.items.drain(..count);
        state.in_hand = 0;
        state.overflowing &= !state.items.is_empty();
    }

    /// Says that the writer takes nothing any more.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.ended = true;
        drop(state);
        self.done.notify_all();
    }

    /// Takes no more items and waits until the writer is done; returns the number of items left over at the deadline.
    pub(super) fn close(&self, patience: Duration) -> usize {
        let deadline = Instant::now() + patience;
        let mut state = self.lock();
        state.closed = true;
        self.work.notify_all();
        while !state.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            state = self.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        state.items.len()
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn push<T>(queue: &Queue<T>, item: T) -> Pushed {
        queue.push(item, |_| false)
    }

    const SOON: Duration = Duration::from_millis(1);

    #[test]
    fn what_does_not_fit_is_refused_and_said_once_until_the_queue_was_empty() {
        let queue = Queue::new(2);
        let pushed: Vec<_> = (0..4).map(|item| push(&queue, item)).collect();
        let (first, again) = (Pushed::Full { first: true }, Pushed::Full { first: false });
        assert_eq!(pushed, [Pushed::Taken, Pushed::Taken, first, again]);
        queue.forget(1);
        assert_eq!((push(&queue, 4), push(&queue, 5)), (Pushed::Taken, Pushed::Full { first: false }));
        queue.forget(9);
        assert_eq!(queue.wait(SOON), Next::Idle);
        assert_eq!([6, 7, 8].map(|item| push(&queue, item))[2], Pushed::Full { first: true });
    }

    #[test]
    fn what_was_not_forgotten_is_seen_again_in_order() {
        let queue = Queue::new(9);
        for item in 0..5 {
            push(&queue, item);
        }
        assert_eq!((queue.peek(3), queue.peek(2)), (vec![0, 1, 2], vec![0, 1]));
        assert_eq!(queue.count(|item| item % 2 == 0), 3);
        queue.forget(2);
        assert_eq!(queue.count(|item| item % 2 == 0), 2);
        assert_eq!(queue.peek(9), [2, 3, 4]);
    }

    #[test]
    fn a_closed_queue_is_emptied_first_and_then_ends() {
        let queue = Queue::new(9);
        push(&queue, 'a');
        assert_eq!(queue.close(SOON), 1, "nobody takes anything");
        assert_eq!(
            (push(&queue, 'b'), queue.wait(SOON), queue.pause(SOON)),
            (Pushed::Closed, Next::Work, true)
        );
        queue.forget(1);
        assert_eq!(queue.wait(SOON), Next::End);
        queue.end();
        assert_eq!(queue.close(Duration::MAX / 4), 0);
    }

    #[test]
    fn where_there_is_no_room_an_item_takes_the_place_of_the_one_it_supersedes_unless_that_is_in_hand() {
        let queue = Queue::new(2);
        let exchange = |new: u32| queue.push(new, |old| *old == new - 10);
        assert_eq!([exchange(11), exchange(12)], [Pushed::Taken, Pushed::Taken]);
        assert_eq!(exchange(22), Pushed::Taken);
        assert_eq!(exchange(30), Pushed::Full { first: true });
        assert_eq!(queue.peek(1), [11]);
        assert_eq!(exchange(21), Pushed::Full { first: false });
        assert_eq!(exchange(32), Pushed::Taken);
        queue.pause(Duration::ZERO);
        assert_eq!(exchange(21), Pushed::Taken);
        assert_eq!(queue.peek(9), [21, 32]);
    }
}
