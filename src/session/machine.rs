//! The conversation as a pure state machine: events in, actions out. It knows no clock, room or model.
//!
//! At most one reply is under way. A new turn interrupts it: the call is cancelled, and the new turn waits until the
//! call has come to its end, so turns never overlap. A turn that is overtaken while it waits is recorded as
//! interrupted without a call, and its question stays in the history.
//!
//! A spoken turn can be put to the model before it is known to have ended. The reply is held back, and is the turn's if
//! the turn ends with the same words and history.
//!
//! A reply is over when its call is and when the room has told what became of the words: only words that went out count
//! as said.

mod correction;
mod own_words;
mod preemptive;
mod reply;

use std::sync::Arc;
use std::time::{Duration, Instant};

use conversation::{AgentState, Correction, Failure, Message, SegmentEnd, Text, TurnOutcome, Utterance};
use redaction::Recorded;

use crate::llm::Answer;

use self::preemptive::Preemptive;
use self::reply::Reply;
use super::audience::{self, Audience};
use super::chat_context::ChatContext;
use super::history::History;
use super::presence::Presence;
use super::seen_messages::{MessageKey, SeenMessages};

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The last person left and did not come back within the grace period.
    EverybodyLeft,
    /// The room was closed, or we were removed from it.
    RoomClosed(String),
    /// The connection broke and could not be restored. The room may go on without us.
    ConnectionLost(String),
    /// The job was terminated, or the worker is ending.
    Stopped,
}

pub(crate) enum Event {
    /// We are in the room, with these people, and with those who are about to hear us.
    Joined {
        people: Vec<String>,
        coming: Vec<String>,
    },
    /// A person is about to be here, and misses words that are said now.
    PersonComing(String),
    PersonJoined(String),
    PersonLeft(String),
    UserTurn(UserTurn),
    /// The words of a spoken turn that may have ended; the turn itself follows.
    Preemptive(UserTurn),
    /// The turn that was asked last goes on with these words: its text as a whole.
    Grown(UserTurn),
    /// A person spoke, and was not understood for this reason.
    Unheard(UserTurn, Failure),
    /// A correction, with the recordable form of its text.
    Corrected(Correction, Recorded),
    /// A piece of the reply to `turn`.
    Delta {
        turn: u64,
        text: Text,
    },
    /// The call of `turn` came to its end; all its deltas were delivered before.
    Answered {
        turn: u64,
        answer: Answer,
    },
    /// The fate of a segment that was opened. Comes once for each, after a cut at once.
    SegmentEnded {
        segment: u64,
        end: SegmentEnd,
    },
    /// The connection to the room is lost and being restored.
    Away,
    /// The connection is back; `rejoined` as a new participant, who gets nothing of what was said meanwhile.
    Back {
        rejoined: bool,
    },
    /// A text could not be spoken, and is written.
    VoiceFailed,
    /// The voice works again.
    VoiceWorks,
    /// The session is to end.
    End(EndReason),
    /// The time of `Machine::deadline` came.
    Tick,
}

#[derive(Debug)]
pub(crate) enum Action {
    SetState(AgentState),
    /// Ask the model; the turn's span starts here.
    Ask {
        turn: u64,
        said: UserTurn,
        messages: Arc<[Message]>,
    },
    /// Ask the model what the turn, should it end so, would be answered; the reply waits.
    AskPreemptively {
        turn: u64,
        said: UserTurn,
        messages: Arc<[Message]>,
    },
    /// The turn has ended as it was asked preemptively: its reply is the turn's.
    Adopt {
        turn: u64,
        said: UserTurn,
    },
    /// The turn that was asked preemptively is another one; its call ends, and what it cost counts apart.
    Discard,
    /// A turn whose words are not known: record it as failed.
    Unheard {
        turn: u64,
        said: UserTurn,
        failure: Failure,
    },
    /// Cancel the call of this turn; its `Answered` is still awaited.
    Cancel {
        turn: u64,
    },
    /// Begin to say something to these people; an empty list is the whole room.
    OpenSegment {
        segment: u64,
        only: Vec<String>,
        /// It is said aloud, too, where the session speaks.
        is_spoken: bool,
    },
    Say(Text),
    /// The segment is whole; `chat` names the people who get it as a chat message too.
    CloseSegment {
        chat: Vec<String>,
    },
    /// The segment ends with the text of it that was written.
    CutSegment {
        segment: u64,
        chat: Vec<String>,
    },
    /// A participant corrected what they had said; `known` when it is remembered.
    Corrected {
        speaker: String,
        known: bool,
    },
    /// The turn is over: end its span and record it.
    Finish {
        turn: u64,
        result: TurnResult,
    },
    /// A turn that was overtaken before its call could start: record it as interrupted.
    Overtaken {
        turn: u64,
        said: UserTurn,
    },
    /// The same for a turn that its speaker took back.
    Deleted {
        turn: u64,
        said: UserTurn,
    },
    End(EndReason),
}

/// What a person said, and the form of it that may be recorded.
#[derive(Clone, Debug)]
pub(crate) struct UserTurn {
    pub(crate) utterance: Utterance,
    pub(crate) recorded: Recorded,
}

/// The result of a turn.
#[derive(Debug)]
pub(crate) struct TurnResult {
    pub(crate) outcome: TurnOutcome,
    pub(crate) answer: Answer,
    /// From the end of the utterance to the first word of the reply.
    pub(crate) latency: Option<Duration>,
}

/// The part of `[agent]` that the machine must know.
pub(crate) struct Rules {
    pub(crate) instructions: String,
    pub(crate) greeting: String,
    pub(crate) apology: String,
    /// The agent's words when it comes back after an absence: said instead of the greeting when the session goes on
    /// after a crash.
    pub(crate) resume_notice: String,
    /// The agent's words when its voice fails.
    pub(crate) text_notice: String,
    pub(crate) history_turns: usize,
    pub(crate) history_tokens: u64,
    pub(crate) leave_grace: Duration,
}

pub(crate) struct Machine {
    rules: Rules,
    history: History,
    seen: SeenMessages,
    audience: Audience,
    presence: Presence,
    state: AgentState,
    greeted: bool,
    /// The room that was to be served is gone; this one has its name.
    in_other_room: bool,
    reply: Option<Reply>,
    waiting: Option<Waiting>,
    preemptive: Preemptive,
    /// The voice failed since it worked last, and people have not been told.
    voice_fails: bool,
    /// People were told that the voice fails.
    told_of_voice: bool,
    /// The message of the turn that was asked last.
    asked: Option<MessageKey>,
    next_turn: u64,
    next_segment: u64,
    ending: Option<EndReason>,
    actions: Vec<Action>,
}

/// A turn that waits for the interrupted call to end.
struct Waiting {
    turn: u64,
    received_at: Instant,
    key: Option<MessageKey>,
    said: UserTurn,
    /// Its text stands in the history already: it is a turn that went on.
    is_in_history: bool,
}

// === impl EndReason ===

impl std::fmt::Display for EndReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            EndReason::EverybodyLeft => f.write_str("everybody left"),
            EndReason::RoomClosed(why) => write!(f, "the room closed: {why}"),
            EndReason::ConnectionLost(why) => write!(f, "the connection to the room was lost: {why}"),
            EndReason::Stopped => f.write_str("stopped"),
        }
    }
}

// === impl Machine ===

impl Machine {
    pub(crate) fn new(rules: Rules) -> Self {
        let history = History::new(&rules.instructions, rules.history_turns, rules.history_tokens);
        Self {
            presence: Presence::new(rules.leave_grace),
            rules,
            history,
            seen: SeenMessages::default(),
            audience: Audience::default(),
            state: AgentState::Initializing,
            greeted: false,
            in_other_room: false,
            reply: None,
            waiting: None,
            preemptive: Preemptive::default(),
            voice_fails: false,
            told_of_voice: false,
            asked: None,
            next_turn: 0,
            next_segment: 0,
            ending: None,
            actions: Vec::new(),
        }
    }

    /// Whether no participant has said anything yet.
    pub(crate) fn is_new(&self) -> bool {
        self.next_turn == 0
    }

    /// Goes on with an earlier conversation. To be called while the machine is new.
    pub(crate) fn resume(&mut self, context: &ChatContext) {
        context.restore_into(&mut self.history);
        self.next_turn = context.next_turn;
        self.rules.greeting = self.rules.resume_notice.clone();
    }

    /// The conversation so far, for the session that goes on with it.
    pub(crate) fn chat_context(&self) -> ChatContext {
        ChatContext { turns: self.history.turns(), next_turn: self.next_turn }
    }

    /// The identities of all people who took part.
    pub(crate) fn met(&self) -> Vec<String> {
        self.presence.met()
    }

    /// No person is expected in this room: it has only the name of the one that was to be served. To be called before
    /// the first event.
    pub(crate) fn in_other_room(&mut self) {
        self.in_other_room = true;
    }

    /// The connection is lost, and of this segment only the first `heard` bytes surely went out.
    pub(crate) fn truncate_segment(&mut self, segment: u64, delivered: usize) {
        self.history.truncate_segment(segment, delivered);
    }

    /// Takes one event and returns the actions that follow from it, in order.
    pub(crate) fn step(&mut self, now: Instant, event: Event) -> Vec<Action> {
        match event {
            Event::Joined { people, coming } => {
                self.joined(now, people);
                coming.into_iter().for_each(|person| self.presence.coming(person));
            }
            Event::PersonComing(person) => self.presence.coming(person),
            Event::PersonJoined(person) => self.person_joined(person),
            Event::PersonLeft(person) => self.presence.left(now, &person),
            Event::UserTurn(said) => self.user_turn(now, said),
            Event::Preemptive(said) => self.ask_preemptively(said),
            Event::Grown(said) => self.grown(now, said),
            Event::Unheard(said, failure) => self.unheard(now, said, failure),
            Event::Corrected(correction, recorded) => self.corrected(correction, recorded),
            Event::Delta { turn, text } => self.delta(now, turn, text),
            Event::Answered { turn, answer } => self.answered(turn, answer),
            Event::SegmentEnded { segment, end } => self.segment_ended(segment, end),
            Event::Away => self.presence.away(now),
            Event::Back { rejoined } => self.back(now, rejoined),
            Event::VoiceFailed => self.voice_failed(),
            Event::VoiceWorks => (self.voice_fails, self.told_of_voice) = (false, false),
            Event::End(reason) => self.end(reason),
            Event::Tick => self.tick(now),
        }
        if self.ending.is_none() && self.presence.notice_due() {
            self.say_whole(self.rules.resume_notice.clone(), Vec::new());
        }
        std::mem::take(&mut self.actions)
    }

    /// The time at which `Event::Tick` is wanted.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.presence.deadline().filter(|_| self.ending.is_none())
    }

    fn joined(&mut self, now: Instant, people: Vec<String>) {
        self.set_state(AgentState::Listening);
        if self.in_other_room {
            self.presence.expect_people_soon(now);
        }
        for person in people {
            self.person_joined(person);
        }
    }

    fn person_joined(&mut self, person: String) {
        self.presence.arrived(person);
        if !self.greeted && self.reply.is_none() {
            self.greeted = true;
            self.say_whole(self.rules.greeting.clone(), Vec::new());
        }
    }

    fn back(&mut self, now: Instant, rejoined: bool) {
        self.presence.back(now, rejoined);
        if self.reply.is_some() {
            // A reply that goes on shows by itself that the agent is back.
            self.presence.noticed();
        }
    }

    fn tick(&mut self, now: Instant) {
        if self.presence.is_over(now) {
            self.end(EndReason::EverybodyLeft);
        }
    }

    fn user_turn(&mut self, now: Instant, said: UserTurn) {
        let utterance = &said.utterance;
        if self.ending.is_some() || utterance.is_blank() {
            return;
        }
        let key = utterance.segment.as_deref().map(|id| self.seen.key(&utterance.speaker, id));
        let again = key.is_some_and(|key| !self.seen.insert(key));
        self.audience.wrote(utterance, again);
        match key.filter(|_| again) {
            // Frontends replace the text of a known id by the one that comes under it again.
            Some(key) => self.correct(key, Some(said.utterance.text), said.recorded),
            None => self.turn(now, key, said),
        }
    }

    fn turn(&mut self, now: Instant, key: Option<MessageKey>, said: UserTurn) {
        self.presence.noticed();
        let turn = self.number();
        self.begin(Waiting { turn, received_at: now, key, said, is_in_history: false });
    }

    /// The number of the next turn.
    fn number(&mut self) -> u64 {
        self.next_turn += 1;
        self.next_turn - 1
    }

    /// Asks, or interrupts the reply under way and waits.
    fn begin(&mut self, next: Waiting) {
        if self.reply.is_none() {
            return self.ask(next);
        }
        self.interrupt();
        if let Some(overtaken) = self.waiting.replace(next) {
            self.overtake(overtaken);
        }
    }

    fn ask(&mut self, next: Waiting) {
        if !next.is_in_history {
            self.history.push_user(&next.said.utterance.text, next.key);
        }
        self.asked = next.key;
        self.set_state(AgentState::Thinking);
        self.reply = Some(Reply::new(next.turn, next.received_at, audience::only(&next.said.utterance)));
        let (turn, said, messages) = (next.turn, next.said, self.history.messages());
        if self.adopts(turn, &said, &messages) {
            self.actions.push(Action::Adopt { turn, said });
        } else {
            self.actions.push(Action::Ask { turn, said, messages });
        }
    }

    fn overtake(&mut self, overtaken: Waiting) {
        if !overtaken.is_in_history {
            self.history.push_user(&overtaken.said.utterance.text, overtaken.key);
        }
        self.actions.push(Action::Overtaken { turn: overtaken.turn, said: overtaken.said });
    }

    /// Takes the step after a reply: the end, the turn that waits, or listening.
    fn go_on(&mut self) {
        if let Some(reason) = self.ending.clone() {
            self.actions.push(Action::End(reason));
        } else if let Some(waiting) = self.waiting.take() {
            self.ask(waiting);
        } else {
            self.set_state(AgentState::Listening);
        }
    }

    fn end(&mut self, reason: EndReason) {
        if self.ending.is_some() {
            return;
        }
        self.ending = Some(reason.clone());
        self.give_up_preemptive();
        if let Some(waiting) = self.waiting.take() {
            self.overtake(waiting);
        }
        match self.reply {
            Some(_) => self.interrupt(),
            None => self.actions.push(Action::End(reason)),
        }
    }

    fn set_state(&mut self, state: AgentState) {
        if self.state != state {
            self.state = state;
            self.actions.push(Action::SetState(state));
        }
    }
}

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
