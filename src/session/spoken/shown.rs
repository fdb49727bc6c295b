//! The state of the agent as people see it: it follows the sound. Pure.

use conversation::AgentState;

/// The state that people see: it follows the sound.
pub(super) struct Shown {
    wanted: AgentState,
    /// The wanted state before it was to speak.
    before: AgentState,
    pub(super) is_sounding: bool,
    announced: Option<AgentState>,
}

// === impl Shown ===

impl Default for Shown {
    fn default() -> Self {
        let initial = AgentState::Initializing;
        Self { wanted: initial, before: initial, is_sounding: false, announced: None }
    }
}

impl Shown {
    pub(super) fn want(&mut self, state: AgentState) {
        if state != AgentState::Speaking {
            self.before = state;
        }
        self.wanted = state;
    }

    /// The state to announce, where it has changed. `is_to_sound`: words are on their way to sound.
    pub(super) fn changed(&mut self, is_to_sound: bool) -> Option<AgentState> {
        let state = match self.wanted {
            _ if self.is_sounding => AgentState::Speaking,
            AgentState::Speaking if is_to_sound => self.before,
            wanted => wanted,
        };
        (self.announced.replace(state) != Some(state)).then_some(state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_agent_speaks_for_people_while_it_sounds() {
        let mut shown = Shown::default();
        shown.want(AgentState::Thinking);
        assert_eq!(shown.changed(false), Some(AgentState::Thinking));
        shown.want(AgentState::Speaking);
        assert_eq!(shown.changed(true), None, "its words are not heard yet");
        shown.is_sounding = true;
        assert_eq!(shown.changed(true), Some(AgentState::Speaking));
        shown.want(AgentState::Listening);
        assert_eq!(shown.changed(true), None, "it still sounds");
        shown.is_sounding = false;
        assert_eq!(shown.changed(false), Some(AgentState::Listening));
    }

    #[test]
    fn words_without_sound_are_spoken_as_they_are_written() {
        let mut shown = Shown::default();
        shown.want(AgentState::Speaking);
        assert_eq!(shown.changed(false), Some(AgentState::Speaking));
    }
}
