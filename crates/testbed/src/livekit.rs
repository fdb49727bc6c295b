//! A LiveKit server of our own.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use tempfile::TempDir;

use crate::{Process, Redis, free_ports, http, ports, tools, unique_hex};

/// Generous: it hides no slowness and only ends a hang.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);

/// A running LiveKit server on loopback, with a key of its own. Dropping it kills it.
///
/// `stop` and `restart` take `&self`, so that a test can pull the server away from under a worker that shares it.
#[derive(Debug)]
pub struct LivekitServer {
    program: PathBuf,
    directory: TempDir,
    ports: Ports,
    url: String,
    keys: Keys,
    process: Mutex<Option<Process>>,
}

/// The key pair that signs tokens.
#[derive(Debug, Clone)]
struct Keys {
    key: String,
    secret: String,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    signal: u16,
    udp: u16,
    tcp: u16,
}

/// The address of a server, and the settings of a cluster's node.
#[derive(Clone, Copy)]
struct Setting<'a> {
    address: IpAddr,
    redis: Option<&'a Redis>,
    /// Further configuration: whole top-level keys, in YAML.
    more: &'a str,
}

impl Setting<'_> {
    const ALONE: Self = Self { address: IpAddr::V4(Ipv4Addr::LOCALHOST), redis: None, more: "" };
}

impl LivekitServer {
    /// Finds or builds the server, starts it and returns when it answers.
    pub fn start() -> Result<Self> {
        Self::start_as(&Keys::new(), Setting::ALONE)
    }

    /// The same with more of a configuration: top-level keys in YAML, such as `room: {empty_timeout: 20}`.
    pub fn start_with(more: &str) -> Result<Self> {
        Self::start_as(&Keys::new(), Setting { more, ..Setting::ALONE })
    }

    /// The same for a network of a test's own: clients can connect over loopback and over `address`, an address of this
    /// machine.
    pub fn start_at(address: IpAddr) -> Result<Self> {
        Self::start_as(&Keys::new(), Setting { address, ..Setting::ALONE })
    }

    /// Starts nodes of one cluster: they have their keys in common and find each other through `redis`.
    pub fn nodes<const N: usize>(redis: &Redis) -> Result<[Self; N]> {
        let (keys, setting) = (Keys::new(), Setting { redis: Some(redis), ..Setting::ALONE });
        let nodes = (0..N).map(|_| Self::start_as(&keys, setting)).collect::<Result<Vec<_>>>()?;
        nodes.try_into().map_err(|_| anyhow!("not {N} nodes"))
    }

    fn start_as(keys: &Keys, setting: Setting<'_>) -> Result<Self> {
        ports::launch_one(|| Self::settled(keys.clone(), setting), Self::launch)
    }

    /// A server with its address and keys settled, but not running: `restart` brings it up.
    pub fn configured() -> Result<Self> {
        Self::settled(Keys::new(), Setting::ALONE)
    }

    fn settled(keys: Keys, setting: Setting<'_>) -> Result<Self> {
        let program = tools::livekit_server()?;
        let directory = tempfile::Builder::new().prefix("livekit-server-").tempdir()?;
        let [signal, udp, tcp] = free_ports()?;
        let ports = Ports { signal, udp, tcp };
        fs::write(directory.path().join("livekit.yaml"), configuration(ports, &keys, setting))?;
        let url = format!("ws://127.0.0.1:{signal}");
        Ok(Self { program, directory, ports, url, keys, process: Mutex::new(None) })
    }

    /// The URL that clients and workers connect to, `ws://127.0.0.1:PORT`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The TCP port of both URLs.
    pub fn port(&self) -> u16 {
        self.ports.signal
    }

    /// The URL of the server's HTTP APIs, `http://127.0.0.1:PORT`.
    pub fn http_url(&self) -> String {
        self.url.replacen("ws://", "http://", 1)
    }

    /// The key that signs tokens.
    pub fn api_key(&self) -> &str {
        &self.keys.key
    }

    /// The secret of [`Self::api_key`].
    pub fn api_secret(&self) -> &str {
        &self.keys.secret
    }

    /// The variables that clients and workers need to reach this server.
    pub fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("LIVEKIT_URL", self.url.clone()),
            ("LIVEKIT_API_KEY", self.keys.key.clone()),
            ("LIVEKIT_API_SECRET", self.keys.secret.clone()),
        ]
    }

    /// Where the server writes its log, as JSON lines.
    pub fn log(&self) -> PathBuf {
        self.directory.path().join("livekit-server.log")
    }

    /// The end of the server's log, for the message of a failed test.
    pub fn log_tail(&self) -> Result<String> {
        let process = self.process();
        Ok(process.as_ref().context("livekit-server is not running")?.log_tail())
    }

    /// The id of the running process.
    pub fn process_id(&self) -> Option<u32> {
        self.process().as_ref().map(Process::id)
    }

    /// Kills the server as a crash would; its rooms are gone.
    pub fn stop(&self) {
        *self.process() = None;
    }

    /// Starts the server again, after stopping it if it runs: same ports, same keys, no rooms. Returns when it answers.
    pub fn restart(&self) -> Result<()> {
        ports::launch_again(|| self.launch())
    }

    fn launch(&self) -> Result<()> {
        let mut slot = self.process();
        *slot = None;
        let mut command = Command::new(&self.program);
        // The server reads these too, and they would win over the file.
        for variable in
            ["LIVEKIT_CONFIG", "LIVEKIT_KEYS", "LIVEKIT_REGION", "NODE_IP", "UDP_PORT", "REDIS_HOST"]
        {
            command.env_remove(variable);
        }
        command.arg("--config").arg(self.directory.path().join("livekit.yaml"));
        let process = Process::spawn("livekit-server", &mut command, &self.log())?;
        *slot = Some(wait_until_up(process, self.ports.signal)?);
        Ok(())
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Keys ===

impl Keys {
    fn new() -> Self {
        Self { key: format!("key{}", unique_hex()), secret: format!("{}{}", unique_hex(), unique_hex()) }
    }
}

fn wait_until_up(mut process: Process, port: u16) -> Result<Process> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        if let Some(status) = process.exit_status()? {
            bail!("livekit-server ended at once ({status}); {}", process.log_tail());
        }
        if http::get(port, "/").is_ok_and(|answer| answer.status == 200) {
            return Ok(process);
        }
        if Instant::now() > deadline {
            bail!(
                "livekit-server does not answer on port {port} after {START_TIMEOUT:?}; {}",
                process.log_tail()
            );
        }
        std::thread::sleep(POLL);
    }
}

/// Loopback only, for signalling and for media, unless the setting has another address; and nothing that would ask a
/// server outside for one.
fn configuration(ports: Ports, keys: &Keys, setting: Setting<'_>) -> String {
    let Ports { signal, udp, tcp } = ports;
    let Keys { key, secret } = keys;
    let Setting { address, redis, more } = setting;
    let cluster = redis.map(Redis::section).unwrap_or_default();
    let (addresses, media) = if address.is_loopback() {
        (
            "127.0.0.1".to_owned(),
            "interfaces: {includes: [lo, lo0]}\n  ips: {includes: [127.0.0.0/8]}".to_owned(),
        )
    } else {
        (format!("127.0.0.1, {address}"), format!("ips: {{includes: [{address}/32]}}"))
    };
    format!(
        "\
port: {signal}
bind_addresses: [{addresses}]
keys:
  {key}: {secret}
rtc:
  node_ip: {address}
  use_external_ip: false
  enable_loopback_candidate: true
  {media}
  udp_port: {udp}
  tcp_port: {tcp}
  # Without an entry clients are told to ask public STUN servers.
  stun_servers: ['127.0.0.1:{udp}']
logging:
  json: true
  level: info
{cluster}{more}
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_stays_on_loopback() {
        let ports = Ports { signal: 1, udp: 2, tcp: 3 };
        let keys = Keys { key: "key".to_owned(), secret: "secret".to_owned() };
        let text = configuration(ports, &keys, Setting::ALONE);
        assert!(!text.contains("redis"), "only a node of a cluster looks for it");
        for line in [
            "port: 1",
            "bind_addresses: [127.0.0.1]",
            "  key: secret",
            "  node_ip: 127.0.0.1",
            "  ips: {includes: [127.0.0.0/8]}",
            "  udp_port: 2",
            "  tcp_port: 3",
        ] {
            assert!(text.lines().any(|it| it == line), "no line {line:?} in\n{text}");
        }
    }
}
