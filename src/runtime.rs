//! The threads of all asynchronous work, and its wait for a deadline.

use std::io;
use std::num::NonZero;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

/// The least number of threads, also on a machine with fewer cores: when a defect holds one for long, the others share
/// the cores, and the kernel is fair.
const LEAST_THREADS: usize = 4;

/// How long a thread for blocking work waits for more of it. The search for sessions of dead workers looks every
/// second: with tokio's ten seconds, up to ten threads that a burst of sessions started would take turns at that and
/// never end.
const IDLE_THREAD: Duration = Duration::from_millis(500);

/// The runtime that the worker and its sessions run on.
///
/// # Errors
/// The system gives no more threads.
pub fn start() -> io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(cores.max(LEAST_THREADS)).thread_keep_alive(IDLE_THREAD).enable_all().build()
}

/// Waits until the deadline; pending for ever without one.
pub(crate) async fn sleep_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
