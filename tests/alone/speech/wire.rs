//! A network that loses and delays packets, between the test's network, where the server is, and another one.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use tempfile::NamedTempFile;
use testbed::{LivekitServer, Process};

use crate::speech::ends::voice_bench;
use crate::support::private_network::Side;
use crate::support::skipped;

/// Where the server is reached from both sides.
const NEAR: &str = "10.78.0.1";

/// How bad a network is.
#[derive(Clone, Copy)]
pub(crate) struct Quality {
    pub(crate) loss_percent: u32,
    pub(crate) jitter_ms: u32,
}

/// The server on our side of a bad network, and the other side.
pub(crate) struct Wire {
    pub(crate) livekit: LivekitServer,
    link: Link,
}

/// A bad network.
pub(crate) struct Link {
    far: Side,
    quality: Quality,
    counts: NamedTempFile,
    _wire: Process,
}

/// Whether such a network can be made; a line about it if not.
pub(crate) fn possible() -> bool {
    let possible = std::fs::File::options().read(true).write(true).open("/dev/net/tun").is_ok();
    if !possible {
        skipped("/dev/net/tun cannot be opened, so no network can lose packets (root has it)");
    }
    possible
}

// === impl Wire ===

impl Wire {
    /// Must be called within a network namespace of the test.
    pub(crate) fn lay(quality: Quality, seed: u64) -> Self {
        let link = Link::lay(quality, seed);
        Self { livekit: link.server(), link }
    }

    /// The server's address on both sides.
    pub(crate) fn url(&self) -> String {
        url(&self.livekit)
    }

    pub(crate) fn check(&self) {
        self.link.check();
    }

    /// `command`, to be run on the other side.
    pub(crate) fn beyond(&self, command: &Command) -> Command {
        self.link.beyond(command)
    }
}

/// The address of a server on both sides.
pub(crate) fn url(livekit: &LivekitServer) -> String {
    livekit.url().replace("127.0.0.1", NEAR)
}

// === impl Link ===

impl Link {
    /// Must be called within a network namespace of the test.
    pub(crate) fn lay(quality: Quality, seed: u64) -> Self {
        let far = Side::made();
        let mut command = Command::new(voice_bench());
        command.arg("wire").arg(format!("--far={}", far.id()));
        command.arg(format!("--loss={}", f64::from(quality.loss_percent) / 100.0));
        command.arg(format!("--jitter-ms={}", quality.jitter_ms)).arg(format!("--seed={seed}"));
        let counts = NamedTempFile::new().unwrap();
        command.arg("--counts").arg(counts.path());
        let mut wire = Process::attached("the wire", command.stdout(Stdio::piped())).unwrap();
        let mut line = String::new();
        BufReader::new(wire.take_output().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "up\n");
        Self { far, quality, counts, _wire: wire }
    }

    /// A server on our side of it.
    pub(crate) fn server(&self) -> LivekitServer {
        LivekitServer::start_at(NEAR.parse().unwrap()).unwrap()
    }

    /// Asserts that the network lost as many packets as it was told to.
    pub(crate) fn check(&self) {
        let text = std::fs::read_to_string(self.counts.path()).unwrap();
        let counts: Vec<f64> = text.split(' ').map(|count| count.parse().unwrap()).collect();
        let [passed, lost, overflowed] = counts[..] else { panic!("{text:?}") };
        let percent = 100.0 * lost / (passed + lost);
        println!("{percent:.1} % of {} packets were lost", passed + lost);
        assert!((percent - f64::from(self.quality.loss_percent)).abs() < 2.0, "{text}");
        assert!(passed + lost > 1_000.0 && overflowed == 0.0, "{text}");
    }

    /// `command`, to be run on the other side.
    pub(crate) fn beyond(&self, command: &Command) -> Command {
        self.far.beyond(command)
    }
}
