//! The real world for tests and for the demo: a LiveKit server and an OpenTelemetry Collector as child processes
//! on free loopback ports, each with its own configuration in a temporary directory.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! let livekit = testbed::LivekitServer::start()?;
//! let collector = testbed::OtelCollector::start()?;
//! println!("{} {}", livekit.url(), collector.endpoint());
//! # Ok(())
//! # }
//! ```
//!
//! # Layout
//! - [`tools`]: the programs themselves, found through `$LIVEKIT_SERVER`, `$OTELCOL`, `PATH`, or built once into `target/tools/`
//! - [`venv`]: a Python environment with LiveKit's own SDK in `target/venv/`
//! - [`Process`]: one child, which never outlives us
//! - [`LivekitServer`], [`OtelCollector`]: the two servers; [`Redis`] makes several of the first one cluster, `rooms` asks it to make and delete rooms
//! - [`Speechd`]: a server that speaks and listens
//! - [`spans`], [`signals`]: what the collector wrote, decoded
//!
//! Everything here blocks. A server is up within half a second once its program is built, so an async test may call it
//! directly before it starts its own work.

mod build_lock;
pub mod http;
mod livekit;
mod otelcol;
mod ports;
pub mod process;
mod redis;
mod rooms;
pub mod signals;
pub mod spans;
mod speechd;
pub mod tools;
pub mod venv;
mod workspace;

pub use livekit::LivekitServer;
pub use otelcol::OtelCollector;
pub use ports::{free_port, free_ports};
pub use process::Process;
pub use redis::Redis;
pub use spans::Span;
pub use speechd::Speechd;
pub use workspace::{cargo, root, target_dir};

use std::hash::{BuildHasher, RandomState};
use std::io::Write;

/// Sixteen hexadecimal digits, new in every call: enough to tell parallel runs apart.
pub fn unique_hex() -> String {
    format!("{:016x}", RandomState::new().hash_one(0))
}

/// Prints a line about a step that takes long. Bypasses the capture of the test harness, which would otherwise make the
/// first build look like a hanging test.
pub fn progress(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}
