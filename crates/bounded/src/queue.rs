//! Items on their way to the thread that handles them.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A queue with room for so many items and so much weight. Pushing never waits: an item without room is dropped and
/// counted. One thread takes the items.
#[derive(Debug)]
pub struct Queue<T> {
    limits: Limits,
    state: Mutex<State<T>>,
    /// An item was pushed, or the queue was closed.
    arrived: Condvar,
    /// The thread has ended.
    finished: Condvar,
}

/// The room of a queue, or of one batch that is taken from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub items: usize,
    /// The sum of the weights that items were pushed with, in bytes as a rule.
    pub weight: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<(T, usize)>,
    weight: usize,
    /// The number of the oldest items that were peeked at, and stay as they are.
    in_hand: usize,
    /// When the oldest item was pushed, as far as that is known.
    since: Option<Instant>,
    dropped: u64,
    /// Set until the queue is empty again.
    overflowing: bool,
    /// No item is waited for any more.
    draining: bool,
    /// No item is taken any more.
    closed: bool,
    finished: bool,
}

/// What became of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushed {
    Taken,
    /// It was dropped. `first`: there was room until now, so the log has not said so yet.
    Full {
        first: bool,
    },
    /// It was dropped: the queue is closed.
    Closed,
}

/// The next step of the thread that takes items.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// At least one item waits.
    Work,
    /// No item came in time.
    Idle,
    /// The queue is closed and empty.
    End,
}

// === impl Limits ===

impl Limits {
    /// A limit of items alone.
    pub const fn items(items: usize) -> Self {
        Self { items, weight: usize::MAX }
    }
}

// === impl Queue ===

impl<T> Queue<T> {
    pub fn new(limits: Limits) -> Self {
        Self { limits, state: Mutex::default(), arrived: Condvar::new(), finished: Condvar::new() }
    }

    pub fn push(&self, item: T, weight: usize) -> Pushed {
        self.push_or_replace(item, weight, |_| false)
    }

    /// As [`Queue::push`]; where there is no room, the item takes the place of a waiting one that it `replaces`.
    pub fn push_or_replace(&self, item: T, weight: usize, replaces: impl Fn(&T) -> bool) -> Pushed {
        let mut state = self.lock();
        if state.closed {
            state.dropped += 1;
            return Pushed::Closed;
        }
        if !state.has_room(self.limits, weight) {
            return state.replace(item, weight, replaces);
        }
        state.weight += weight;
        state.since.get_or_insert_with(Instant::now);
        state.items.push_back((item, weight));
        drop(state);
        self.arrived.notify_one();
        Pushed::Taken
    }

    /// Waits for an item, until the deadline if there is one. A closed queue does not wait.
    pub fn wait(&self, deadline: Option<Instant>) -> Next {
        let mut state = self.lock();
        loop {
            if !state.items.is_empty() {
                return Next::Work;
            }
            if state.draining {
                return Next::End;
            }
            match self.wait_until(state, deadline) {
                Ok(woken) => state = woken,
                Err(_) => return Next::Idle,
            }
        }
    }

    /// Waits until a batch is due: so many `items` wait, or the oldest has waited for `delay`, or the queue is closed.
    /// False when it is closed and empty.
    pub fn wait_for_batch(&self, items: usize, delay: Duration) -> bool {
        let mut state = self.lock();
        loop {
            if state.draining || state.items.len() >= items {
                return !state.items.is_empty();
            }
            let due = state.since.map(|since| since + delay);
            match self.wait_until(state, due) {
                Ok(woken) => state = woken,
                Err(_) => return true,
            }
        }
    }

    /// Takes the oldest items, at most so many of at most this weight, but at least one if there is one.
    pub fn take(&self, most: Limits) -> Vec<T> {
        self.lock().take(most)
    }

    /// The oldest items, at most `most`. They stay in the queue until [`Queue::forget`], and until then, or a
    /// [`Queue::pause`], none of them is replaced.
    pub fn peek(&self, most: usize) -> Vec<T>
    where
        T: Clone,
    {
        let mut state = self.lock();
        state.in_hand = most.min(state.items.len());
        state.items.iter().take(most).map(|(item, _)| item.clone()).collect()
    }

    /// Removes the oldest `count` items.
    pub fn forget(&self, count: usize) {
        self.lock().take(Limits::items(count));
    }

    /// Waits without being woken by items; true when the queue was closed meanwhile.
    pub fn pause(&self, length: Duration) -> bool {
        let deadline = Instant::now() + length;
        let mut state = self.lock();
        state.in_hand = 0;
        while !state.draining {
            match self.wait_until(state, Some(deadline)) {
                Ok(woken) => state = woken,
                Err(late) => return late.draining,
            }
        }
        true
    }

    /// Lets the waiting items out at once, and takes no more.
    pub fn close(&self) {
        let mut state = self.lock();
        (state.draining, state.closed) = (true, true);
        drop(state);
        self.arrived.notify_all();
    }

    /// Lets the waiting items out at once. Items that are pushed until [`Queue::finish`] still come after these.
    pub fn drain(&self) {
        self.lock().draining = true;
        self.arrived.notify_all();
    }

    /// The thread has ended, and takes nothing more.
    pub fn finish(&self) {
        let mut state = self.lock();
        (state.draining, state.closed, state.finished) = (true, true, true);
        drop(state);
        self.finished.notify_all();
    }

    /// Waits for the thread's end; false when it did not come in time.
    pub fn wait_until_finished(&self, patience: Duration) -> bool {
        let unfinished = |state: &mut State<T>| !state.finished;
        let waited = self.finished.wait_timeout_while(self.lock(), patience, unfinished);
        waited.unwrap_or_else(PoisonError::into_inner).0.finished
    }

    /// The number of waiting items of this kind.
    pub fn count(&self, is_wanted: impl Fn(&T) -> bool) -> usize {
        self.lock().items.iter().filter(|(item, _)| is_wanted(item)).count()
    }

    /// The number of items that were dropped so far.
    pub fn dropped(&self) -> u64 {
        self.lock().dropped
    }

    /// Waits for a change; the state again, as an error when the deadline has come.
    fn wait_until<'a>(
        &self,
        state: MutexGuard<'a, State<T>>,
        deadline: Option<Instant>,
    ) -> Result<MutexGuard<'a, State<T>>, MutexGuard<'a, State<T>>> {
        let Some(deadline) = deadline else {
            return Ok(self.arrived.wait(state).unwrap_or_else(PoisonError::into_inner));
        };
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(state);
        }
        Ok(self.arrived.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0)
    }

    /// A panic elsewhere leaves the queue whole.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl State ===

impl<T> Default for State<T> {
    fn default() -> Self {
        Self {
            items: VecDeque::new(),
            weight: 0,
            in_hand: 0,
            since: None,
            dropped: 0,
            overflowing: false,
            draining: false,
            closed: false,
            finished: false,
        }
    }
}

impl<T> State<T> {
    fn has_room(&self, limits: Limits, weight: usize) -> bool {
        self.items.len() < limits.items && self.weight.saturating_add(weight) <= limits.weight
    }

    /// Puts the item in the place of a waiting one, or drops it.
    fn replace(&mut self, item: T, weight: usize, replaces: impl Fn(&T) -> bool) -> Pushed {
        let mut waiting = self.items.iter_mut().skip(self.in_hand);
        if let Some(place) = waiting.find(|(old, _)| replaces(old)) {
            self.weight = self.weight - place.1 + weight;
            *place = (item, weight);
            return Pushed::Taken;
        }
        self.dropped += 1;
        Pushed::Full { first: !std::mem::replace(&mut self.overflowing, true) }
    }

    fn take(&mut self, most: Limits) -> Vec<T> {
        let (mut count, mut weight) = (0, 0);
        for (_, size) in self.items.iter().take(most.items) {
            if count > 0 && weight + size > most.weight {
                break;
            }
            (count, weight) = (count + 1, weight + size);
        }
        self.weight -= weight;
        self.in_hand = 0;
        let taken = self.items.drain(..count).map(|(item, _)| item).collect();
        self.overflowing &= !self.items.is_empty();
        self.since = (!self.items.is_empty()).then(Instant::now);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    fn queue(items: usize) -> Queue<u32> {
        Queue::new(Limits::items(items))
    }

    fn idle(queue: &Queue<u32>) -> Next {
        queue.wait(Some(Instant::now() + SOON))
    }

    #[test]
    fn an_overflow_is_first_once_until_the_queue_was_empty() {
        let queue = queue(2);
        let pushed: Vec<_> = (0..4).map(|item| queue.push(item, 0)).collect();
        let (first, again) = (Pushed::Full { first: true }, Pushed::Full { first: false });
        assert_eq!(pushed, [Pushed::Taken, Pushed::Taken, first, again]);
        queue.forget(1);
        assert_eq!((queue.push(4, 0), queue.push(5, 0)), (Pushed::Taken, again));
        queue.forget(9);
        assert_eq!(idle(&queue), Next::Idle);
        assert_eq!([6, 7, 8].map(|item| queue.push(item, 0))[2], first);
        assert_eq!(queue.dropped(), 4);
    }

    #[test]
    fn weight_is_bounded_too_and_one_item_always_goes() {
        let queue = Queue::new(Limits { items: 10, weight: 20 });
        let pushed = [1, 2, 3].map(|item| queue.push(item, 10));
        assert_eq!(pushed, [Pushed::Taken, Pushed::Taken, Pushed::Full { first: true }]);
        assert_eq!(queue.take(Limits { items: 10, weight: 10 }), [1]);
        assert_eq!(queue.take(Limits { items: 10, weight: 1 }), [2]);
        assert_eq!(queue.push(4, 20), Pushed::Taken, "what was taken weighs nothing");
    }

    #[test]
    fn items_that_were_not_forgotten_are_seen_again_in_order() {
        let queue = queue(9);
        (0..5).for_each(|item| assert_eq!(queue.push(item, 0), Pushed::Taken));
        assert_eq!((queue.peek(3), queue.peek(2)), (vec![0, 1, 2], vec![0, 1]));
        assert_eq!(queue.count(|item| item % 2 == 0), 3);
        queue.forget(2);
        assert_eq!(queue.count(|item| item % 2 == 0), 2);
        assert_eq!(queue.peek(9), [2, 3, 4]);
    }

    #[test]
    fn a_closed_queue_gives_what_it_has_and_then_ends() {
        let queue = queue(9);
        queue.push(1, 0);
        queue.close();
        assert_eq!(
            (queue.push(2, 0), queue.wait(None), queue.pause(SOON)),
            (Pushed::Closed, Next::Work, true)
        );
        assert!(queue.wait_for_batch(9, Duration::from_secs(3600)));
        assert!(!queue.wait_until_finished(SOON));
        queue.forget(1);
        assert_eq!((queue.wait(None), queue.wait_for_batch(9, SOON)), (Next::End, false));
        queue.finish();
        assert!(queue.wait_until_finished(Duration::from_secs(3600)));
    }

    #[test]
    fn a_draining_queue_waits_for_nothing_and_takes_until_its_end() {
        let queue = queue(9);
        queue.push(1, 0);
        queue.drain();
        assert_eq!((queue.push(2, 0), queue.take(Limits::items(9))), (Pushed::Taken, vec![1, 2]));
        assert_eq!((queue.wait(None), queue.wait_for_batch(9, SOON)), (Next::End, false));
        queue.finish();
        assert_eq!((queue.push(3, 0), queue.dropped()), (Pushed::Closed, 1));
    }

    #[test]
    fn a_replacement_takes_the_place_of_an_item_that_is_not_in_hand() {
        let queue = queue(2);
        let replace = |new: u32| queue.push_or_replace(new, 0, |old| *old == new - 10);
        assert_eq!([replace(11), replace(12)], [Pushed::Taken, Pushed::Taken]);
        assert_eq!(replace(22), Pushed::Taken);
        assert_eq!(replace(30), Pushed::Full { first: true });
        assert_eq!(queue.peek(1), [11]);
        assert_eq!(replace(21), Pushed::Full { first: false });
        assert_eq!(replace(32), Pushed::Taken);
        assert!(!queue.pause(Duration::ZERO));
        assert_eq!(replace(21), Pushed::Taken);
        assert_eq!(queue.peek(9), [21, 32]);
    }

    #[test]
    fn a_batch_is_due_when_it_is_full_or_old_enough() {
        let queue = queue(9);
        queue.push(1, 0);
        let begun = Instant::now();
        assert!(queue.wait_for_batch(2, Duration::from_millis(30)));
        assert!(begun.elapsed() >= Duration::from_millis(20), "it was too young");
        queue.push(2, 0);
        assert!(queue.wait_for_batch(2, Duration::from_secs(3600)));
    }
}
