//! The way out of the process: the authorities that its connections trust, and the proxies that they go through.
//! LiveKit's socket and room service, the SDK's signalling, the model and every receiver of telemetry are reached with
//! the settings made here, and with nothing else: no library reads variables of its own.
//!
//! - `trust`: the authorities, and what to do about a certificate that is not accepted
//! - `proxy`: which URL goes through which proxy
//! - `client`: HTTP; `web`: bounded requests that are made now and then
//! - `request_id`: what a server calls a request; `retry_after`: when it asks to be asked again
//! - `websocket`: the sockets

pub mod client;
mod proxy;
mod proxy_url;
pub mod request_id;
pub mod retry_after;
mod tls;
pub mod trust;
pub mod web;
pub mod websocket;

use std::error::Error;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;
use url::Url;

use self::client::HttpClient;
use self::proxy::{Proxies, tunnel};
pub use self::proxy_url::ProxyUrl;
pub use self::proxy_url::{PLACE, has_place};
pub use self::tls::{install_crypto_provider, random_hex};
pub use self::trust::TrustError;
use self::trust::{Roots, SystemRoots};

/// There is one for the process, as the SDK takes its transport once for all rooms.
static NETWORK: OnceLock<Network> = OnceLock::new();

/// The settings of every connection of ours.
#[derive(Debug)]
pub struct Network {
    tls: Arc<ClientConfig>,
    system: SystemRoots,
    proxies: Proxies,
    names: Names,
}

/// The authorities that connections trust, and the proxies that they go through.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Certificates of authorities that are trusted besides the system's, in PEM.
    pub ca_file: Option<PathBuf>,
    /// For `https` and `wss`.
    pub https_proxy: Option<ProxyUrl>,
    /// For `http` and `ws`.
    pub http_proxy: Option<ProxyUrl>,
    /// Hosts that are reached without a proxy, in the notation of `NO_PROXY`.
    pub no_proxy: String,
    pub names: Names,
}

/// What the program and its settings are called, for servers and for messages to its users.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    /// `User-Agent`: a product and its version (RFC 9110, section 10.1.5).
    pub user_agent: &'static str,
    pub ca_file: &'static str,
    pub https_proxy: &'static str,
    pub http_proxy: &'static str,
}

/// The reason why there is no TCP connection yet.
#[derive(Debug)]
pub struct Unreachable(String);

/// Sets how connections are made, before the first one is. Only the first call of a process counts. Returns warnings:
/// the paths of `SSL_CERT_FILE` and `SSL_CERT_DIR` that hold no certificate.
pub fn install(settings: &Settings) -> Result<Vec<String>, TrustError> {
    let network = Network::new(settings)?;
    let unread = network.system.unread.clone();
    let _ = NETWORK.set(network);
    Ok(unread)
}

/// The installed network, else one with the system's certificates and without proxies.
pub fn network() -> &'static Network {
    NETWORK.get_or_init(|| Network::with(Roots::of_system(), Proxies::default(), Names::default()))
}

// === impl Names ===

impl Default for Names {
    /// The names of the fields of [`Settings`].
    fn default() -> Self {
        let user_agent = concat!("outbound/", env!("CARGO_PKG_VERSION"));
        Self { user_agent, ca_file: "ca_file", https_proxy: "https_proxy", http_proxy: "http_proxy" }
    }
}

// === impl Network ===

impl Network {
    fn new(settings: &Settings) -> Result<Self, TrustError> {
        let mut roots = Roots::of_system();
        if let Some(file) = &settings.ca_file {
            roots.add_file(file)?;
        }
        Ok(Self::with(roots, Proxies::new(settings), settings.names))
    }

    fn with(roots: Roots, proxies: Proxies, names: Names) -> Self {
        install_crypto_provider();
        let tls = ClientConfig::builder().with_root_certificates(roots.store).with_no_client_auth();
        Self { tls: Arc::new(tls), system: roots.system, proxies, names }
    }

    /// The trusted authorities, for connections that libraries make.
    pub fn tls(&self) -> Arc<ClientConfig> {
        self.tls.clone()
    }

    /// An HTTP client, whose connections are made within `connect_timeout`.
    pub fn http(&self, connect_timeout: Option<Duration>) -> HttpClient {
        HttpClient::new(self, connect_timeout)
    }

    /// A client that only makes requests, for libraries that want one for that. It would trust the same authorities,
    /// and go through no proxy.
    pub fn request_maker(&self) -> reqwest::Result<reqwest::Client> {
        reqwest::Client::builder().tls_backend_preconfigured((*self.tls).clone()).no_proxy().build()
    }

    /// The causes of a failed request to `url`, and the remedy when a certificate or the proxy is to blame.
    pub fn causes(&self, url: &Url, error: &(dyn Error + 'static)) -> String {
        self.advised(url, web::causes(error), error)
    }

    /// As `causes`, with the innermost cause alone.
    pub fn cause(&self, url: &Url, error: &(dyn Error + 'static)) -> String {
        self.advised(url, web::innermost(error), error)
    }

    fn advised(&self, url: &Url, cause: String, error: &(dyn Error + 'static)) -> String {
        let advice = trust::found(error).map(|refusal| trust::advice(refusal, &self.system, &self.names));
        let plain = url.scheme() == "http" && client::is_no_http(error);
        let advice = advice.or_else(|| plain.then(|| "does it speak TLS there (https://)?".to_owned()));
        let through = self.proxies.through(url);
        [Some(cause), advice, through].into_iter().flatten().collect::<Vec<_>>().join("; ")
    }

    /// A TCP connection to the host of `url`, or the way there through a proxy.
    async fn dial(&self, url: &Url) -> Result<TcpStream, Unreachable> {
        let mut direct = HttpConnector::new();
        direct.set_nodelay(true);
        let stream = match self.proxies.of(url) {
            None => ready(direct, target(url)?).await.map_err(|error| self.unreachable(url, &error))?,
            Some(proxy) => {
                let tunnel = tunnel(&proxy, direct);
                ready(tunnel, target(url)?).await.map_err(|error| self.unreachable(url, &error))?
            }
        };
        Ok(TokioIo::into_inner(stream))
    }

    fn unreachable(&self, url: &Url, error: &(dyn Error + 'static)) -> Unreachable {
        Unreachable(self.cause(url, error))
    }
}

/// `host:port` as a URI: the caller decides the protocol that is spoken there.
fn target(url: &Url) -> Result<Uri, Unreachable> {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    let uri = Uri::builder().scheme("http").authority(format!("{host}:{port}")).path_and_query("/").build();
    uri.map_err(|error| Unreachable(format!("{url} names no host that can be reached: {error}")))
}

async fn ready<S: Service<Uri>>(mut connector: S, target: Uri) -> Result<S::Response, S::Error> {
    std::future::poll_fn(|context| connector.poll_ready(context)).await?;
    connector.call(target).await
}
