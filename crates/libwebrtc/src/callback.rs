//! Callbacks that a program registers, and how they are called without a lock held.

use std::panic::{AssertUnwindSafe, catch_unwind};

use parking_lot::Mutex;

/// A place for one callback of type `F`.
///
/// A callback is taken out of its place while it runs, so that it may register another one, or none, for the same
/// event.
pub(crate) struct Slot<F> {
    inner: Mutex<Inner<F>>,
}

struct Inner<F> {
    callback: Option<F>,
    /// The number of registrations, which shows whether the place was filled anew while the callback ran.
    generation: u64,
}

impl<F> Slot<F> {
    pub(crate) fn set(&self, callback: Option<F>) {
        // The old callback is dropped after the lock is released: it may own the last handle of its own connection.
        let _old = {
            let mut inner = self.inner.lock();
            inner.generation += 1;
            std::mem::replace(&mut inner.callback, callback)
        };
    }

    /// Runs `call` with the callback, if there is one. A panic in it is logged and not propagated.
    pub(crate) fn with(&self, call: impl FnOnce(&mut F)) {
        let (mut callback, generation) = {
            let mut inner = self.inner.lock();
            match inner.callback.take() {
                Some(callback) => (callback, inner.generation),
                None => return,
            }
        };
        if catch_unwind(AssertUnwindSafe(|| call(&mut callback))).is_err() {
            log::error!("a WebRTC callback panicked; the connection goes on");
        }
        let mut inner = self.inner.lock();
        if inner.generation == generation {
            inner.callback = Some(callback);
        }
    }
}

impl<F> Default for Slot<F> {
    fn default() -> Self {
        Self { inner: Mutex::new(Inner { callback: None, generation: 0 }) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    };

    use super::*;

    type Callback = Box<dyn FnMut(u32) + Send>;

    #[test]
    fn a_callback_may_replace_itself_while_it_runs() {
        let slot: Arc<Slot<Callback>> = Arc::default();
        let seen = Arc::new(AtomicU32::new(0));
        let (inner_slot, inner_seen) = (slot.clone(), seen.clone());
        slot.set(Some(Box::new(move |_| {
            let seen = inner_seen.clone();
            inner_slot.set(Some(Box::new(move |value| seen.store(value, Ordering::Relaxed))));
        })));
        slot.with(|callback| callback(1));
        slot.with(|callback| callback(2));
        assert_eq!(seen.load(Ordering::Relaxed), 2);
        slot.set(None);
    }

    #[test]
    fn a_panicking_callback_is_kept_and_called_again() {
        let slot: Slot<Callback> = Slot::default();
        let seen = Arc::new(AtomicU32::new(0));
        let inner = seen.clone();
        slot.set(Some(Box::new(move |value| {
            inner.fetch_add(value, Ordering::Relaxed);
            assert!(value != 1, "the first call panics");
        })));
        slot.with(|callback| callback(1));
        slot.with(|callback| callback(2));
        assert_eq!(seen.load(Ordering::Relaxed), 3);
    }
}
