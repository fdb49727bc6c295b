//! End-to-end encryption with AES-128-GCM, as in LiveKit's other SDKs: the key store, and cryptors for media and for data packets.
//!
//! Deriving a key takes tens of milliseconds with PBKDF2. That happens in the calls that set or ratchet a key, and once
//! for each key that a sender has ratcheted to. Media never waits for it; a data packet does.

mod derivation;
mod frame;
#[cfg(any(debug_assertions, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod key_ring;
mod key_set;
mod key_store;
mod media;
mod packet;
mod server_injected;
#[cfg(test)]
mod tests;

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use self::{
    key_store::KeyStore,
    media::{Direction, MediaCryptor, Purpose},
    server_injected::Trailer,
};
use crate::{
    native::packet_trailer::handler::PacketTrailerHandler, pc::transceiver::Transceiver,
    peer_connection_factory::PeerConnectionFactory, rtp_receiver::RtpReceiver, rtp_sender::RtpSender,
};

/// Called with the participant and its new state.
pub type OnStateChange = Box<dyn FnMut(String, EncryptionState) + Send + Sync>;

/// How a key is derived from a passphrase.
#[derive(Copy, Clone, Debug)]
#[non_exhaustive]
pub enum KeyDerivationAlgorithm {
    PBKDF2,
    HKDF,
}

/// How a [`KeyProvider`] treats its keys.
#[derive(Debug, Clone)]
pub struct KeyProviderOptions {
    /// One key for all participants instead of one for each.
    pub shared_key: bool,
    /// How many ratchet steps ahead of the stored key a sender's key is searched for, 256 at most.
    pub ratchet_window_size: i32,
    pub ratchet_salt: Vec<u8>,
    /// Undecryptable frames of media before a key is given up, until another one is set; -1 for no limit.
    pub failure_tolerance: i32,
    /// Keys kept for each participant, 256 at most; indices run from 0 to one less.
    pub key_ring_size: i32,
    pub key_derivation_algorithm: KeyDerivationAlgorithm,
}

/// The cipher of media frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncryptionAlgorithm {
    AesGcm,
    AesCbc,
}

/// The state that a cryptor reports.
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
///
/// An index behind the end of the key ring starts again at its beginning where a key is set, and finds none where one is read;
/// -1 stands for the key set last.
#[derive(Clone)]
pub struct KeyProvider {
    store: Arc<KeyStore>,
}

/// The cryptor of one track. Clones are the same cryptor.
///
/// It does nothing before [`FrameCryptor::set_enabled`]. When the last clone is dropped the track goes on as it is,
/// encrypted if it was, and the observer is no longer called.
#[derive(Clone)]
pub struct FrameCryptor {
    handle: Arc<Handle>,
}

/// Ends the observation when the last clone is dropped. The track holds the cryptor, which does not hold the track:
/// there is no cycle that keeps the connection alive.
struct Handle(Arc<MediaCryptor>);

/// The cryptor of data packets. Clones are the same cryptor.
#[derive(Clone)]
pub struct DataPacketCryptor {
    algorithm: EncryptionAlgorithm,
    store: Arc<KeyStore>,
    sent: Arc<AtomicU32>,
}

// === impl KeyProvider ===

impl KeyProvider {
    /// A provider without keys.
    pub fn new(options: KeyProviderOptions) -> Self {
        Self { store: Arc::new(KeyStore::new(options)) }
    }

    /// Sets the key of all participants; returns `false` without [`KeyProviderOptions::shared_key`].
    pub fn set_shared_key(&self, key_index: i32, key: Vec<u8>) -> bool {
        self.store.set_shared_key(key_index, key)
    }

    /// Replaces the key by the next one, which every participant can derive from it, and returns that.
    pub fn ratchet_shared_key(&self, key_index: i32) -> Option<Vec<u8>> {
        self.store.ratchet_shared_key(key_index)
    }

    /// The key as it was set, or as ratcheting returned it.
    pub fn get_shared_key(&self, key_index: i32) -> Option<Vec<u8>> {
        self.store.shared_key(key_index).filter(|key| !key.is_empty())
    }

    /// Sets a participant's key; `false` when 4096 others have one.
    pub fn set_key(&self, participant_id: String, key_index: i32, key: Vec<u8>) -> bool {
        self.store.set_key(participant_id, key_index, key)
    }

    /// Replaces a participant's key by the next one, and returns that.
    pub fn ratchet_key(&self, participant_id: String, key_index: i32) -> Option<Vec<u8>> {
        self.store.ratchet_key(&participant_id, key_index)
    }

    /// A participant's key as it was set, or as ratcheting returned it.
    pub fn get_key(&self, participant_id: String, key_index: i32) -> Option<Vec<u8>> {
        self.store.key(&participant_id, key_index).filter(|key| !key.is_empty())
    }

    /// Sets the mark of the frames that the server injects. They are not encrypted: such a frame passes as it is when
    /// it is the silence of a LiveKit server, and is dropped otherwise.
    pub fn set_sif_trailer(&self, trailer: Vec<u8>) {
        self.store.set_trailer(Trailer::new(trailer));
    }
}

// === impl FrameCryptor ===

impl FrameCryptor {
    /// A cryptor for the frames of a sender. It replaces an earlier one of that sender.
    pub fn new_for_rtp_sender(
        _peer_factory: &PeerConnectionFactory,
        participant_id: String,
        algorithm: EncryptionAlgorithm,
        key_provider: KeyProvider,
        sender: RtpSender,
    ) -> Self {
        let cryptor = Self::new(participant_id, algorithm, Direction::Send, key_provider, &sender.inner);
        sender.inner.set_sender_transform(Some(cryptor.handle.0.clone()));
        cryptor
    }

    /// A cryptor for the frames of a receiver. It replaces an earlier one of that receiver.
    pub fn new_for_rtp_receiver(
        _peer_factory: &PeerConnectionFactory,
        participant_id: String,
        algorithm: EncryptionAlgorithm,
        key_provider: KeyProvider,
        receiver: RtpReceiver,
    ) -> Self {
        let cryptor = Self::new(participant_id, algorithm, Direction::Receive, key_provider, &receiver.inner);
        receiver.inner.set_receiver_transform(Some(cryptor.handle.0.clone()));
        cryptor
    }

    fn new(
        participant: String,
        algorithm: EncryptionAlgorithm,
        direction: Direction,
        keys: KeyProvider,
        transceiver: &Transceiver,
    ) -> Self {
        let purpose = Purpose { participant, algorithm, direction, kind: transceiver.kind() };
        Self { handle: Arc::new(Handle(Arc::new(MediaCryptor::new(purpose, keys.store)))) }
    }

    /// Switches encryption on or off. While it is off, frames pass as they are.
    pub fn set_enabled(&self, enabled: bool) {
        self.handle.0.set_enabled(enabled);
    }

    /// The switch as last set, `false` at first.
    pub fn enabled(&self) -> bool {
        self.handle.0.enabled()
    }

    /// Chooses the key of the ring to encrypt with. A received frame names its key itself.
    pub fn set_key_index(&self, index: i32) {
        self.handle.0.set_key_index(index);
    }

    /// The key index as last set, 0 at first.
    pub fn key_index(&self) -> i32 {
        self.handle.0.key_index()
    }

    /// The participant that the track belongs to.
    pub fn participant_id(&self) -> String {
        self.handle.0.participant().to_owned()
    }

    /// Sets the observer, which is called when the state differs from that of the frame before.
    pub fn on_state_change(&self, handler: Option<OnStateChange>) {
        self.handle.0.observe(handler);
    }

    /// Accepted without effect: only video has such trailers.
    pub fn set_packet_trailer_handler(&self, _handler: &PacketTrailerHandler) {}
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.0.observe(None);
    }
}

// === impl DataPacketCryptor ===

impl DataPacketCryptor {
    /// A cryptor for the room's data packets.
    pub fn new(algorithm: EncryptionAlgorithm, key_provider: KeyProvider) -> Self {
        Self { algorithm, store: key_provider.store, sent: Arc::new(frame::new_count()) }
    }

    /// Encrypts with the participant's own key.
    ///
    /// # Errors
    /// There is no such key, or the algorithm is not [`EncryptionAlgorithm::AesGcm`].
    pub fn encrypt(
        &self,
        participant_id: &str,
        key_index: u32,
        data: &[u8],
    ) -> Result<EncryptedPacket, Box<dyn std::error::Error>> {
        let count = self.sent.fetch_add(1, Ordering::Relaxed);
        Ok(packet::encrypt(&self.store, self.algorithm, participant_id, key_index, count, data.to_vec())?)
    }

    /// Decrypts with the key of the participant who sent the packet. The first packet under a key that the sender has ratcheted,
    /// or that differs from ours, takes as long as deriving the keys of the ratchet window.
    ///
    /// # Errors
    /// There is no such key, it is another one, or the packet is not as it was sent.
    pub fn decrypt(
        &self,
        participant_id: &str,
        encrypted_packet: &EncryptedPacket,
    ) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        Ok(packet::decrypt(&self.store, self.algorithm, participant_id, encrypted_packet)?)
    }
}
