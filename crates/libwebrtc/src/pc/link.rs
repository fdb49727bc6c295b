//! The way from what programs hold to the driver.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};

use crate::{RtcError, pc::driver::Command};

/// Neither keeps the connection alive. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link {
    wake: Arc<Notify>,
    commands: mpsc::WeakSender<Command>,
}

/// What a call is told when there is nobody any more to answer it.
pub(crate) fn gone() -> RtcError {
    RtcError::invalid_state("the peer connection has ended: create a new one")
}

impl Link {
    pub(crate) fn new(wake: Arc<Notify>, commands: &mpsc::Sender<Command>) -> Self {
        Self { wake, commands: commands.downgrade() }
    }

    /// A link to nobody.
    #[cfg(test)]
    pub(crate) fn loose() -> Self {
        Self::new(Arc::default(), &mpsc::channel(1).0)
    }

    /// Tells the driver that something changed.
    pub(crate) fn wake(&self) {
        self.wake.notify_one();
    }

    pub(crate) fn waker(&self) -> Arc<Notify> {
        self.wake.clone()
    }

    pub(crate) async fn call<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, RtcError>>) -> Command,
    ) -> Result<T, RtcError> {
        let (reply, result) = oneshot::channel();
        {
            let commands = self.commands.upgrade().ok_or_else(gone)?;
            commands.send(command(reply)).await.map_err(|_| gone())?;
        }
        result.await.map_err(|_| gone())?
    }
}
