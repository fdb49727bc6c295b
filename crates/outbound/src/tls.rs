//! The one choice of cryptography for every TLS connection of the process.

use rustls::crypto::{CryptoProvider, SecureRandom, aws_lc_rs};

/// Makes aws-lc the provider of every TLS connection. To be called before the first; more calls do nothing.
///
/// Two providers are linked in (the `livekit` crate brings another), and rustls refuses to choose between them.
pub fn install_crypto_provider() {
    if CryptoProvider::get_default().is_none() {
        // Fails only when another thread was faster, and then there is one.
        let _ = aws_lc_rs::default_provider().install_default();
    }
}

/// 256 bits that no attacker can guess, as hexadecimal digits. None when the system has no randomness to give.
pub fn random_hex() -> Option<String> {
    let random: &dyn SecureRandom = aws_lc_rs::default_provider().secure_random;
    let mut bytes = [0_u8; 32];
    random.fill(&mut bytes).ok()?;
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
