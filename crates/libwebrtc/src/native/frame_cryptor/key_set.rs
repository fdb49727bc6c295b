//! One key of a ring: its material, its cipher, and the keys that follow it.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::derivation::{Derivation, Derived};

pub(super) const TAG_LEN: usize = 16;
pub(super) const IV_LEN: usize = 12;

const AES_KEY_LEN: usize = 16;
/// Threads that derive keys ahead, in the whole process.
const MAX_LOOKING_AHEAD: usize = 2;

pub(super) type Iv = [u8; IV_LEN];

/// This type has no `Debug`, so that no key can reach a log.
pub(super) struct KeySet {
    material: Zeroizing<Vec<u8>>,
    derived: Derived,
    cipher: LessSafeKey,
    next: OnceLock<Option<Arc<KeySet>>>,
    looking_ahead: AtomicBool,
}

/// One of the [`MAX_LOOKING_AHEAD`] places for threads.
struct Place(());

// === impl KeySet ===

impl KeySet {
    /// Derives the key, which is slow with PBKDF2.
    pub(super) fn derive(material: Vec<u8>, derivation: &Derivation) -> Option<Arc<Self>> {
        let material = Zeroizing::new(material);
        let derived = derivation.derive(&material)?;
        let cipher = UnboundKey::new(&AES_128_GCM, &derived[..AES_KEY_LEN]).ok()?;
        Some(Arc::new(Self {
            material,
            derived,
            cipher: LessSafeKey::new(cipher),
            next: OnceLock::new(),
            looking_ahead: AtomicBool::new(false),
        }))
    }

    pub(super) fn material(&self) -> Vec<u8> {
        self.material.to_vec()
    }

    /// The key that this one is ratcheted to, derived on the first call only.
    pub(super) fn next(&self, derivation: &Derivation) -> Option<Arc<Self>> {
        self.next.get_or_init(|| Self::derive(self.derived.to_vec(), derivation)).clone()
    }

    /// [`KeySet::next`], if it is already derived.
    pub(super) fn known_next(&self) -> Option<Arc<Self>> {
        self.next.get().cloned().flatten()
    }

    /// Derives the `steps` keys after this one on a separate thread. The cryptor of media calls this for each frame
    /// until they are known.
    pub(super) fn look_ahead(self: &Arc<Self>, derivation: &Arc<Derivation>, steps: usize) {
        if self.looking_ahead.swap(true, Ordering::Relaxed) {
            return;
        }
        if !self.spawn_look_ahead(derivation.clone(), steps) {
            self.looking_ahead.store(false, Ordering::Relaxed);
        }
    }

    fn spawn_look_ahead(self: &Arc<Self>, derivation: Arc<Derivation>, steps: usize) -> bool {
        let Some(place) = Place::take() else { return false };
        let mut key = self.clone();
        let work = move || {
            let _place = place;
            for _ in 0..steps {
                let Some(next) = key.next(&derivation) else { break };
                key = next;
            }
        };
        thread::Builder::new().name("libwebrtc-keys".to_owned()).spawn(work).is_ok()
    }

    /// Encrypts `data` in place and returns the tag.
    pub(super) fn seal(&self, iv: Iv, header: &[u8], data: &mut [u8]) -> Option<[u8; TAG_LEN]> {
        let nonce = Nonce::assume_unique_for_key(iv);
        let tag = self.cipher.seal_in_place_separate_tag(nonce, Aad::from(header), data).ok()?;
        tag.as_ref().try_into().ok()
    }

    /// Decrypts `sealed`, which ends in its tag; `None` when it was encrypted with another key or changed since.
    pub(super) fn open(&self, iv: Iv, header: &[u8], sealed: &[u8]) -> Option<Vec<u8>> {
        let mut data = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(iv);
        let opened = self.cipher.open_in_place(nonce, Aad::from(header), &mut data).ok()?.len();
        data.truncate(opened);
        Some(data)
    }
}

// === impl Place ===

static LOOKING_AHEAD: AtomicUsize = AtomicUsize::new(0);

impl Place {
    fn take() -> Option<Self> {
        let more = |taken| (taken < MAX_LOOKING_AHEAD).then_some(taken + 1);
        LOOKING_AHEAD.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Self(()))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        LOOKING_AHEAD.fetch_sub(1, Ordering::Relaxed);
    }
}
