//! A turn that is put to the model before it is known to have ended, and turns that turn out to be longer or not
//! understood.

use std::sync::Arc;
use std::time::{Duration, Instant};

use conversation::{Failure, Message};

use super::{Action, Machine, UserTurn, Waiting};

/// How often a turn is put to the model before it has ended. A person who goes on after each phrase would cost a call for
/// each.
const MOST: u32 = 3;
/// A person who is not understood is told so again after this time, not before.
const TOLD_AGAIN: Duration = Duration::from_secs(20);

/// The turn that may have ended.
#[derive(Default)]
pub(super) struct Preemptive {
    asked: Option<Asked>,
    /// The calls for the turn under way.
    calls: u32,
    /// When a person was told last that they were not understood; None: a turn was understood since.
    told: Option<Instant>,
}

struct Asked {
    turn: u64,
    said: UserTurn,
    messages: Arc<[Message]>,
}

// === impl Machine ===

impl Machine {
    /// Only where the agent has nothing else to say: a reply that is being interrupted has yet to enter the history.
    pub(super) fn ask_preemptively(&mut self, said: UserTurn) {
        let is_busy = self.reply.is_some() || self.waiting.is_some() || self.ending.is_some();
        let text = &said.utterance.text;
        let is_asked = self.preemptive.asked.as_ref().is_some_and(|asked| asked.said.utterance.text == *text);
        if is_busy || is_asked || said.utterance.is_blank() {
            return;
        }
        self.discard();
        if self.preemptive.calls == MOST {
            return;
        }
        self.preemptive.calls += 1;
        let (turn, messages) = (self.next_turn, self.history.messages_with(text));
        let asked = Asked { turn, said: said.clone(), messages: messages.clone() };
        self.preemptive.asked = Some(asked);
        self.actions.push(Action::AskPreemptively { turn, said, messages });
    }

    /// Whether the reply that was asked for preemptively is that to this turn. Otherwise it is discarded.
    pub(super) fn adopts(&mut self, turn: u64, said: &UserTurn, messages: &[Message]) -> bool {
        self.preemptive.calls = 0;
        self.preemptive.told = None;
        let is_same = |asked: &Asked| {
            let [before, now] = [&asked.said.utterance, &said.utterance];
            asked.turn == turn
                && before.speaker == now.speaker
                && before.segment == now.segment
                && same(&asked.messages, messages)
        };
        let adopts = self.preemptive.asked.as_ref().is_some_and(is_same);
        if adopts {
            self.preemptive.asked = None;
        } else {
            self.discard();
        }
        adopts
    }

    /// The session ends before the turn does: its words are recorded as a turn that was not answered.
    pub(super) fn give_up_preemptive(&mut self) {
        let Some(Asked { said, .. }) = self.preemptive.asked.take() else { return };
        self.actions.push(Action::Discard);
        self.history.push_user(&said.utterance.text, None);
        let turn = self.number();
        self.actions.push(Action::Overtaken { turn, said });
    }

    fn discard(&mut self) {
        if self.preemptive.asked.take().is_some() {
            self.actions.push(Action::Discard);
        }
    }

    /// A turn goes on after it was asked: its reply ends, and the whole of it is asked. A turn whose reply is over is
    /// left as it is, and what came late is a turn with it.
    pub(super) fn grown(&mut self, now: Instant, said: UserTurn) {
        let key = said.utterance.segment.as_deref().map(|id| self.seen.key(&said.utterance.speaker, id));
        let is_asked = self.reply.is_some() && key.is_some() && self.asked == key;
        if self.ending.is_some() || said.utterance.is_blank() {
            return;
        }
        if let Some(key) = key.filter(|_| is_asked) {
            self.history.correct(key, Some(&said.utterance.text));
        }
        let turn = self.number();
        self.begin(Waiting { turn, received_at: now, key, said, is_in_history: is_asked });
    }

    /// A person who was not understood is told so, and not again for each word while the reason lasts.
    pub(super) fn unheard(&mut self, now: Instant, said: UserTurn, failure: Failure) {
        if self.ending.is_some() {
            return;
        }
        let turn = self.number();
        self.actions.push(Action::Unheard { turn, said, failure });
        let was_told = self.preemptive.told.is_some_and(|told| now < told + TOLD_AGAIN);
        if self.reply.is_none() && !was_told {
            self.preemptive.told = Some(now);
            self.say_whole(self.rules.apology.clone(), Vec::new());
        }
    }
}

/// Whether the model is asked the same.
fn same(messages: &[Message], others: &[Message]) -> bool {
    let is_same =
        |(one, other): (&Message, &Message)| one.role() == other.role() && one.content() == other.content();
    messages.len() == others.len() && messages.iter().zip(others).all(is_same)
}

#[cfg(test)]
#[path = "preemptive_tests.rs"]
mod tests;
