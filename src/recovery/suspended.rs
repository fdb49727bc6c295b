//! Sessions whose connection was lost while their process lives: their conversations, and their people.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::session::ChatContext;

/// The sessions by job id. Each is gone when it goes on, or when the search has given it up.
#[derive(Clone, Debug, Default)]
pub(super) struct SuspendedSessions(Arc<Mutex<HashMap<String, SuspendedSession>>>);

#[derive(Clone, Debug)]
pub(super) struct SuspendedSession {
    pub(super) room_name: String,
    /// The identities of all people who took part.
    pub(super) met: Vec<String>,
    pub(super) chat_context: ChatContext,
}

// === impl SuspendedSessions ===

impl SuspendedSessions {
    pub(super) fn suspend(&self, job_id: String, suspended: SuspendedSession) {
        self.lock().insert(job_id, suspended);
    }

    pub(super) fn holds(&self, job_id: &str) -> bool {
        self.lock().contains_key(job_id)
    }

    /// The people whom a session had met; None when it is not parked.
    pub(super) fn met(&self, job_id: &str) -> Option<Vec<String>> {
        self.lock().get(job_id).map(|suspended| suspended.met.clone())
    }

    pub(super) fn take(&self, job_id: &str) -> Option<ChatContext> {
        self.lock().remove(job_id).map(|suspended| suspended.chat_context)
    }

    /// The conversation of a room with one of these people. A stranger in a room of the same name is told nothing of
    /// it.
    pub(super) fn claim(&self, room_name: &str, people: &[String]) -> Option<ChatContext> {
        let mut sessions = self.lock();
        let knows = |suspended: &SuspendedSession| suspended.met.iter().any(|person| people.contains(person));
        let fits = |suspended: &SuspendedSession| suspended.room_name == room_name && knows(suspended);
        let job_id =
            sessions.iter().find(|(_, suspended)| fits(suspended)).map(|(job_id, _)| job_id.clone())?;
        sessions.remove(&job_id).map(|suspended| suspended.chat_context)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, SuspendedSession>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sessions() -> SuspendedSessions {
        let sessions = SuspendedSessions::default();
        let chat_context = ChatContext { turns: Vec::new(), next_turn: 7 };
        let met = vec!["ada".to_owned(), "bob".to_owned()];
        sessions
            .suspend("AJ_1".to_owned(), SuspendedSession { room_name: "room".to_owned(), met, chat_context });
        sessions
    }

    fn claim(sessions: &SuspendedSessions, room: &str, person: &str) -> Option<u64> {
        sessions.claim(room, &[person.to_owned()]).map(|chat_context| chat_context.next_turn)
    }

    #[test]
    fn a_session_goes_on_with_one_of_its_people_in_its_room_and_once() {
        let sessions = sessions();
        assert_eq!(claim(&sessions, "room", "eve"), None, "a stranger");
        assert_eq!(claim(&sessions, "elsewhere", "ada"), None);
        assert!(sessions.holds("AJ_1"));
        assert_eq!(claim(&sessions, "room", "bob"), Some(7));
        assert!(!sessions.holds("AJ_1") && sessions.take("AJ_1").is_none());
        assert_eq!(claim(&sessions, "room", "ada"), None);
    }
}
