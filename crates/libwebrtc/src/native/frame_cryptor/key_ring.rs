//! The keys of one participant.

use std::sync::Arc;

use parking_lot::Mutex;

use super::key_set::KeySet;

const DEFAULT_SIZE: usize = 16;
/// A frame names its key in one byte.
const MAX_SIZE: usize = 256;
/// Stands for the key that was set last.
const CURRENT: i32 = -1;

pub(super) struct KeyRing {
    inner: Mutex<Inner>,
}

#[derive(Clone)]
struct Inner {
    keys: Box<[Option<Arc<KeySet>>]>,
    current: usize,
    /// Undecryptable frames since a key was set last.
    failures: u32,
    /// False after more failures than are tolerated.
    usable: bool,
}

// === impl KeyRing ===

impl KeyRing {
    /// An invalid size is replaced, as in the C++ library.
    pub(super) fn new(size: i32) -> Self {
        let size = match usize::try_from(size) {
            Ok(0) | Err(_) => DEFAULT_SIZE,
            Ok(size) => size.min(MAX_SIZE),
        };
        let keys = vec![None; size].into_boxed_slice();
        Self { inner: Mutex::new(Inner { keys, current: 0, failures: 0, usable: false }) }
    }

    /// A separate ring that starts with the same keys.
    pub(super) fn copy(&self) -> Self {
        Self { inner: Mutex::new(self.inner.lock().clone()) }
    }

    /// The key under `index`, and its index in the ring.
    pub(super) fn get(&self, index: i32) -> Option<(u8, Arc<KeySet>)> {
        let inner = self.inner.lock();
        let index = if index == CURRENT { inner.current } else { usize::try_from(index).ok()? };
        let key = inner.keys.get(index)?.clone()?;
        Some((u8::try_from(index).ok()?, key))
    }

    /// Makes `key` the current one. An index behind the end of the ring continues at its beginning, as in the other
    /// SDKs; a negative one stands for the current key.
    pub(super) fn set(&self, index: i32, key: Arc<KeySet>) {
        let mut inner = self.inner.lock();
        if let Ok(index) = usize::try_from(index) {
            inner.current = index % inner.keys.len();
        }
        let current = inner.current;
        inner.keys[current] = Some(key);
        inner.forgive();
    }

    /// Replaces `old` by `new`; returns false when another key has been set there since.
    pub(super) fn advance(&self, index: u8, old: &Arc<KeySet>, new: Arc<KeySet>) -> bool {
        let mut inner = self.inner.lock();
        let Some(slot) = inner.keys.get_mut(usize::from(index)) else { return false };
        if !slot.as_ref().is_some_and(|key| Arc::ptr_eq(key, old)) {
            return false;
        }
        *slot = Some(new);
        inner.current = usize::from(index);
        inner.forgive();
        true
    }

    pub(super) fn usable(&self) -> bool {
        self.inner.lock().usable
    }

    /// Counts an undecryptable frame; returns whether that exceeds the tolerance. A negative tolerance is never
    /// exceeded.
    pub(super) fn failed(&self, tolerance: i32) -> bool {
        let Ok(tolerance) = u32::try_from(tolerance) else { return false };
        let mut inner = self.inner.lock();
        inner.failures = inner.failures.saturating_add(1);
        let too_many = inner.failures > tolerance;
        inner.usable &= !too_many;
        too_many
    }
}

impl Inner {
    fn forgive(&mut self) {
        self.failures = 0;
        self.usable = true;
    }
}
