//! A Redis of our own, through which LiveKit servers become nodes of one cluster.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use tempfile::TempDir;

use crate::tools::find_on_path;
use crate::{Process, free_port};

/// Generous: it hides no slowness and only ends a hang.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
const PORT_ATTEMPTS: usize = 4;
/// The name of the program on Debian and most other systems.
const PROGRAM: &str = "redis-server";

/// A running Redis on loopback that keeps nothing on disk. Dropping it kills it.
#[derive(Debug)]
pub struct Redis {
    port: u16,
    _process: Process,
    _directory: TempDir,
}

impl Redis {
    /// Starts `redis-server` and returns when it answers. None where it is not installed: `cargo xtask setup` does that.
    pub fn start() -> Result<Option<Self>> {
        let Some(program) = find_on_path(PROGRAM) else { return Ok(None) };
        let mut attempt = 1;
        loop {
            match Self::start_once(&mut Command::new(&program)) {
                Ok(redis) => return Ok(Some(redis)),
                Err(error) if attempt < PORT_ATTEMPTS && is_port_clash(&error) => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The section of LiveKit's configuration that names this Redis.
    pub(crate) fn section(&self) -> String {
        format!("redis: {{address: 127.0.0.1:{}}}\n", self.port)
    }

    fn start_once(command: &mut Command) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("redis-").tempdir()?;
        let port = free_port()?;
        command.args([
            "--port",
            &port.to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
            "--appendonly",
            "no",
        ]);
        command.arg("--dir").arg(directory.path());
        let process = Process::spawn(PROGRAM, command, &directory.path().join("redis.log"))?;
        Ok(Self { port, _process: wait_until_up(process, port)?, _directory: directory })
    }
}

fn wait_until_up(mut process: Process, port: u16) -> Result<Process> {
    let deadline = Instant::now() + START_TIMEOUT;
    while !answers(port) {
        if let Some(status) = process.exit_status()? {
            bail!("{PROGRAM} ended at once ({status}); {}", process.log_tail());
        }
        if Instant::now() > deadline {
            bail!("{PROGRAM} does not answer on port {port} after {START_TIMEOUT:?}; {}", process.log_tail());
        }
        std::thread::sleep(POLL);
    }
    Ok(process)
}

/// Whether a Redis says `PONG` there.
fn answers(port: u16) -> bool {
    let pong = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
        stream.set_read_timeout(Some(START_TIMEOUT))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(&answer == b"+PONG")
    };
    pong().unwrap_or_default()
}

fn is_port_clash(error: &anyhow::Error) -> bool {
    format!("{error:#}").contains("Address already in use")
}
