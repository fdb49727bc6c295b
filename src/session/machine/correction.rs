//! A participant's change to a message that they sent before.

use conversation::{Correction, Text};

use super::super::heard::MessageKey;
use super::super::history::DELETED;
use super::{Action, Machine, Waiting};

// === impl Machine ===

impl Machine {
    /// A correction is no turn: it interrupts nothing, and counts from the next question on.
    pub(super) fn corrected(&mut self, correction: Correction) {
        let Correction { speaker, ids, text } = correction;
        let mut keys = ids.iter().map(|id| self.heard.key(&speaker, id));
        let key = keys.find(|key| self.heard.knows(*key));
        self.actions.push(Action::Corrected { speaker, known: key.is_some() });
        if let Some(key) = key {
            self.correct(key, text);
        }
    }

    pub(super) fn correct(&mut self, key: MessageKey, text: Option<Text>) {
        match self.waiting.take_if(|waiting| waiting.key == Some(key)) {
            Some(waiting) => self.correct_waiting(waiting, text),
            None => self.history.correct(key, text.as_ref()),
        }
    }

    fn correct_waiting(&mut self, mut waiting: Waiting, text: Option<Text>) {
        let deleted = text.is_none();
        waiting.utterance.text = text.unwrap_or_else(|| DELETED.into());
        if deleted {
            let Waiting { turn, utterance, .. } = waiting;
            self.actions.push(Action::Deleted { turn, utterance });
        } else {
            self.waiting = Some(waiting);
        }
    }
}

#[cfg(test)]
#[path = "correction_tests.rs"]
mod tests;
