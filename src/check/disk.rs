//! Whether a file can be written in its place, without leaving a trace there.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::Finding;

/// Makes a file in the directory, or in the nearest one above it that exists, and takes it away again.
pub(super) fn can_be_written(directory: &Path) -> io::Result<()> {
    let absolute = std::path::absolute(directory)?;
    let existing = absolute.ancestors().find(|ancestor| ancestor.exists());
    let existing = existing.ok_or(io::ErrorKind::NotFound)?;
    let trial = existing.join(format!(".voiced-check-{:016x}", fastrand::u64(..)));
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&trial)?;
    fs::remove_file(&trial)
}

/// A disk may hang like a network.
pub(super) async fn blocking(probe: impl FnOnce() -> Finding + Send + 'static) -> Finding {
    let broken = |_| Finding::failed("the check itself panicked: see the log");
    tokio::task::spawn_blocking(probe).await.unwrap_or_else(broken)
}
