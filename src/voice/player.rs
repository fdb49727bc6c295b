//! Gives the sound to the room at its pace.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bounded::{Backoff, Jitter};
use speech::playout::{Hold, Playout, Settings};
use tokio::sync::Notify;

use crate::room::audio::{Loudspeaker, SPOKEN_RATE};

/// The waits between attempts to publish the track.
const PUBLISH_AGAIN: Backoff = Backoff::new(Duration::from_secs(2), Duration::from_secs(60), Jitter::Half);
/// The wait behind a frame that could not be played.
const FRAME: Duration = Duration::from_millis(10);

/// What the session, the mouth and the player share.
pub(super) struct Shared {
    state: Mutex<State>,
    /// The player may have something to do.
    changed: Notify,
    /// The mouth may.
    pub(super) advanced: Notify,
    /// The room was joined anew, and with it the track is another.
    pub(super) joined_anew: Notify,
}

pub(super) struct State {
    pub(super) playout: Playout,
    pub(super) audience: Audience,
}

/// Whether a participant hears the agent's voice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Audience {
    /// That is not known yet, and the sound waits.
    Awaited,
    Here,
    /// None has subscribed to the track, or there is no track.
    Missing,
}

/// Plays for one session.
struct Player {
    shared: Arc<Shared>,
    loudspeaker: Loudspeaker,
    frame: Vec<i16>,
}

// === impl Shared ===

impl Default for Shared {
    fn default() -> Self {
        let playout = Playout::new(Settings::new(SPOKEN_RATE));
        Self {
            state: Mutex::new(State { playout, audience: Audience::Awaited }),
            changed: Notify::new(),
            advanced: Notify::new(),
            joined_anew: Notify::new(),
        }
    }
}

impl Shared {
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the playout, and lets its users know.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Playout) -> T) -> T {
        let changed = change(&mut self.lock().playout);
        self.changed.notify_one();
        self.advanced.notify_one();
        changed
    }

    fn meet(&self, audience: Audience) {
        self.lock().audience = audience;
        self.advanced.notify_one();
    }

    async fn until_ready(&self) {
        while !self.lock().playout.is_ready() {
            self.changed.notified().await;
        }
    }
}

/// Plays until it is aborted.
pub(super) async fn play(shared: Arc<Shared>, loudspeaker: Loudspeaker) {
    let frame = vec![0; shared.lock().playout.frame()];
    let mut player = Player { shared: shared.clone(), loudspeaker, frame };
    loop {
        // In a new stay the track is published, and subscribed to, once more.
        tokio::select! {
            () = player.stay() => {}
            () = shared.joined_anew.notified() => shared.change(|playout| playout.release(Hold::Line)),
        }
    }
}

// === impl Player ===

impl Player {
    /// Plays in one stay in the room. The first sound waits for a participant who listens.
    async fn stay(&mut self) {
        self.shared.meet(Audience::Awaited);
        self.publish().await;
        self.shared.until_ready().await;
        if !self.loudspeaker.is_heard().await {
            tracing::info!("no participant has subscribed to the agent's voice: replies are written");
            self.shared.meet(Audience::Missing);
            self.loudspeaker.heard().await;
            tracing::info!("a participant has subscribed to the agent's voice");
        }
        self.shared.meet(Audience::Here);
        loop {
            self.play().await;
        }
    }

    async fn publish(&self) {
        let mut failures = 0;
        while let Err(error) = self.loudspeaker.publish().await {
            failures += 1;
            if failures == 1 {
                tracing::warn!(%error, "the agent's track could not be published: replies are written until it is");
            }
            self.shared.meet(Audience::Missing);
            tokio::time::sleep(PUBLISH_AGAIN.wait(failures, &mut fastrand::Rng::new())).await;
        }
        if failures > 0 {
            tracing::info!(failures, "the agent's track is published");
            self.shared.meet(Audience::Awaited);
        }
    }

    async fn play(&mut self) {
        let is_sound = self.shared.lock().playout.next(&mut self.frame);
        if !is_sound {
            return self.shared.changed.notified().await;
        }
        if let Err(error) = self.loudspeaker.play(&self.frame).await {
            tracing::debug!(%error, "a frame of the agent's voice is lost");
            tokio::time::sleep(FRAME).await;
        }
        self.shared.advanced.notify_one();
    }
}
