//! The threads of all asynchronous work.

use std::io;
use std::num::NonZero;
use std::time::Duration;

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
