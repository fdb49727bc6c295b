//! The link from the handles of programs to the driver.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot};

use crate::{RtcError, pc::command::Command};

/// Neither field keeps the connection alive. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link {
    wake: Arc<Notify>,
    commands: mpsc::WeakSender<Command>,
}

/// The error of a call after the driver has ended.
pub(crate) fn gone() -> RtcError {
    RtcError::invalid_state("the peer connection has ended: create a new one")
}

impl Link {
    pub(crate) fn new(wake: Arc<Notify>, commands: &mpsc::Sender<Command>) -> Self {
        Self { wake, commands: commands.downgrade() }
    }

    /// A link without a driver.
    #[cfg(test)]
    pub(crate) fn loose() -> Self {
        Self::new(Arc::default(), &mpsc::channel(1).0)
    }

    /// Tells the driver that shared state has changed.
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
