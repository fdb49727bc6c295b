//! Sessions that the worker was asked to take up again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ResumableSession;
use super::session_files::SessionFile;

/// A worker that has not answered by then has lost the question.
const UNANSWERED: Duration = Duration::from_secs(60);

/// Sessions that the worker was asked to take up again, by job id, until it is back in their rooms.
#[derive(Clone, Debug, Default)]
pub(super) struct Resuming(Arc<Mutex<HashMap<String, Asked>>>);

#[derive(Debug)]
pub(super) struct Asked {
    pub(super) session: ResumableSession,
    pub(super) note: SessionFile,
    since: Instant,
    answer: Answer,
}

/// What the worker says to a session that it was asked to take up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Nothing yet.
    None,
    /// It has given it a slot.
    Joining,
    /// It had no slot, or could not join the room.
    No,
}

/// The progress of the worker with a session that it was asked to take up.
#[derive(Debug)]
pub(super) enum Progress {
    /// The worker has refused it, or has not answered for long: to be asked again.
    Refused(SessionFile),
    UnderWay,
    /// It is a running session like others.
    Done,
}

// === impl Resuming ===

impl Resuming {
    pub(super) fn ask(&self, session: ResumableSession, note: SessionFile) {
        let asked = Asked { note, since: Instant::now(), answer: Answer::None, session };
        self.lock().insert(asked.session.job_id.clone(), asked);
    }

    pub(super) fn answer(&self, job_id: &str, answer: Answer) {
        if let Some(asked) = self.lock().get_mut(job_id) {
            asked.answer = answer;
        }
    }

    pub(super) fn finish(&self, job_id: &str) -> Option<Asked> {
        self.lock().remove(job_id)
    }

    pub(super) fn progress(&self, job_id: &str) -> Progress {
        let mut asked = self.lock();
        match asked.get(job_id) {
            None => Progress::Done,
            Some(asked) if !asked.is_refused() => Progress::UnderWay,
            Some(_) => asked.remove(job_id).map_or(Progress::Done, |asked| Progress::Refused(asked.note)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Asked ===

impl Asked {
    /// A busy worker answers late; asked again meanwhile, it would begin the session without what was said before.
    fn is_refused(&self) -> bool {
        match self.answer {
            Answer::No => true,
            Answer::Joining => false,
            Answer::None => self.since.elapsed() > UNANSWERED,
        }
    }
}
