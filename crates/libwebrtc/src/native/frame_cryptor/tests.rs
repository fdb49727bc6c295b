//! The expected results were computed with another implementation, Python's `cryptography`.

mod keys;
mod media;
mod packets;
mod states;

use super::*;

/// Derives quickly, for tests about something else.
fn options() -> KeyProviderOptions {
    KeyProviderOptions {
        shared_key: false,
        ratchet_window_size: 0,
        ratchet_salt: b"LKFrameEncryptionKey".to_vec(),
        failure_tolerance: -1,
        key_ring_size: 16,
        key_derivation_algorithm: KeyDerivationAlgorithm::HKDF,
    }
}

fn shared(key: &[u8], options: KeyProviderOptions) -> KeyProvider {
    let provider = KeyProvider::new(KeyProviderOptions { shared_key: true, ..options });
    assert!(provider.set_shared_key(0, key.to_vec()));
    provider
}

fn with_window(ratchet_window_size: i32) -> KeyProviderOptions {
    KeyProviderOptions { ratchet_window_size, ..options() }
}

fn pbkdf2() -> KeyProviderOptions {
    KeyProviderOptions { key_derivation_algorithm: KeyDerivationAlgorithm::PBKDF2, ..options() }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// Bytes that look random and are the same in each run.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}
