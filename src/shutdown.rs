//! Signals as values that can be passed around.

use std::io::{self, IsTerminal};

pub use agent_worker::Shutdown;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// SIGXFSZ, by its number on Linux, macOS and the BSDs (but for Linux on MIPS and PA-RISC).
const FILE_TOO_LARGE: i32 = 25;

/// SIGHUP, by which a service manager asks for the configuration to be read again.
pub struct Hangups {
    /// None: the user who started us at a terminal wants us gone when it closes.
    signal: Option<Signal>,
}

/// The first SIGTERM or SIGINT drains, the second ends now. Must be called within a tokio runtime.
pub fn on_signals() -> io::Result<Shutdown> {
    let terminate = signal(SignalKind::terminate())?;
    let interrupt = signal(SignalKind::interrupt())?;
    let shutdown = Shutdown::default();
    // The signals are followed in a task of their own, so that no work of ours can hold them up.
    tokio::spawn(follow(shutdown.clone(), terminate, interrupt));
    Ok(shutdown)
}

async fn follow(shutdown: Shutdown, mut terminate: Signal, mut interrupt: Signal) {
    let name = next_signal(&mut terminate, &mut interrupt).await;
    info!(signal = name, "finishing; a second signal ends at once");
    shutdown.drain.cancel();
    let name = next_signal(&mut terminate, &mut interrupt).await;
    warn!(signal = name, "ending now");
    shutdown.end_now.cancel();
}

/// A write past `ulimit -f` or `LimitFSIZE=` would kill the process. With a handler, whether or not any task listens to
/// it, it is an error of that write, which record and spool live with as with a full disk.
/// Must be called within a tokio runtime.
pub(crate) fn outlive_limits_on_files() -> io::Result<()> {
    signal(SignalKind::from_raw(FILE_TOO_LARGE)).map(drop)
}

async fn next_signal(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

// === impl Hangups ===

impl Hangups {
    /// From now on SIGHUP does not end the process, unless stderr is a terminal. Must be called within a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        let at_terminal = io::stderr().is_terminal();
        Ok(Self { signal: if at_terminal { None } else { Some(signal(SignalKind::hangup())?) } })
    }

    /// The next signal. Several that come at once count as one.
    pub async fn next(&mut self) {
        let heard = match &mut self.signal {
            Some(signal) => signal.recv().await,
            None => None,
        };
        if heard.is_none() {
            std::future::pending().await
        }
    }
}
