//! The tokio runtime of the crate's tasks and timers.

use std::io;
use std::sync::OnceLock;

use tokio::runtime::{Builder, Handle, Runtime};

use crate::RtcError;

/// For programs that call the crate outside of a runtime. It is created on first use and kept.
static FALLBACK: OnceLock<io::Result<Runtime>> = OnceLock::new();

pub(crate) fn handle() -> Result<Handle, RtcError> {
    if let Ok(handle) = Handle::try_current() {
        return Ok(handle);
    }
    match FALLBACK.get_or_init(build) {
        Ok(runtime) => Ok(runtime.handle().clone()),
        Err(error) => {
            Err(RtcError::internal(format!("no tokio runtime, and none could be started: {error}")))
        }
    }
}

fn build() -> io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).thread_name("libwebrtc").enable_all().build()
}
