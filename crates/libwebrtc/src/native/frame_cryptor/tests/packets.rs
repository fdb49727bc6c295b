use std::collections::HashSet;

use super::*;

fn cryptor(provider: &KeyProvider) -> DataPacketCryptor {
    DataPacketCryptor::new(EncryptionAlgorithm::AesGcm, provider.clone())
}

#[test]
fn a_packet_of_another_implementation_is_decrypted() {
    let packet = EncryptedPacket {
        data: bytes("f3309a1645b6b75b0ff73fecc9512238dab5f82cdf4f3bc9ce2d305946"),
        iv: bytes("000102030405060708090a0b"),
        key_index: 0,
    };
    let cryptor = cryptor(&shared(b"password", pbkdf2()));
    assert_eq!(cryptor.decrypt("anybody", &packet).unwrap(), b"a data packet");
}

#[test]
fn packets_of_any_length_come_back() {
    let cryptor = cryptor(&shared(b"key", options()));
    for len in [0, 1, 15, 16, 17, 15_000, 200_000] {
        let data = noise(1, len);
        let packet = cryptor.encrypt("alice", 0, &data).unwrap();
        assert_eq!((packet.data.len(), packet.iv.len(), packet.key_index), (len + 16, 12, 0));
        assert!(len < 8 || !packet.data.starts_with(&data[..8]));
        assert_eq!(cryptor.decrypt("alice", &packet).unwrap(), data);
    }
}

#[test]
fn no_iv_is_used_twice() {
    let cryptor = cryptor(&shared(b"key", options()));
    let ivs: HashSet<_> =
        (0..5000).map(|_| cryptor.clone().encrypt("alice", 0, b"hello").unwrap().iv).collect();
    assert_eq!(ivs.len(), 5000);
}

#[test]
fn a_changed_packet_is_refused() {
    let cryptor = cryptor(&shared(b"key", options()));
    let packet = cryptor.encrypt("alice", 0, b"hello").unwrap();
    for bit in 0..packet.data.len() * 8 {
        let mut changed = packet.clone();
        changed.data[bit / 8] ^= 1 << (bit % 8);
        cryptor.decrypt("alice", &changed).unwrap_err();
    }
    for bit in 0..packet.iv.len() * 8 {
        let mut changed = packet.clone();
        changed.iv[bit / 8] ^= 1 << (bit % 8);
        cryptor.decrypt("alice", &changed).unwrap_err();
    }
}

#[test]
fn what_is_no_packet_is_refused_and_said_so() {
    let cryptor = cryptor(&shared(b"key", options()));
    for len in 0..80 {
        for iv in [0, 1, 11, 12, 13, 200] {
            let packet = EncryptedPacket { data: noise(2, len), iv: noise(3, iv), key_index: 0 };
            let refusal = cryptor.decrypt("alice", &packet).unwrap_err().to_string();
            let malformed = iv != 12 || len < 16;
            assert_eq!(refusal.contains("malformed"), malformed, "{len} {iv}: {refusal}");
            assert!(refusal.contains("alice"), "{refusal}");
        }
    }
}

#[test]
fn without_the_key_nothing_passes() {
    let provider = KeyProvider::new(options());
    let cryptor = cryptor(&provider);
    let refusal = |error: Box<dyn std::error::Error>| error.to_string();
    assert!(refusal(cryptor.encrypt("alice", 0, b"hello").unwrap_err()).contains("set_key"));

    provider.set_key("alice".to_owned(), 1, b"key".to_vec());
    let packet = cryptor.encrypt("alice", 1, b"hello").unwrap();
    for index in [0, 2, 16, 255, 256, u32::MAX] {
        assert!(refusal(cryptor.encrypt("alice", index, b"hello").unwrap_err()).contains(&index.to_string()));
        cryptor.decrypt("alice", &EncryptedPacket { key_index: index, ..packet.clone() }).unwrap_err();
    }
    cryptor.decrypt("bob", &packet).unwrap_err();
    provider.set_key("bob".to_owned(), 1, b"another".to_vec());
    let undecryptable = refusal(cryptor.decrypt("bob", &packet).unwrap_err());
    assert!(undecryptable.contains("key 1"), "{undecryptable}");
}

#[test]
fn a_sender_may_ratchet_within_the_window() {
    for (steps, window, decrypted) in [(0, 0, true), (1, 0, false), (3, 3, true), (4, 3, false)] {
        let (sender, receiver) = (shared(b"key", options()), shared(b"key", with_window(window)));
        let old = cryptor(&sender).encrypt("alice", 0, b"before").unwrap();
        for _ in 0..steps {
            sender.ratchet_shared_key(0);
        }
        let packet = cryptor(&sender).encrypt("alice", 0, b"hello").unwrap();
        let opened = cryptor(&receiver).decrypt("alice", &packet);
        assert_eq!(opened.is_ok(), decrypted, "{steps} of {window}");
        // A receiver that has followed has the sender's key, and does not go back.
        let followed = receiver.get_key("alice".to_owned(), 0) == sender.get_shared_key(0);
        assert_eq!(followed, decrypted, "{steps} of {window}");
        assert_eq!(cryptor(&receiver).decrypt("alice", &old).is_ok(), steps == 0 || !decrypted);
    }
}

#[test]
fn aes_cbc_is_refused() {
    let cryptor = DataPacketCryptor::new(EncryptionAlgorithm::AesCbc, shared(b"key", options()));
    let refusal = cryptor.encrypt("alice", 0, b"hello").unwrap_err().to_string();
    assert!(refusal.contains("AesGcm"), "{refusal}");
    let packet = EncryptedPacket { data: vec![0; 32], iv: vec![0; 12], key_index: 0 };
    cryptor.decrypt("alice", &packet).unwrap_err();
}
