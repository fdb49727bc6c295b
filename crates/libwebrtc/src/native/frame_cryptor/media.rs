//! The cryptor of one track, as the media path sees it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicI32, AtomicU32, Ordering},
};

use parking_lot::Mutex;

use super::{
    EncryptionAlgorithm, EncryptionState, OnStateChange,
    frame::{self, Sealed},
    key_ring::KeyRing,
    key_set::KeySet,
    key_store::{KeyStore, Pending},
    server_injected,
};
use crate::{
    callback::Slot,
    pc::{frame_transform::FrameTransform, transceiver::Kind},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Send,
    Receive,
}

/// The stream and direction of a cryptor.
pub(super) struct Purpose {
    pub(super) participant: String,
    pub(super) algorithm: EncryptionAlgorithm,
    pub(super) direction: Direction,
    pub(super) kind: Kind,
}

pub(super) struct MediaCryptor {
    purpose: Purpose,
    keys: Arc<KeyStore>,
    enabled: AtomicBool,
    key_index: AtomicI32,
    sent: AtomicU32,
    status: Mutex<Status>,
    observer: Slot<OnStateChange>,
}

struct Status {
    state: EncryptionState,
    /// Whether the last frame failed, so that a series of failures is logged once.
    failing: bool,
}

// === impl MediaCryptor ===

impl MediaCryptor {
    pub(super) fn new(purpose: Purpose, keys: Arc<KeyStore>) -> Self {
        Self {
            purpose,
            keys,
            enabled: AtomicBool::new(false),
            key_index: AtomicI32::new(0),
            sent: frame::new_count(),
            status: Mutex::new(Status { state: EncryptionState::New, failing: false }),
            observer: Slot::default(),
        }
    }

    pub(super) fn participant(&self) -> &str {
        &self.purpose.participant
    }

    pub(super) fn set_enabled(&self, enabled: bool) {
        self.enabled.store(enabled, Ordering::Relaxed);
    }

    pub(super) fn enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }

    pub(super) fn set_key_index(&self, index: i32) {
        self.key_index.store(index, Ordering::Relaxed);
    }

    pub(super) fn key_index(&self) -> i32 {
        self.key_index.load(Ordering::Relaxed)
    }

    pub(super) fn observe(&self, observer: Option<OnStateChange>) {
        self.observer.set(observer);
    }

    fn encrypt(&self, ssrc: u32, timestamp: u32, payload: Vec<u8>) -> Option<Vec<u8>> {
        if !self.is_supported() {
            return self.drop_as(EncryptionState::EncryptionFailed);
        }
        let key = self.keys.ring_of(self.participant()).and_then(|ring| ring.get(self.key_index()));
        let Some((index, key)) = key else { return self.drop_as(EncryptionState::MissingKey) };
        let iv = frame::iv(ssrc, timestamp, self.sent.fetch_add(1, Ordering::Relaxed));
        let Some(frame) = frame::seal(payload, &key, index, iv) else {
            return self.drop_as(EncryptionState::EncryptionFailed);
        };
        self.report(EncryptionState::Ok);
        Some(frame)
    }

    fn decrypt(&self, payload: &[u8]) -> Option<Vec<u8>> {
        if !self.is_supported() {
            return self.drop_as(EncryptionState::DecryptionFailed);
        }
        if let Some(injected) = self.keys.trailer().strip(payload) {
            let silence = server_injected::is_silence(injected);
            return if silence {
                Some(injected.to_vec())
            } else {
                self.drop_as(EncryptionState::DecryptionFailed)
            };
        }
        let Some(sealed) = Sealed::parse(payload) else {
            return self.drop_as(EncryptionState::DecryptionFailed);
        };
        let Some((ring, key)) = self.key_for(&sealed) else {
            return self.drop_as(EncryptionState::MissingKey);
        };
        if self.status.lock().state == EncryptionState::DecryptionFailed && !ring.usable() {
            return None;
        }
        let frame = sealed.open(&key).or_else(|| self.decrypt_ahead(&sealed, &ring, &key))?;
        self.report(EncryptionState::Ok);
        Some(frame)
    }

    fn key_for(&self, sealed: &Sealed) -> Option<(Arc<KeyRing>, Arc<KeySet>)> {
        let ring = self.keys.ring_of(self.participant())?;
        let (_, key) = ring.get(i32::from(sealed.key_index))?;
        Some((ring, key))
    }

    /// The sender may have ratcheted its key without telling us.
    fn decrypt_ahead(&self, sealed: &Sealed, ring: &KeyRing, key: &Arc<KeySet>) -> Option<Vec<u8>> {
        match self.keys.open_ahead_at_once(key, |key| sealed.open(key)) {
            Ok(Some((next, frame))) => {
                ring.advance(sealed.key_index, key, next);
                self.report(EncryptionState::KeyRatcheted);
                Some(frame)
            }
            Ok(None) => {
                self.count_failure(ring);
                None
            }
            Err(Pending) => None,
        }
    }

    fn count_failure(&self, ring: &KeyRing) {
        if !std::mem::replace(&mut self.status.lock().failing, true) {
            let participant = self.participant();
            log::warn!(
                "media of {participant} cannot be decrypted and is dropped: its key differs from the one set here"
            );
        }
        if ring.failed(self.keys.failure_tolerance()) {
            self.report(EncryptionState::DecryptionFailed);
        }
    }

    /// The API names AES-CBC, which the C++ library does not implement either. The clear bytes of video depend on its
    /// codec, and no video flows here.
    fn is_supported(&self) -> bool {
        self.purpose.algorithm == EncryptionAlgorithm::AesGcm && self.purpose.kind == Kind::Audio
    }

    fn drop_as(&self, state: EncryptionState) -> Option<Vec<u8>> {
        self.report(state);
        None
    }

    /// Calls the observer, if the state has changed.
    fn report(&self, state: EncryptionState) {
        let mut status = self.status.lock();
        status.failing &= state != EncryptionState::Ok;
        let before = std::mem::replace(&mut status.state, state);
        drop(status);
        if before != state {
            self.observer.with(|observer| observer(self.participant().to_owned(), state));
        }
    }
}

impl FrameTransform for MediaCryptor {
    fn transform(&self, ssrc: u32, timestamp: u32, payload: Vec<u8>) -> Option<Vec<u8>> {
        if payload.is_empty() || !self.enabled() {
            return Some(payload);
        }
        match self.purpose.direction {
            Direction::Send => self.encrypt(ssrc, timestamp, payload),
            Direction::Receive => self.decrypt(&payload),
        }
    }
}
