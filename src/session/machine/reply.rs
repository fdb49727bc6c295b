//! A reply, from its first word until both its call and its words are over.

use std::time::Instant;

use conversation::{AgentState, Failure, Fate, SegmentEnd, Text, TurnOutcome};

use crate::llm::Answer;

use super::{Action, Machine, TurnResult};

/// The reply under way.
pub(super) struct Reply {
    pub(super) turn: u64,
    received_at: Instant,
    /// The recipients; an empty list is the whole room.
    only: Vec<String>,
    /// The text that was said so far.
    said: String,
    first_word_at: Option<Instant>,
    /// The segment in which it is said, once there is a first word.
    segment: Option<u64>,
    /// Set when the call is over.
    answer: Option<Answer>,
    /// Set when the words are over.
    segment_end: Option<SegmentEnd>,
    interrupted: Option<Interrupted>,
}

/// The part of the reply that was still going on when a participant cut in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Interrupted {
    Call,
    /// The model had said all; the last of it was on its way into the room.
    LastWords,
}

// === impl Machine ===

impl Machine {
    /// Stops the reply under way; nothing more of it is said.
    pub(super) fn interrupt(&mut self) {
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.interrupted.is_none()) else { return };
        if reply.answer.is_none() {
            reply.interrupted = Some(Interrupted::Call);
            self.actions.push(Action::Cancel { turn: reply.turn });
        } else {
            reply.interrupted = Some(Interrupted::LastWords);
        }
        if let Some(segment) = reply.segment.filter(|_| reply.segment_end.is_none()) {
            let chat = self.audience.chat(&reply.only);
            self.actions.push(Action::CutSegment { segment, chat });
        }
        self.set_state(AgentState::Thinking);
    }

    pub(super) fn delta(&mut self, now: Instant, turn: u64, text: Text) {
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.turn == turn && reply.goes_on()) else {
            return;
        };
        if text.is_empty() {
            return;
        }
        reply.said.push_str(text.expose());
        if reply.first_word_at.is_none() {
            let (segment, only) = (self.next_segment, reply.only.clone());
            self.next_segment += 1;
            (reply.first_word_at, reply.segment) = (Some(now), Some(segment));
            self.set_state(AgentState::Speaking);
            self.actions.push(Action::OpenSegment { segment, only, is_spoken: true });
        }
        self.actions.push(Action::Say(text));
    }

    pub(super) fn answered(&mut self, turn: u64, answer: Answer) {
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.turn == turn) else { return };
        if reply.segment.is_some() && reply.goes_on() {
            self.actions.push(Action::CloseSegment { chat: self.audience.chat(&reply.only) });
        }
        reply.answer = Some(answer);
        self.settle();
    }

    pub(super) fn segment_ended(&mut self, segment: u64, end: SegmentEnd) {
        let Some(reply) = self.reply.as_mut().filter(|reply| reply.segment == Some(segment)) else {
            return self.own_segment_ended(segment, &end);
        };
        if reply.segment_end.is_some() {
            return;
        }
        if reply.answer.is_none() && reply.interrupted.is_none() {
            // The rest of the model's answer could not be said.
            self.actions.push(Action::Cancel { turn: reply.turn });
        }
        reply.segment_end = Some(end);
        self.settle();
    }

    /// A text of the agent's own counts as said until the room reports otherwise.
    fn own_segment_ended(&mut self, segment: u64, end: &SegmentEnd) {
        if end.fate != Fate::Whole {
            self.history.truncate_segment(segment, end.delivered);
        }
    }

    /// Finishes the reply once both its call and its words are over.
    fn settle(&mut self) {
        let is_over = |reply: &mut Reply| {
            reply.answer.is_some() && (reply.segment_end.is_some() || reply.segment.is_none())
        };
        if let Some(reply) = self.reply.take_if(is_over) {
            self.finish(reply);
        }
    }

    fn finish(&mut self, mut reply: Reply) {
        let Some(mut answer) = reply.answer.take() else { return };
        let outcome = reply.outcome(&answer.outcome);
        self.remember(&reply, &outcome, &mut answer);
        let latency = reply.first_word_at.map(|first| first.saturating_duration_since(reply.received_at));
        let apologise = matches!(outcome, TurnOutcome::Failed(_)) && self.ending.is_none();
        self.actions
            .push(Action::Finish { turn: reply.turn, result: TurnResult { outcome, answer, latency } });
        if apologise {
            self.say_whole(self.rules.apology.clone(), reply.only);
        }
        if self.ending.is_none() {
            self.tell_of_voice();
        }
        self.go_on();
    }

    /// Puts the text that was said into the history, and where that is not all of the answer, into the answer.
    fn remember(&mut self, reply: &Reply, outcome: &TurnOutcome, answer: &mut Answer) {
        // The text that went out, without the part that turned out to be thought; as a rule all of the answer.
        let said = reply.delivered().get(answer.thought_bytes..).unwrap_or_default();
        if reply.segment.is_some() && answer.text.expose() != said {
            answer.text = said.into();
        }
        // The next turn may have been overtaken already and stand in the history before this reply. That only happens
        // when several turns come within one cancellation, and the model copes with it.
        match (outcome, reply.segment) {
            // This much of it can still turn out to be unheard.
            (TurnOutcome::Answered, Some(segment)) => {
                self.history.push_segment(&answer.text, segment, answer.thought_bytes);
            }
            (TurnOutcome::Answered, None) => {}
            (outcome, _) => self.history.push_agent(&said.into(), outcome),
        }
    }
}

// === impl Reply ===

impl Reply {
    pub(super) fn new(turn: u64, received_at: Instant, only: Vec<String>) -> Self {
        Self {
            turn,
            received_at,
            only,
            said: String::new(),
            first_word_at: None,
            segment: None,
            answer: None,
            segment_end: None,
            interrupted: None,
        }
    }

    /// Whether more of it is to be said.
    fn goes_on(&self) -> bool {
        self.interrupted.is_none() && self.segment_end.is_none()
    }

    /// The part of the reply that went out.
    fn delivered(&self) -> &str {
        let delivered = self.segment_end.as_ref().map_or(self.said.len(), |end| end.delivered);
        self.said.get(..delivered).unwrap_or(&self.said)
    }

    /// Whether all its words were written.
    fn is_out(&self) -> bool {
        self.delivered().len() == self.said.len()
    }

    /// The call's outcome as the room saw it: a reply that was cut before all its words were written is interrupted,
    /// even if its call had just ended well, and one that could not be written failed.
    fn outcome(&self, outcome: &TurnOutcome) -> TurnOutcome {
        let fate = self.segment_end.as_ref().map_or(&Fate::Whole, |end| &end.fate);
        match (self.interrupted, fate, outcome) {
            (None, Fate::Failed(why), _) => TurnOutcome::Failed(unwritten(why)),
            (None, _, TurnOutcome::Failed(failure)) => TurnOutcome::Failed(failure.clone()),
            (None | Some(Interrupted::LastWords), Fate::Whole, TurnOutcome::Answered) => {
                TurnOutcome::Answered
            }
            // A caller can have all words and speak again before the stream that brought them is closed.
            (Some(Interrupted::LastWords), Fate::Cut, TurnOutcome::Answered) if self.is_out() => {
                TurnOutcome::Answered
            }
            _ => TurnOutcome::Interrupted,
        }
    }
}

fn unwritten(why: &str) -> Failure {
    let message = format!("the reply could not be written to the room as a whole: {why}");
    Failure { class: "room_write".to_owned(), message }
}

#[cfg(test)]
#[path = "reply_tests.rs"]
mod tests;
