//! The authorities whose certificates we accept, and the remedies when a certificate is not accepted.

mod system;

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use rustls::{CertificateError, RootCertStore};
use statedir::named_file::{self, FileBounds, FileError};
use thiserror::Error;

use crate::Names;

/// More certificates than any system has.
const MAX_BYTES: u64 = 8 << 20;

/// The certificates by which servers are judged.
pub(super) struct Roots {
    pub(super) store: RootCertStore,
    pub(super) system: SystemRoots,
}

/// The result of reading the system's certificates.
#[derive(Clone, Debug, Default)]
pub(super) struct SystemRoots {
    /// How many there are.
    pub(super) count: usize,
    /// The paths in `SSL_CERT_FILE` and `SSL_CERT_DIR` that cannot be read.
    pub(super) unread: Vec<String>,
}

/// The reason why a file of certificates cannot be used.
#[derive(Debug, Error)]
pub enum TrustError {
    #[error("cannot read certificates from {file}: {reason}")]
    Unread { file: PathBuf, reason: String },
    #[error("{file} holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")]
    None { file: PathBuf },
    #[error("certificate {number} in {file} cannot be read: {reason}")]
    Invalid { file: PathBuf, number: usize, reason: String },
}

// === impl Roots ===

impl Roots {
    /// Unreadable certificates of the system are left out.
    pub(super) fn of_system() -> Self {
        let found = system::certificates();
        let mut store = RootCertStore::empty();
        let (count, _) = store.add_parsable_certificates(found.certificates);
        Self { store, system: SystemRoots { count, unread: found.unread } }
    }

    pub(super) fn add_file(&mut self, file: &Path) -> Result<(), TrustError> {
        for (index, certificate) in certificates(file)?.into_iter().enumerate() {
            self.store.add(certificate).map_err(|error| invalid(file, index, error.to_string()))?;
        }
        Ok(())
    }
}

/// Whether everything in a file of certificates can be used; at least one must be in it.
pub fn check_file(file: &Path) -> Result<(), TrustError> {
    Roots { store: RootCertStore::empty(), system: SystemRoots::default() }.add_file(file)
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let unread = |error: FileError| TrustError::Unread { file: file.to_owned(), reason: error.to_string() };
    let text = named_file::read(file, FileBounds::regular(MAX_BYTES)).map_err(unread)?.bytes;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    let valid = || CertificateDer::pem_slice_iter(&text).take_while(Result::is_ok).count();
    let found = found.map_err(|error| invalid(file, valid(), error.to_string()))?;
    if found.is_empty() { Err(TrustError::None { file: file.to_owned() }) } else { Ok(found) }
}

fn invalid(file: &Path, index: usize, reason: String) -> TrustError {
    TrustError::Invalid { file: file.to_owned(), number: index + 1, reason }
}

// === what to do about a refusal ===

/// The error of TLS among the causes of another one.
pub(super) fn found<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    if let Some(refusal) = error.downcast_ref() {
        return Some(refusal);
    }
    // The source of an I/O error is that of the error within it, which itself would be left out.
    let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    found(within.map(|within| within as &(dyn Error + 'static)).or_else(|| error.source())?)
}

/// Whether a certificate that is not to be trusted is the cause.
pub(super) fn is_distrust(error: &(dyn Error + 'static)) -> bool {
    matches!(found(error), Some(rustls::Error::InvalidCertificate(_)))
}

/// The fault, in words that tell the remedy.
pub(super) fn advice(refusal: &rustls::Error, system: &SystemRoots, names: &Names) -> String {
    use CertificateError as Why;
    let advice = match refusal {
        rustls::Error::InvalidCertificate(why) => match why {
            Why::UnknownIssuer if !system.unread.is_empty() => return system.unread.join("; "),
            Why::UnknownIssuer if system.count == 0 => {
                "this system has no certificates: install its ca-certificates, or set SSL_CERT_FILE"
            }
            Why::UnknownIssuer => {
                return format!(
                    "this machine does not trust its issuer: name a private CA's PEM file in {}",
                    names.ca_file
                );
            }
            Why::Expired | Why::ExpiredContext { .. } => "it has expired, or this machine's clock is wrong",
            Why::NotValidYet | Why::NotValidYetContext { .. } => {
                "it is not valid yet, or this machine's clock is wrong"
            }
            Why::NotValidForName | Why::NotValidForNameContext { .. } => {
                "it is another host's: put a name that it is for into the URL"
            }
            _ => "look at it with `openssl s_client -connect HOST:PORT`",
        },
        rustls::Error::InvalidMessage(_) => "does it speak TLS there, or is it http:// or ws://?",
        _ => "we speak TLS 1.2 and 1.3: does the server, too?",
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_tls_is_found_however_deep_it_is() {
        let refusal = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, refusal()));
        assert_eq!(found(&wrapped), Some(&refusal()));
        assert_eq!(found(&io::Error::other("something else")), None);
    }

    #[test]
    fn a_machine_without_certificates_is_told_so() {
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let of = |count, unread: &[&str]| {
            let unread = unread.iter().map(|why| (*why).to_owned()).collect();
            advice(&unknown, &SystemRoots { count, unread }, &Names::default())
        };
        assert!(of(140, &[]).contains("PEM file in ca_file"));
        assert!(of(0, &[]).contains("ca-certificates"));
        assert_eq!(of(0, &["SSL_CERT_FILE names no certificate"]), "SSL_CERT_FILE names no certificate");
    }

    #[test]
    fn a_file_without_certificates_is_refused_with_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        let refusal = |text: &str| {
            std::fs::write(&file, text).unwrap();
            check_file(&file).unwrap_err().to_string()
        };
        assert!(refusal("nothing").contains("ca.pem holds no certificate"));
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(refusal(broken).starts_with("certificate 1 in "), "{}", refusal(broken));
        std::fs::remove_file(&file).unwrap();
        assert!(check_file(&file).unwrap_err().to_string().starts_with("cannot read certificates"));
    }
}
