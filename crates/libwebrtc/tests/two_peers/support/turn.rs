//! A real TURN server, coturn, on loopback.

use std::{
    net::{SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use libwebrtc::peer_connection_factory::{IceServer, IceTransportsType, RtcConfiguration};

const PATIENCE: Duration = Duration::from_secs(60);
const USER: &str = "caller";
const PASSWORD: &str = "correct horse";

pub(crate) struct TurnServer {
    program: PathBuf,
    directory: tempfile::TempDir,
    plain: u16,
    tls: u16,
    process: Option<Child>,
}

impl TurnServer {
    /// `None`, with a loud message, when coturn is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = find("turnserver") else {
            eprintln!("SKIPPED: coturn is not installed, so nothing is relayed: apt-get install coturn");
            return None;
        };
        let directory = tempfile::tempdir().unwrap();
        let mut server = Self { program, directory, plain: free_port(), tls: free_port(), process: None };
        server.make_certificate();
        server.restart();
        Some(server)
    }

    pub(crate) fn restart(&mut self) {
        self.kill();
        let file = |name: &str| self.directory.path().join(name).display().to_string();
        let mut command = Command::new(&self.program);
        command
            .args(["-n", "--no-cli", "--no-dtls", "--simple-log", "--lt-cred-mech", "--allow-loopback-peers"])
            .args(["--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1", "--realm=example.org"])
            .arg(format!("--listening-port={}", self.plain))
            .arg(format!("--tls-listening-port={}", self.tls))
            .arg(format!("--user={USER}:{PASSWORD}"))
            .arg(format!("--cert={}", file("certificate.pem")))
            .arg(format!("--pkey={}", file("key.pem")))
            .arg(format!("--log-file={}", file("log")))
            .arg(format!("--pidfile={}", file("pid")))
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        self.process = Some(command.spawn().unwrap());
        let start = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.plain)).is_err() {
            assert!(start.elapsed() < PATIENCE, "coturn does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            _ = process.kill();
            _ = process.wait();
        }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.plain))
    }

    pub(crate) fn udp(&self) -> String {
        format!("turn:127.0.0.1:{}?transport=udp", self.plain)
    }

    pub(crate) fn tcp(&self) -> String {
        format!("turn:127.0.0.1:{}?transport=tcp", self.plain)
    }

    pub(crate) fn tls(&self) -> String {
        format!("turns:localhost:{}", self.tls)
    }

    /// The certificate of the server's authority.
    pub(crate) fn authority(&self) -> PathBuf {
        self.directory.path().join("authority.pem")
    }

    fn make_certificate(&self) {
        let path = |name: &str| self.directory.path().join(name);
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let server = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
        let server = server.signed_by(&key, &issuer).unwrap();
        std::fs::write(path("authority.pem"), certificate.pem()).unwrap();
        std::fs::write(path("certificate.pem"), server.pem()).unwrap();
        std::fs::write(path("key.pem"), key.serialize_pem()).unwrap();
    }
}

impl Drop for TurnServer {
    fn drop(&mut self) {
        self.kill();
    }
}

pub(crate) fn asking(url: impl Into<String>, policy: IceTransportsType) -> RtcConfiguration {
    asking_with(url, policy, PASSWORD)
}

pub(crate) fn asking_with(
    url: impl Into<String>,
    policy: IceTransportsType,
    password: &str,
) -> RtcConfiguration {
    let mut config = RtcConfiguration::default();
    config.ice_transport_type = policy;
    config.ice_servers =
        vec![IceServer { urls: vec![url.into()], username: USER.to_owned(), password: password.to_owned() }];
    config
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let places = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_owned()]);
    places.map(|place| place.join(program)).find(|file| file.is_file())
}

/// Free for UDP and TCP at this moment.
fn free_port() -> u16 {
    loop {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
