//! Derives the encryption keys from a passphrase: PBKDF2 (RFC 8018) or HKDF (RFC 5869), both over SHA-256.

use std::num::NonZeroU32;

use aws_lc_rs::{hkdf, pbkdf2};
use zeroize::Zeroizing;

use super::KeyDerivationAlgorithm;

const ITERATIONS: NonZeroU32 = NonZeroU32::new(100_000).expect("it is not zero");
/// The C++ and the JavaScript SDK give HKDF this many zero bytes as its context.
const INFO: [u8; 128] = [0; 128];

/// The output length of both functions with one hash. Its first half is the AES key, the whole is the material of the
/// next key: a shorter output of either function is the beginning of a longer one, so one derivation serves both.
pub(super) const DERIVED_LEN: usize = 32;

pub(super) type Derived = Zeroizing<[u8; DERIVED_LEN]>;

/// How the keys of one provider are derived.
pub(super) struct Derivation {
    pub(super) algorithm: KeyDerivationAlgorithm,
    pub(super) salt: Vec<u8>,
}

impl Derivation {
    /// PBKDF2 takes tens of milliseconds here, by design.
    pub(super) fn derive(&self, material: &[u8]) -> Option<Derived> {
        let mut derived = Derived::default();
        match self.algorithm {
            KeyDerivationAlgorithm::PBKDF2 => {
                pbkdf2::derive(
                    pbkdf2::PBKDF2_HMAC_SHA256,
                    ITERATIONS,
                    &self.salt,
                    material,
                    derived.as_mut_slice(),
                );
            }
            KeyDerivationAlgorithm::HKDF => {
                let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, &self.salt).extract(material);
                let expanded = extracted.expand(&[&INFO], hkdf::HKDF_SHA256).ok()?;
                expanded.fill(derived.as_mut_slice()).ok()?;
            }
        }
        Some(derived)
    }
}
