//! The keys of a room: one ring for all participants, or one for each.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;

use super::{
    KeyProviderOptions, derivation::Derivation, key_ring::KeyRing, key_set::KeySet, server_injected::Trailer,
};

/// Participants whose keys are kept. The server names them, so their number needs a limit.
const MAX_PARTICIPANTS: usize = 4096;
/// Beyond this a wrong key would cost minutes of derivation.
const MAX_RATCHET_WINDOW: usize = 256;

pub(super) struct KeyStore {
    shared_key: bool,
    ring_size: i32,
    ratchet_window: usize,
    failure_tolerance: i32,
    derivation: Arc<Derivation>,
    rings: Mutex<Rings>,
    trailer: Mutex<Trailer>,
}

#[derive(Default)]
struct Rings {
    shared: Option<Arc<KeyRing>>,
    participants: HashMap<String, Arc<KeyRing>>,
}

// === impl KeyStore ===

impl KeyStore {
    pub(super) fn new(options: KeyProviderOptions) -> Self {
        let window = usize::try_from(options.ratchet_window_size).unwrap_or(0);
        Self {
            shared_key: options.shared_key,
            ring_size: options.key_ring_size,
            ratchet_window: window.min(MAX_RATCHET_WINDOW),
            failure_tolerance: options.failure_tolerance,
            derivation: Arc::new(Derivation {
                algorithm: options.key_derivation_algorithm,
                salt: options.ratchet_salt,
            }),
            rings: Mutex::default(),
            trailer: Mutex::default(),
        }
    }

    /// Sets the key of all participants, including those with a ring of their own. Refused by a store of individual
    /// keys.
    pub(super) fn set_shared_key(&self, index: i32, material: Vec<u8>) -> bool {
        if !self.shared_key {
            return false;
        }
        // Derives before the lock is taken: frames in flight do not wait for it.
        let Some(key) = KeySet::derive(material, &self.derivation) else { return false };
        let mut rings = self.rings.lock();
        rings.shared.get_or_insert_with(|| Arc::new(KeyRing::new(self.ring_size))).set(index, key.clone());
        rings.set_shared(index, &key);
        true
    }

    pub(super) fn shared_key(&self, index: i32) -> Option<Vec<u8>> {
        let ring = self.rings.lock().shared.clone()?;
        Some(ring.get(index)?.1.material())
    }

    /// Ratchets the key of all participants, and returns the material of the next key.
    pub(super) fn ratchet_shared_key(&self, index: i32) -> Option<Vec<u8>> {
        let ring = self.rings.lock().shared.clone()?;
        let next = self.ratchet(&ring, index)?;
        self.rings.lock().set_shared(index, &next);
        Some(next.material())
    }

    /// Sets a participant's key. Refused when there are too many participants.
    pub(super) fn set_key(&self, participant: String, index: i32, material: Vec<u8>) -> bool {
        let Some(key) = KeySet::derive(material, &self.derivation) else { return false };
        let mut rings = self.rings.lock();
        if !rings.participants.contains_key(&participant) && rings.is_full() {
            log::error!("a key was not stored: there are {MAX_PARTICIPANTS} participants with keys already");
            return false;
        }
        let ring = rings.participants.entry(participant);
        ring.or_insert_with(|| Arc::new(KeyRing::new(self.ring_size))).set(index, key);
        true
    }

    pub(super) fn key(&self, participant: &str, index: i32) -> Option<Vec<u8>> {
        let ring = self.rings.lock().participants.get(participant).cloned()?;
        Some(ring.get(index)?.1.material())
    }

    /// Ratchets a participant's key, and returns the material of the next key.
    pub(super) fn ratchet_key(&self, participant: &str, index: i32) -> Option<Vec<u8>> {
        let ring = self.rings.lock().participants.get(participant).cloned()?;
        Some(self.ratchet(&ring, index)?.material())
    }

    pub(super) fn set_trailer(&self, trailer: Trailer) {
        *self.trailer.lock() = trailer;
    }

    pub(super) fn trailer(&self) -> Trailer {
        self.trailer.lock().clone()
    }

    fn ratchet(&self, ring: &KeyRing, index: i32) -> Option<Arc<KeySet>> {
        let (index, key) = ring.get(index)?;
        let next = key.next(&self.derivation)?;
        ring.advance(index, &key, next.clone()).then_some(next)
    }
}

/// The half that the cryptors use.
impl KeyStore {
    /// The keys of a participant. With a shared key, each participant has a copy of its ring, since each may have
    /// ratcheted further than the others.
    pub(super) fn ring_of(&self, participant: &str) -> Option<Arc<KeyRing>> {
        let mut rings = self.rings.lock();
        if !self.shared_key {
            return rings.participants.get(participant).cloned();
        }
        let shared = rings.shared.clone()?;
        if let Some(ring) = rings.participants.get(participant) {
            return Some(ring.clone());
        }
        if rings.is_full() {
            return Some(shared);
        }
        let ring = Arc::new(shared.copy());
        rings.participants.insert(participant.to_owned(), ring.clone());
        Some(ring)
    }

    pub(super) fn failure_tolerance(&self) -> i32 {
        self.failure_tolerance
    }

    /// Tries `open` with the keys that `key` may have been ratcheted to, and derives the missing ones.
    pub(super) fn open_ahead<T>(
        &self,
        key: &Arc<KeySet>,
        open: impl Fn(&KeySet) -> Option<T>,
    ) -> Option<(Arc<KeySet>, T)> {
        let mut key = key.clone();
        for _ in 0..self.ratchet_window {
            key = key.next(&self.derivation)?;
            if let Some(opened) = open(&key) {
                return Some((key, opened));
            }
        }
        None
    }

    /// [`KeyStore::open_ahead`] that never waits for a derivation: those run on another thread, and `Err` says that
    /// they do.
    pub(super) fn open_ahead_at_once<T>(
        &self,
        key: &Arc<KeySet>,
        open: impl Fn(&KeySet) -> Option<T>,
    ) -> Result<Option<(Arc<KeySet>, T)>, Pending> {
        let first = key;
        let mut key = key.clone();
        for _ in 0..self.ratchet_window {
            let Some(next) = key.known_next() else {
                first.look_ahead(&self.derivation, self.ratchet_window);
                return Err(Pending);
            };
            if let Some(opened) = open(&next) {
                return Ok(Some((next, opened)));
            }
            key = next;
        }
        Ok(None)
    }
}

/// Keys are being derived: the next frame may find them.
pub(super) struct Pending;

// === impl Rings ===

impl Rings {
    fn is_full(&self) -> bool {
        self.participants.len() >= MAX_PARTICIPANTS
    }

    fn set_shared(&self, index: i32, key: &Arc<KeySet>) {
        for ring in self.participants.values() {
            ring.set(index, key.clone());
        }
    }
}
