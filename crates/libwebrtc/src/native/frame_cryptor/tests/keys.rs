use super::{super::derivation::Derivation, *};

fn alice() -> String {
    "alice".to_owned()
}

#[test]
fn both_derivations_have_the_known_answers() {
    let derive = |algorithm, salt: &[u8], material: &[u8]| {
        Derivation { algorithm, salt: salt.to_vec() }.derive(material).unwrap().to_vec()
    };
    let (pbkdf2, hkdf) = (KeyDerivationAlgorithm::PBKDF2, KeyDerivationAlgorithm::HKDF);
    let salt = b"LKFrameEncryptionKey";
    let password = derive(pbkdf2, salt, b"password");
    assert_eq!(password, bytes("421890b1557504a8ea1a90c253b419e4e1a3a43283f7115909d6fce6926e5e5f"));
    let password = derive(hkdf, salt, b"password");
    assert_eq!(password, bytes("ba01b33ca65575da0ac43ec45570668c82fc310200d7efa835629847cc30a774"));
    // The same as in the tests of the C++ library.
    let counted = derive(pbkdf2, &noise_free(8), &noise_free(16));
    assert_eq!(counted[..16], bytes("a658cd52efbacadfecdfe0a0dc574ec3"));
    assert_eq!(derive(pbkdf2, b"", b"")[..16], bytes("64a868d4b23af696d3734d0b814d04cd"));
    assert_eq!(derive(hkdf, b"", b"")[..16], bytes("4b93090560b4ed92fd1e792eedabdf90"));
}

fn noise_free(len: u8) -> Vec<u8> {
    (0..len).collect()
}

#[test]
fn ratcheting_has_the_known_answers_and_stays_where_it_came_to() {
    let provider = shared(b"password", pbkdf2());
    let first = bytes("421890b1557504a8ea1a90c253b419e4e1a3a43283f7115909d6fce6926e5e5f");
    let second = bytes("9f3af7c94abca41d79f8c61e8dcff292f77f52d4c0519dbfc6b6c67d35ca705e");
    assert_eq!(provider.ratchet_shared_key(0), Some(first));
    assert_eq!(provider.ratchet_shared_key(0), Some(second.clone()));
    assert_eq!(provider.get_shared_key(0), Some(second));

    let provider = KeyProvider::new(options());
    provider.set_key(alice(), 2, b"password".to_vec());
    let first = bytes("ba01b33ca65575da0ac43ec45570668c82fc310200d7efa835629847cc30a774");
    let second = bytes("6c6aacd6ffe63a3cae84a32d2571063a2b17cf1b5e448f3878eae1d3c363670c");
    assert_eq!(provider.ratchet_key(alice(), 2), Some(first));
    // Minus one is the key that was used last.
    assert_eq!(provider.ratchet_key(alice(), -1), Some(second.clone()));
    assert_eq!(provider.get_key(alice(), 2), Some(second));
}

#[test]
fn what_was_not_set_is_not_there() {
    let provider = KeyProvider::new(options());
    assert_eq!(provider.get_key(alice(), 0), None);
    assert_eq!(provider.ratchet_key(alice(), 0), None);
    assert_eq!(provider.get_shared_key(0), None);
    assert_eq!(provider.ratchet_shared_key(0), None);
    provider.set_key(alice(), 1, b"key".to_vec());
    assert_eq!(provider.get_key("bob".to_owned(), 1), None);
    assert_eq!(provider.get_key(alice(), 0), None);
    assert_eq!(provider.clone().get_key(alice(), 1), Some(b"key".to_vec()));
    // A shared key needs the option for it.
    assert!(!provider.set_shared_key(0, b"key".to_vec()));
}

#[test]
fn an_index_behind_the_end_is_none_to_read_and_the_beginning_to_write() {
    for (size, real) in [(4, 4), (1, 1), (0, 16), (-7, 16), (256, 256), (257, 256), (i32::MAX, 256)] {
        let provider = KeyProvider::new(KeyProviderOptions { key_ring_size: size, ..options() });
        assert!(provider.set_key(alice(), real - 1, b"last".to_vec()), "{size}");
        assert_eq!(provider.get_key(alice(), real - 1), Some(b"last".to_vec()), "{size}");
        assert_eq!(provider.get_key(alice(), real), None, "{size}");
        assert!(provider.set_key(alice(), real, b"first".to_vec()), "{size}");
        assert_eq!(provider.get_key(alice(), 0), Some(b"first".to_vec()), "{size}");
        assert_eq!(provider.get_key(alice(), -1), Some(b"first".to_vec()), "{size}");
        for outside in [real, real + 1, -2, i32::MIN, i32::MAX] {
            assert_eq!(provider.get_key(alice(), outside), None, "{size}");
            assert_eq!(provider.ratchet_key(alice(), outside), None, "{size}");
        }
        assert!(provider.set_key(alice(), i32::MAX, b"far".to_vec()));
        assert!(provider.set_key(alice(), i32::MIN, b"current".to_vec()));
        assert_eq!(provider.get_key(alice(), -1), Some(b"current".to_vec()));
    }
}

#[test]
fn a_new_shared_key_reaches_those_who_have_a_ring_already() {
    let provider = shared(b"old", options());
    let cryptor = DataPacketCryptor::new(EncryptionAlgorithm::AesGcm, provider.clone());
    let old = cryptor.encrypt("alice", 0, b"hello").unwrap();
    assert_eq!(provider.get_key(alice(), 0), Some(b"old".to_vec()));

    provider.set_shared_key(0, b"new".to_vec());
    assert_eq!(provider.get_key(alice(), 0), Some(b"new".to_vec()));
    cryptor.decrypt("alice", &old).unwrap_err();
    assert_eq!(provider.ratchet_shared_key(0), provider.get_key(alice(), 0));
    assert_eq!(provider.get_shared_key(0), provider.get_key(alice(), 0));
}

#[test]
fn there_is_an_end_to_participants() {
    let provider = shared(b"key", options());
    let cryptor = DataPacketCryptor::new(EncryptionAlgorithm::AesGcm, provider.clone());
    let packet = cryptor.encrypt("bob", 0, b"hello").unwrap();
    for number in 0..4200 {
        assert_eq!(cryptor.decrypt(&format!("stranger {number}"), &packet).unwrap(), b"hello");
    }
    assert_eq!(provider.get_key("stranger 4000".to_owned(), 0), Some(b"key".to_vec()));
    assert_eq!(provider.get_key("stranger 4199".to_owned(), 0), None);
    assert!(!provider.set_key(alice(), 0, b"key".to_vec()));
    assert!(provider.set_key("bob".to_owned(), 0, b"key".to_vec()));
}

#[test]
fn keys_may_change_while_they_are_used() {
    let provider = KeyProvider::new(with_window(2));
    provider.set_key(alice(), 0, b"key 0".to_vec());
    let cryptor = DataPacketCryptor::new(EncryptionAlgorithm::AesGcm, provider.clone());
    std::thread::scope(|threads| {
        for thread in 0..2 {
            let provider = provider.clone();
            threads.spawn(move || {
                for round in 0..200 {
                    provider.set_key(alice(), 0, format!("key {}", (thread + round) % 3).into_bytes());
                    provider.ratchet_key(alice(), round % 3);
                }
            });
        }
        for _ in 0..2 {
            threads.spawn(|| {
                for _ in 0..200 {
                    let packet = cryptor.encrypt("alice", 0, b"hello").unwrap();
                    // Another key may have been set meanwhile; a wrong text must never come out.
                    if let Ok(opened) = cryptor.decrypt("alice", &packet) {
                        assert_eq!(opened, b"hello");
                    }
                }
            });
        }
    });
    provider.set_key(alice(), 0, b"key".to_vec());
    let packet = cryptor.encrypt("alice", 0, b"hello").unwrap();
    assert_eq!(cryptor.decrypt("alice", &packet).unwrap(), b"hello");
}
