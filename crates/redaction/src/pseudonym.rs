//! Identities as keyed hashes: the same person has the same name in every trace, and no reader without the key can tell
//! which person that is, not even by trying all identities there are.

use conversation::Secret;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// The bytes of the hash that are shown. 96 bits are far more than it takes to tell people apart.
const BYTES: usize = 12;

/// A key that is ready for use.
pub(super) struct Pseudonym(Hmac<Sha256>);

// === impl Pseudonym ===

impl Pseudonym {
    /// Without a key it uses a random one that is stored nowhere and ends with the process.
    pub(super) fn new(key: Option<&Secret>) -> Self {
        let unknown: [u8; 32] = std::array::from_fn(|_| fastrand::u8(..));
        let key = key.map_or(&unknown[..], |key| key.expose().as_bytes());
        // HMAC takes keys of any length.
        Self(Hmac::new_from_slice(key).expect("HMAC takes keys of any length"))
    }

    /// `u_` and 24 hexadecimal digits.
    pub(super) fn of(&self, identity: &str) -> String {
        let hash = self.0.clone().chain_update(identity).finalize().into_bytes();
        hash.iter().take(BYTES).fold("u_".to_owned(), |name, byte| name + &format!("{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pseudonym_is_the_start_of_the_hmac() {
        // RFC 4231, test case 2.
        let pseudonym = Pseudonym::new(Some(&Secret::new("Jefe")));
        assert_eq!(pseudonym.of("what do ya want for nothing?"), "u_5bdcc146bf60754e6a042426");
    }

    #[test]
    fn it_depends_on_identity_and_key_and_on_nothing_else() {
        let [one, other] = ["one", "other"].map(|key| Pseudonym::new(Some(&Secret::new(key))));
        assert_eq!(one.of("ada"), one.of("ada"));
        assert_ne!(one.of("ada"), one.of("bob"));
        assert_ne!(one.of("ada"), other.of("ada"));
    }
}
