//! Ctrl-C and SIGTERM while servers run: the demo returns an error through its usual path, which ends them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

const POLL: Duration = Duration::from_millis(20);

/// Set by the first signal that asks this process to end.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

/// The error that is returned after such a signal.
#[derive(Debug)]
pub(crate) struct Interrupted;

impl Interrupt {
    /// From here on the first signal only sets the flag; a second one ends this process at once, and its children with
    /// it.
    pub(crate) fn register() -> Result<Self> {
        let raised = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            flag::register_conditional_shutdown(signal, 130, Arc::clone(&raised))?;
            flag::register(signal, Arc::clone(&raised))?;
        }
        Ok(Self(raised))
    }

    pub(crate) fn is_raised(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// An error after a signal has asked this process to end.
    pub(crate) fn check(&self) -> Result<()> {
        if self.is_raised() { Err(Interrupted.into()) } else { Ok(()) }
    }

    /// Calls `attempt` again and again until it returns a value; `None` after `patience`.
    pub(crate) fn wait_for<T>(
        &self,
        patience: Duration,
        mut attempt: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        let deadline = Instant::now() + patience;
        loop {
            self.check()?;
            if let Some(value) = attempt()? {
                return Ok(Some(value));
            }
            if Instant::now() > deadline {
                return Ok(None);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Returns when a signal asks this process to end.
    pub(crate) fn wait(&self) {
        while !self.is_raised() {
            std::thread::sleep(POLL);
        }
    }
}

impl fmt::Display for Interrupted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("interrupted; everything that was started is stopped")
    }
}

impl std::error::Error for Interrupted {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raised_flag_ends_every_wait() {
        let interrupt = Interrupt(Arc::new(AtomicBool::new(false)));
        assert_eq!(interrupt.wait_for(Duration::ZERO, || Ok(None::<()>)).unwrap(), None);
        assert_eq!(interrupt.wait_for(Duration::ZERO, || Ok(Some(7))).unwrap(), Some(7));
        interrupt.0.store(true, Ordering::Relaxed);
        let error = interrupt.wait_for(Duration::MAX / 4, || Ok(None::<()>)).unwrap_err();
        assert!(error.is::<Interrupted>());
    }
}
