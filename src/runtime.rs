//! The threads that everything asynchronous shares.

use std::io;
use std::num::NonZero;

use tokio::runtime::{Builder, Runtime};

/// On a machine with fewer cores there are this many threads all the same: what holds one for long, by a defect, then leaves
/// the others to share the cores, and the kernel is fair.
const LEAST_THREADS: usize = 4;

/// The runtime that the worker and its sessions run on.
///
/// # Errors
/// The system gives no more threads.
pub fn start() -> io::Result<Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    Builder::new_multi_thread().worker_threads(cores.max(LEAST_THREADS)).enable_all().build()
}
