//! The one way to stdout and stderr.
//!
//! A write that fails is an error of the command and never a panic, so clippy refuses `println!` and its kin in this
//! crate. A reader of stdout that has gone, as in `voiced config | head`, ends a command quietly. What stderr does not
//! take is lost: there is no other place to report it, and an exit code must not depend on it.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, Write};
use std::thread;
use std::time::Duration;

use crate::terminal;

/// How long a stdout that does not block is left alone when it is full.
const FULL: Duration = Duration::from_millis(5);

/// The reason why stdout took no more. It has its own type, because files and sockets fail with the same kinds of
/// error.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to stdout")]
pub(crate) struct StdoutError(#[source] io::Error);

/// Stdout for `write!`. Its errors hold a [`StdoutError`].
struct Stdout;

/// Writes a text at once, without a line break behind it.
pub(crate) fn print(text: &str) -> Result<(), StdoutError> {
    Ok(Stdout.write_all(text.as_bytes()).and_then(|()| Stdout.flush())?)
}

/// Writes a line at once.
pub(crate) fn line(text: impl Display) -> Result<(), StdoutError> {
    print(&format!("{text}\n"))
}

/// Has `write` write to stdout, in pieces as large as a buffer.
pub(crate) fn with_stdout(write: impl FnOnce(&mut dyn Write) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut out = BufWriter::new(Stdout);
    write(&mut out)?;
    Ok(out.flush()?)
}

/// Writes a text, of one or several lines, to stderr, where there is no log.
pub(crate) fn complain(text: impl Display) {
    let text = format!("{}\n", terminal::escaped_lines(&text.to_string()));
    let _ = to_stderr(text.as_bytes());
}

/// Writes bytes to stderr as they are.
pub(crate) fn to_stderr(bytes: &[u8]) -> io::Result<()> {
    io::stderr().lock().write_all(bytes)
}

/// Whether a command failed only because the reader of stdout has gone.
pub(crate) fn is_closed(error: &anyhow::Error) -> bool {
    let within = || error.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref::<StdoutError>();
    error.downcast_ref::<StdoutError>().or_else(within).is_some_and(StdoutError::is_closed)
}

// === impl StdoutError ===

impl StdoutError {
    pub(crate) fn is_closed(&self) -> bool {
        self.0.kind() == ErrorKind::BrokenPipe
    }
}

impl From<io::Error> for StdoutError {
    fn from(error: io::Error) -> Self {
        error.downcast().unwrap_or_else(Self)
    }
}

// === impl Stdout ===

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        patiently(|| io::stdout().write(bytes)).map_err(marked)
    }

    fn flush(&mut self) -> io::Result<()> {
        patiently(|| io::stdout().flush()).map_err(marked)
    }
}

/// Another program that shares stdout may have set it not to block; a reader that is slow is no error then either.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match attempt() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(FULL),
            done => return done,
        }
    }
}

/// The same error, of the same kind, marked as one of stdout.
fn marked(error: io::Error) -> io::Error {
    io::Error::new(error.kind(), StdoutError(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broken() -> io::Error {
        ErrorKind::BrokenPipe.into()
    }

    #[test]
    fn only_a_closed_stdout_is_a_quiet_end() {
        assert!(is_closed(&StdoutError(broken()).into()));
        assert!(is_closed(&marked(broken()).into()));
        let full = || io::Error::from(ErrorKind::StorageFull);
        for error in [StdoutError(full()).into(), marked(full()).into(), anyhow::Error::from(broken())] {
            assert!(!is_closed(&error), "{error:?}");
        }
    }

    #[test]
    fn an_error_of_stdout_says_so_with_its_cause_once() {
        let full = || io::Error::from_raw_os_error(28);
        for error in [anyhow::Error::from(StdoutError(full())), marked(full()).into()] {
            assert_eq!(format!("{error:#}"), "cannot write to stdout: No space left on device (os error 28)");
        }
    }
}
