//! Fuzzing of encrypted input, with a key of this process.

use std::sync::Arc;

use super::{
    DataPacketCryptor, EncryptedPacket, EncryptionAlgorithm, FrameCryptor, KeyDerivationAlgorithm,
    KeyProvider, KeyProviderOptions,
};
use crate::{
    direction::RtpTransceiverDirection,
    pc::{
        link::Link,
        transceiver::{Kind, Transceiver},
    },
    peer_connection_factory::PeerConnectionFactory,
    rtp_receiver::RtpReceiver,
    transceiver_init::RtpTransceiverInit,
};

struct Receiving {
    packets: DataPacketCryptor,
    _frames: FrameCryptor,
    transceiver: Arc<Transceiver>,
}

// Created once: deriving a key takes longer than everything else here.
thread_local!(static RECEIVING: Receiving = Receiving::new());

/// The input as a data packet (key index, nonce, payload), and then as a frame.
pub(crate) fn fuzzing(bytes: &[u8]) {
    RECEIVING.with(|receiving| {
        if let Some((header, data)) = bytes.split_first_chunk::<13>() {
            let (key_index, iv) = (u32::from(header[0]), header[1..].to_vec());
            _ = receiving.packets.decrypt("ada", &EncryptedPacket { data: data.to_vec(), iv, key_index });
        }
        if let Some(transform) = receiving.transceiver.receiver_transform() {
            _ = transform.transform(1, 2, bytes.to_vec());
        }
    });
}

// === impl Receiving ===

impl Receiving {
    fn new() -> Self {
        let keys = KeyProvider::new(KeyProviderOptions {
            shared_key: true,
            ratchet_window_size: 0,
            ratchet_salt: b"LKFrameEncryptionKey".to_vec(),
            failure_tolerance: -1,
            key_ring_size: 16,
            key_derivation_algorithm: KeyDerivationAlgorithm::HKDF,
        });
        keys.set_shared_key(0, b"sesame".to_vec());
        let init = RtpTransceiverInit {
            direction: RtpTransceiverDirection::RecvOnly,
            stream_ids: Vec::new(),
            send_encodings: Vec::new(),
        };
        let (wake, commands) = (Arc::default(), tokio::sync::mpsc::channel(1).0);
        let transceiver = Arc::new(Transceiver::new(Kind::Audio, None, init, Link::new(wake, &commands)));
        let (factory, algorithm) = (PeerConnectionFactory::default(), EncryptionAlgorithm::AesGcm);
        let receiver = RtpReceiver { inner: transceiver.clone() };
        let frames =
            FrameCryptor::new_for_rtp_receiver(&factory, "ada".to_owned(), algorithm, keys.clone(), receiver);
        frames.set_enabled(true);
        Self { packets: DataPacketCryptor::new(algorithm, keys), _frames: frames, transceiver }
    }
}
