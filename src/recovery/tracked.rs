//! Running sessions that stand in the notes, and what becomes of one that is torn out of its room.

use tokio_util::sync::CancellationToken;

use super::session_files::SessionFile;
use super::suspended::{SuspendedSession, SuspendedSessions};
use super::{Recovery, ResumableSession};
use crate::session::{ChatContext, ClaimContext, Summary};

/// A session that was torn out of its room.
#[derive(Debug)]
pub(super) struct InterruptedSession {
    pub(super) session: ResumableSession,
    pub(super) note: SessionFile,
    /// Its connection was lost; its conversation is kept in this process.
    pub(super) suspended: bool,
}

/// A session that stands in the notes until it is [`TrackedSession::over`]. One that is dropped before it was told to
/// stop broke down: the search goes back to it as if its worker had died.
#[derive(Debug)]
pub(crate) struct TrackedSession {
    pub(super) tracked: Option<(ResumableSession, SessionFile)>,
    /// The earlier conversation, when the session goes on with one.
    pub(super) chat_context: Option<ChatContext>,
    pub(super) stop: CancellationToken,
    pub(super) recovery: Recovery,
}

/// A session whose connection was lost, while it leaves its room. Once it has left, the search looks for people who
/// wait there.
#[derive(Debug)]
pub(crate) struct Interruption {
    tracked: Option<(ResumableSession, SessionFile)>,
    recovery: Recovery,
}

/// The conversations in a room before the connection to it was lost, for a new job of that room's people. Cheap to
/// clone.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    pub(super) room_name: String,
    pub(super) suspended: SuspendedSessions,
}

// === impl TrackedSession ===

impl TrackedSession {
    /// The earlier conversation, once; None in a new session.
    pub(crate) fn chat_context(&mut self) -> Option<ChatContext> {
        self.chat_context.take()
    }

    /// The session has ended, and no worker needs to go back.
    pub(crate) fn over(mut self) {
        if let Some((_, note)) = self.tracked.take() {
            note.remove();
        }
    }

    /// The connection was lost: the search is to go back with the whole conversation, also if the room is a new one by
    /// then. A new job for the room may go on with it from now on.
    pub(crate) fn lost(mut self, summary: Summary) -> Interruption {
        let (tracked, recovery) = (self.tracked.take(), self.recovery.clone());
        if let Some((session, _)) = &tracked {
            let Summary { chat_context, people: met, .. } = summary;
            let suspended = SuspendedSession { room_name: session.room_name.clone(), met, chat_context };
            recovery.suspended.suspend(session.job_id.clone(), suspended);
        }
        Interruption { tracked, recovery }
    }
}

impl Drop for TrackedSession {
    fn drop(&mut self) {
        match self.tracked.take() {
            Some((_, note)) if self.stop.is_cancelled() => note.remove(),
            Some((session, note)) => {
                self.recovery.interrupted(InterruptedSession { session, note, suspended: false })
            }
            None => {}
        }
    }
}

// === impl Interruption ===

impl Interruption {
    /// Starts the search; we are out of the room.
    pub(crate) fn look(self) {}
}

impl Drop for Interruption {
    /// Starts the search, also when leaving the room was cut short.
    fn drop(&mut self) {
        if let Some((session, note)) = self.tracked.take() {
            self.recovery.interrupted(InterruptedSession { session, note, suspended: true });
        }
    }
}

// === impl Claims ===

impl ClaimContext for Claims {
    fn claim(&self, identity: &str) -> Option<ChatContext> {
        self.suspended.claim(&self.room_name, &[identity.to_owned()])
    }
}
