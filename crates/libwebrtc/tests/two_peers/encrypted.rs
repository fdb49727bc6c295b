//! End-to-end encrypted sound.

use libwebrtc::{
    audio_stream::native::NativeAudioStream,
    native::frame_cryptor::{
        EncryptionAlgorithm, FrameCryptor, KeyDerivationAlgorithm, KeyProvider, KeyProviderOptions,
    },
    peer_connection_factory::PeerConnectionFactory,
    prelude::*,
};

use super::audio::{Tone, hear, is_loud, is_silent, listening_pair, received};

fn keys(key: &[u8]) -> KeyProvider {
    let keys = KeyProvider::new(KeyProviderOptions {
        shared_key: true,
        ratchet_window_size: 0,
        ratchet_salt: b"LKFrameEncryptionKey".to_vec(),
        failure_tolerance: -1,
        key_ring_size: 16,
        key_derivation_algorithm: KeyDerivationAlgorithm::PBKDF2,
    });
    assert!(keys.set_shared_key(0, key.to_vec()));
    keys
}

fn sealing(sender: RtpSender, keys: &KeyProvider) -> FrameCryptor {
    let factory = PeerConnectionFactory::default();
    let algorithm = EncryptionAlgorithm::AesGcm;
    let cryptor =
        FrameCryptor::new_for_rtp_sender(&factory, "alice".to_owned(), algorithm, keys.clone(), sender);
    cryptor.set_enabled(true);
    cryptor
}

fn opening(receiver: RtpReceiver, keys: &KeyProvider) -> FrameCryptor {
    let factory = PeerConnectionFactory::default();
    let algorithm = EncryptionAlgorithm::AesGcm;
    let cryptor =
        FrameCryptor::new_for_rtp_receiver(&factory, "alice".to_owned(), algorithm, keys.clone(), receiver);
    cryptor.set_enabled(true);
    cryptor
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tone_is_heard_with_the_key_and_with_no_other() {
    let tone = Tone::new(440.0, 48_000, 1);
    let (_a, b, transceiver) = listening_pair(&tone).await;
    let right = keys(b"sesame");
    let _sealing = sealing(transceiver.sender(), &right);
    let opening = opening(b.pc.receivers().remove(0), &right);
    let mut stream = NativeAudioStream::new(received(&b), 48_000, 1);
    hear(&mut stream, "the tone, decrypted", 50, is_loud).await;
    assert!(right.set_shared_key(0, b"another".to_vec()), "both sides change");
    hear(&mut stream, "the tone under another key", 50, is_loud).await;
    drop(opening);
    let _wrong = self::opening(b.pc.receivers().remove(0), &keys(b"wrong"));
    hear(&mut stream, "silence with the wrong key", 50, is_silent).await;
}
