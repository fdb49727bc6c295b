//! TLS in front of servers that have none, with certificates of an authority that only the test knows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

/// A private certificate authority.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

// === impl Authority ===

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Its certificate as a file in this directory.
    pub(crate) fn file(&self, directory: &Path) -> PathBuf {
        let file = directory.join(format!("ca-{}.pem", testbed::unique_hex()));
        std::fs::write(&file, &self.pem).unwrap();
        file
    }

    /// A port that speaks TLS as `names` and forwards to the port `to` on loopback.
    pub(crate) async fn front(&self, names: &[&str], to: u16) -> u16 {
        self.front_with(params(names), to).await
    }

    /// As `front`, with a certificate that was valid until 2020.
    pub(crate) async fn expired_front(&self, names: &[&str], to: u16) -> u16 {
        let mut params = params(names);
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        self.front_with(params, to).await
    }

    async fn front_with(&self, params: CertificateParams, to: u16) -> u16 {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        outbound::install_crypto_provider();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(pass_on(acceptor.clone(), stream, to));
            }
        });
        port
    }
}

fn params(names: &[&str]) -> CertificateParams {
    CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap()
}

async fn pass_on(acceptor: TlsAcceptor, stream: TcpStream, to: u16) {
    // A client that does not trust the authority hangs up here.
    let Ok(mut near) = acceptor.accept(stream).await else { return };
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", to)).await else { return };
    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
}
