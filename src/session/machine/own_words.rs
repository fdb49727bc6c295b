//! What the agent says of its own: greeting, apology, notices.

use conversation::{AgentState, Text};

use super::{Action, Machine};

// === impl Machine ===

impl Machine {
    pub(super) fn voice_failed(&mut self) {
        self.voice_fails = true;
        if self.reply.is_none() && self.ending.is_none() {
            self.tell_of_voice();
        }
    }

    /// Tells people once that the voice fails. To be called between replies.
    pub(super) fn tell_of_voice(&mut self) {
        if std::mem::take(&mut self.voice_fails) && !std::mem::replace(&mut self.told_of_voice, true) {
            self.say(self.rules.text_notice.clone(), Vec::new(), false);
        }
    }

    /// Says a text of the agent's own, such as the greeting, to these people; an empty list is the whole room.
    pub(super) fn say_whole(&mut self, text: String, only: Vec<String>) {
        self.say(text, only, true);
    }

    fn say(&mut self, text: String, only: Vec<String>, is_spoken: bool) {
        if text.is_empty() {
            return;
        }
        let (text, segment) = (Text::from(text), self.next_segment);
        self.next_segment += 1;
        self.history.push_segment(&text, segment, 0);
        let speaking = self.reply.is_none();
        if speaking {
            self.set_state(AgentState::Speaking);
        }
        let chat = self.audience.chat(&only);
        self.actions.push(Action::OpenSegment { segment, only, is_spoken });
        self.actions.push(Action::Say(text));
        self.actions.push(Action::CloseSegment { chat });
        if speaking {
            self.set_state(AgentState::Listening);
        }
    }
}
