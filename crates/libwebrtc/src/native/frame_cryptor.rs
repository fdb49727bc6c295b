//! End-to-end encryption: the key store, and cryptors that refuse.
//!
//! Keys are kept and given back. Nothing is encrypted: data packets are refused with an error, and
//! a media cryptor that is switched on reports [`EncryptionState::InternalError`].

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, Ordering},
    },
};

use parking_lot::Mutex;

use crate::{
    native::packet_trailer::PacketTrailerHandler, peer_connection_factory::PeerConnectionFactory,
    rtp_receiver::RtpReceiver, rtp_sender::RtpSender, unsupported::Unsupported,
};

/// Called with the participant and its new state.
pub type OnStateChange = Box<dyn FnMut(String, EncryptionState) + Send + Sync>;

/// How a key is made from a passphrase.
#[derive(Copy, Clone, Debug)]
#[non_exhaustive]
pub enum KeyDerivationAlgorithm {
    PBKDF2,
    HKDF,
}

/// How a [`KeyProvider`] treats its keys.
#[derive(Debug, Clone)]
pub struct KeyProviderOptions {
    /// One key for everybody instead of one for each participant.
    pub shared_key: bool,
    pub ratchet_window_size: i32,
    pub ratchet_salt: Vec<u8>,
    /// Undecryptable frames before a key is given up; -1 for no limit.
    pub failure_tolerance: i32,
    /// Keys kept for each participant; indices run from 0 to one less.
    pub key_ring_size: i32,
    pub key_derivation_algorithm: KeyDerivationAlgorithm,
}

/// The cipher of media frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionAlgorithm {
    AesGcm,
    AesCbc,
}

/// What a cryptor reports of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionState {
    New,
    Ok,
    EncryptionFailed,
    DecryptionFailed,
    MissingKey,
    KeyRatcheted,
    InternalError,
}

/// An encrypted data packet.
#[derive(Debug, Clone)]
pub struct EncryptedPacket {
    pub data: Vec<u8>,
    pub iv: Vec<u8>,
    pub key_index: u32,
}

/// The keys of a room. Clones share them.
#[derive(Clone)]
pub struct KeyProvider {
    ring_size: i32,
    keys: Arc<Mutex<Keys>>,
}

#[derive(Default)]
struct Keys {
    shared: HashMap<i32, Vec<u8>>,
    by_participant: HashMap<(String, i32), Vec<u8>>,
}

/// The cryptor of one track. It only remembers its settings.
#[derive(Clone)]
pub struct FrameCryptor {
    shared: Arc<CryptorShared>,
}

struct CryptorShared {
    participant_id: String,
    enabled: AtomicBool,
    key_index: AtomicI32,
    on_state_change: Mutex<Option<OnStateChange>>,
}

/// The cryptor of data packets. It refuses all of them.
#[derive(Clone)]
pub struct DataPacketCryptor(());

impl KeyProvider {
    /// A provider without keys.
    pub fn new(options: KeyProviderOptions) -> Self {
        Self { ring_size: options.key_ring_size, keys: Arc::default() }
    }

    /// Stores the key everybody uses; `false` when the index is outside of the key ring.
    pub fn set_shared_key(&self, key_index: i32, key: Vec<u8>) -> bool {
        let stored = self.in_ring(key_index);
        if stored {
            self.keys.lock().shared.insert(key_index, key);
        }
        stored
    }

    /// Refuses: keys cannot be ratcheted.
    pub fn ratchet_shared_key(&self, _key_index: i32) -> Option<Vec<u8>> {
        Unsupported::Encryption.warn_once();
        None
    }

    /// The key stored under this index.
    pub fn get_shared_key(&self, key_index: i32) -> Option<Vec<u8>> {
        self.keys.lock().shared.get(&key_index).cloned()
    }

    /// Stores a participant's key; `false` when the index is outside of the key ring.
    pub fn set_key(&self, participant_id: String, key_index: i32, key: Vec<u8>) -> bool {
        let stored = self.in_ring(key_index);
        if stored {
            let mut keys = self.keys.lock();
            keys.by_participant.insert((participant_id, key_index), key);
        }
        stored
    }

    /// Refuses: keys cannot be ratcheted.
    pub fn ratchet_key(&self, _participant_id: String, _key_index: i32) -> Option<Vec<u8>> {
        Unsupported::Encryption.warn_once();
        None
    }

    /// The key stored for a participant under this index.
    pub fn get_key(&self, participant_id: String, key_index: i32) -> Option<Vec<u8>> {
        let keys = self.keys.lock();
        keys.by_participant.get(&(participant_id, key_index)).cloned()
    }

    /// Accepted without effect: the trailer marks frames a server injects, and none are read.
    pub fn set_sif_trailer(&self, _trailer: Vec<u8>) {}

    fn in_ring(&self, key_index: i32) -> bool {
        (0..self.ring_size).contains(&key_index)
    }
}

impl FrameCryptor {
    /// A cryptor for what a sender sends.
    pub fn new_for_rtp_sender(
        _peer_factory: &PeerConnectionFactory,
        participant_id: String,
        _algorithm: EncryptionAlgorithm,
        _key_provider: KeyProvider,
        _sender: RtpSender,
    ) -> Self {
        Self::new(participant_id)
    }

    /// A cryptor for what a receiver receives.
    pub fn new_for_rtp_receiver(
        _peer_factory: &PeerConnectionFactory,
        participant_id: String,
        _algorithm: EncryptionAlgorithm,
        _key_provider: KeyProvider,
        _receiver: RtpReceiver,
    ) -> Self {
        Self::new(participant_id)
    }

    fn new(participant_id: String) -> Self {
        Self {
            shared: Arc::new(CryptorShared {
                participant_id,
                enabled: AtomicBool::new(false),
                key_index: AtomicI32::new(0),
                on_state_change: Mutex::new(None),
            }),
        }
    }

    /// Remembers the switch. Switching on reports [`EncryptionState::InternalError`].
    pub fn set_enabled(&self, enabled: bool) {
        self.shared.enabled.store(enabled, Ordering::Relaxed);
        self.report_refusal();
    }

    /// The switch as last set, `false` at first.
    pub fn enabled(&self) -> bool {
        self.shared.enabled.load(Ordering::Relaxed)
    }

    /// Remembers which key of the ring to use.
    pub fn set_key_index(&self, index: i32) {
        self.shared.key_index.store(index, Ordering::Relaxed);
    }

    /// The key index as last set, 0 at first.
    pub fn key_index(&self) -> i32 {
        self.shared.key_index.load(Ordering::Relaxed)
    }

    /// The participant whose track this is.
    pub fn participant_id(&self) -> String {
        self.shared.participant_id.clone()
    }

    /// Sets the observer, which learns at once when the cryptor is already on.
    pub fn on_state_change(&self, handler: Option<OnStateChange>) {
        *self.shared.on_state_change.lock() = handler;
        self.report_refusal();
    }

    /// Accepted without effect: no frame passes here that could have a trailer.
    pub fn set_packet_trailer_handler(&self, _handler: &PacketTrailerHandler) {}

    /// The observer is taken out while it runs, so that it may call back into the cryptor.
    fn report_refusal(&self) {
        if !self.enabled() {
            return;
        }
        Unsupported::Encryption.warn_once();
        let taken = self.shared.on_state_change.lock().take();
        let Some(mut handler) = taken else { return };
        handler(self.participant_id(), EncryptionState::InternalError);
        self.shared.on_state_change.lock().get_or_insert(handler);
    }
}

impl DataPacketCryptor {
    /// A cryptor for the room's data packets.
    pub fn new(_algorithm: EncryptionAlgorithm, _key_provider: KeyProvider) -> Self {
        Self(())
    }

    /// # Errors
    /// Always: encryption is not implemented, and sending in the clear instead would be a leak.
    pub fn encrypt(
        &self,
        _participant_id: &str,
        _key_index: u32,
        _data: &[u8],
    ) -> Result<EncryptedPacket, Box<dyn std::error::Error>> {
        Err(Box::new(Unsupported::Encryption.error()))
    }

    /// # Errors
    /// Always: encryption is not implemented.
    pub fn decrypt(
        &self,
        _participant_id: &str,
        _encrypted_packet: &EncryptedPacket,
    ) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        Err(Box::new(Unsupported::Encryption.error()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key_provider() -> KeyProvider {
        KeyProvider::new(KeyProviderOptions {
            shared_key: true,
            ratchet_window_size: 16,
            ratchet_salt: b"salt".to_vec(),
            failure_tolerance: -1,
            key_ring_size: 2,
            key_derivation_algorithm: KeyDerivationAlgorithm::PBKDF2,
        })
    }

    fn states(cryptor: &FrameCryptor) -> Arc<Mutex<Vec<(String, EncryptionState)>>> {
        let states = Arc::new(Mutex::new(Vec::new()));
        let seen = states.clone();
        cryptor.on_state_change(Some(Box::new(move |participant, state| {
            seen.lock().push((participant, state));
        })));
        states
    }

    #[test]
    fn keys_are_given_back_from_within_the_ring() {
        let keys = key_provider();
        assert!(keys.set_shared_key(1, vec![1]));
        assert!(keys.set_key("alice".to_owned(), 0, vec![2]));
        assert_eq!(keys.clone().get_shared_key(1), Some(vec![1]));
        assert_eq!(keys.get_shared_key(0), None);
        assert_eq!(keys.get_key("alice".to_owned(), 0), Some(vec![2]));
        assert_eq!(keys.get_key("bob".to_owned(), 0), None);
        for outside in [-1, 2, i32::MAX] {
            assert!(!keys.set_shared_key(outside, vec![3]));
            assert!(!keys.set_key("alice".to_owned(), outside, vec![3]));
        }
    }

    #[test]
    fn nothing_passes_a_data_cryptor() {
        let cryptor = DataPacketCryptor::new(EncryptionAlgorithm::AesGcm, key_provider());
        let encrypted = cryptor.encrypt("alice", 0, b"secret").unwrap_err();
        let packet = EncryptedPacket { data: b"secret".to_vec(), iv: Vec::new(), key_index: 0 };
        let decrypted = cryptor.decrypt("alice", &packet).unwrap_err();
        for refusal in [encrypted, decrypted] {
            let message = refusal.to_string();
            assert!(message.contains("without E2EE options"), "{message}");
        }
    }

    #[test]
    fn a_cryptor_that_is_on_tells_its_observer_that_it_cannot() {
        let cryptor = FrameCryptor::new("alice".to_owned());
        let states = states(&cryptor);
        assert!(states.lock().is_empty());
        cryptor.set_enabled(true);
        let refusal = ("alice".to_owned(), EncryptionState::InternalError);
        assert_eq!(states.lock().first(), Some(&refusal));
        cryptor.set_enabled(false);
        assert_eq!(*states.lock(), [refusal]);
    }

    #[test]
    fn an_observer_that_comes_late_is_told_at_once() {
        let cryptor = FrameCryptor::new("alice".to_owned());
        cryptor.set_enabled(true);
        assert_eq!(states(&cryptor).lock().len(), 1);
    }

    #[test]
    fn an_observer_may_call_the_cryptor() {
        let cryptor = FrameCryptor::new("alice".to_owned());
        let inner = cryptor.clone();
        cryptor.on_state_change(Some(Box::new(move |_, _| {
            inner.set_enabled(false);
            inner.on_state_change(None);
        })));
        cryptor.set_enabled(true);
        assert!(!cryptor.enabled());
    }

    #[test]
    fn clones_share_their_settings() {
        let cryptor = FrameCryptor::new("alice".to_owned());
        cryptor.clone().set_key_index(3);
        assert_eq!(cryptor.key_index(), 3);
        assert_eq!(cryptor.participant_id(), "alice");
        assert!(!cryptor.enabled());
    }
}
