//! The certificates that TURN over TLS accepts. The original crate has no such module: it trusts a list of its own.

use std::sync::{Arc, OnceLock};

use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use thiserror::Error;

static CONFIG: OnceLock<Result<Arc<ClientConfig>, NoTls>> = OnceLock::new();

/// Why TURN over TLS is not possible.
#[derive(Clone, Debug, Error)]
pub(crate) enum NoTls {
    #[error("no root certificates: install ca-certificates, or set SSL_CERT_FILE")]
    NoRoots,
    #[error(transparent)]
    Rustls(#[from] rustls::Error),
}

/// Makes every connection to a `turns:` server use `config`. Must be called before the first connection. Returns
/// whether `config` was installed: only the first call in a process installs one.
///
/// Without it servers need a certificate that the system trusts; `SSL_CERT_FILE` and `SSL_CERT_DIR` name other
/// authorities, as they do for OpenSSL.
pub fn set_client_config(config: Arc<ClientConfig>) -> bool {
    CONFIG.set(Ok(config)).is_ok()
}

/// Reads the certificate files on the first call.
pub(crate) fn client_config() -> Result<Arc<ClientConfig>, NoTls> {
    CONFIG.get_or_init(of_system).clone()
}

fn of_system() -> Result<Arc<ClientConfig>, NoTls> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if added == 0 {
        return Err(NoTls::NoRoots);
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
