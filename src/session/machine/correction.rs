//! A participant's change to a message that they sent before.

use conversation::{Correction, Text};
use redaction::Recorded;

use super::super::history::DELETED;
use super::super::seen_messages::MessageKey;
use super::{Action, Machine, Waiting};

// === impl Machine ===

impl Machine {
    /// A correction is no turn: it interrupts nothing, and counts from the next question on.
    pub(super) fn corrected(&mut self, correction: Correction, recorded: Recorded) {
        let Correction { speaker, ids, text } = correction;
        let mut keys = ids.iter().map(|id| self.seen.key(&speaker, id));
        let key = keys.find(|key| self.seen.knows(*key));
        self.actions.push(Action::Corrected { speaker, known: key.is_some() });
        if let Some(key) = key {
            self.correct(key, text, recorded);
        }
    }

    pub(super) fn correct(&mut self, key: MessageKey, text: Option<Text>, recorded: Recorded) {
        match self.waiting.take_if(|waiting| waiting.key == Some(key)) {
            Some(waiting) => self.correct_waiting(waiting, text, recorded),
            None => self.history.correct(key, text.as_ref()),
        }
    }

    fn correct_waiting(&mut self, mut waiting: Waiting, text: Option<Text>, recorded: Recorded) {
        let said = &mut waiting.said;
        if let Some(text) = text {
            (said.utterance.text, said.recorded) = (text, recorded);
            self.waiting = Some(waiting);
        } else {
            (said.utterance.text, said.recorded) = (DELETED.into(), said.recorded.replaced_by(DELETED));
            let Waiting { turn, said, .. } = waiting;
            self.actions.push(Action::Deleted { turn, said });
        }
    }
}

#[cfg(test)]
#[path = "correction_tests.rs"]
mod tests;
