//! Gives the sound to the room at its pace.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::playout::Playout;
use crate::room::audio::Loudspeaker;

/// The playout as the session, the mouth and the player share it.
#[derive(Default)]
pub(super) struct Shared {
    playout: Mutex<Playout>,
    /// The player may have something to do.
    pub(super) changed: Notify,
    /// The mouth may.
    pub(super) advanced: Notify,
}

// === impl Shared ===

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, Playout> {
        self.playout.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the playout, and lets its users know.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Playout) -> T) -> T {
        let changed = change(&mut self.lock());
        self.changed.notify_one();
        self.advanced.notify_one();
        changed
    }
}

/// Plays until it is aborted. The first sound waits for a participant who listens.
pub(super) async fn play(shared: Arc<Shared>, mut loudspeaker: Loudspeaker) {
    if let Err(error) = loudspeaker.publish().await {
        tracing::warn!(%error, "the agent's track could not be published: its replies are not heard, and stay text");
    }
    let mut is_awaited = true;
    loop {
        // The lock must be free again before the wait.
        let next = shared.lock().next();
        let Some(frame) = next else {
            shared.changed.notified().await;
            continue;
        };
        if std::mem::take(&mut is_awaited) && !loudspeaker.wait_for_listener().await {
            tracing::info!("no participant has subscribed to the agent's voice yet");
        }
        if let Err(error) = loudspeaker.play(frame).await {
            tracing::debug!(%error, "a frame of the agent's voice is lost");
        }
        shared.advanced.notify_one();
    }
}
