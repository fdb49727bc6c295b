//! The conversation, played again.

use std::time::{Duration, Instant};

use super::Played;
use crate::event_log::line::{AgentRules, DialogueEvent, Outcome};
use crate::session::recorded;
use crate::session::{ChatContext, Machine, Rules};

/// As many turns as no session has, and their tokens: what the model is sent is not compared.
const HISTORY_TURNS: usize = 10_000;
/// No number of a turn is larger.
const MOST_TURNS: u64 = 1 << 32;

pub(super) struct Dialogue(Machine);

// === impl Dialogue ===

impl Dialogue {
    pub(super) fn new(rules: &AgentRules) -> Self {
        Self(Machine::new(Rules {
            instructions: String::new(),
            greeting: rules.greeting.text(),
            apology: rules.apology.text(),
            resume_notice: rules.resume_notice.text(),
            text_notice: rules.text_notice.text(),
            history_turns: HISTORY_TURNS,
            history_tokens: u64::MAX,
            leave_grace: Duration::from_micros(rules.leave_grace_us),
        }))
    }

    pub(super) fn play(&mut self, now: Instant, event: &DialogueEvent, actions: &[String]) -> Played {
        let replayed: Vec<String> = match recorded::replayed(event) {
            Some(event) => self.0.step(now, event).iter().map(recorded::word).collect(),
            None => self.told(event),
        };
        let notes = happened(event).into_iter().chain(replayed.iter().filter_map(|word| note(word, event)));
        Played::new(notes.collect(), &actions.to_vec(), &replayed)
    }

    fn told(&mut self, event: &DialogueEvent) -> Vec<String> {
        match event {
            DialogueEvent::Resumed { next_turn } => {
                self.0.resume(&ChatContext { turns: Vec::new(), next_turn: (*next_turn).min(MOST_TURNS) });
            }
            _ => self.0.in_other_room(),
        }
        Vec::new()
    }
}

fn happened(event: &DialogueEvent) -> Option<String> {
    Some(match event {
        DialogueEvent::Resumed { next_turn } => {
            format!("an earlier conversation of {next_turn} turns goes on")
        }
        DialogueEvent::InOtherRoom => "the room was deleted before; this is another one of its name".into(),
        DialogueEvent::Joined { people, .. } => format!("the agent joins {} people", people.len()),
        DialogueEvent::PersonJoined(person) => format!("{person} joins"),
        DialogueEvent::PersonLeft(person) => format!("{person} leaves"),
        DialogueEvent::VoiceFailed => "a text could not be spoken, and is written".into(),
        DialogueEvent::VoiceWorks => "the voice works again".into(),
        DialogueEvent::Away => "the connection to the room is lost".into(),
        DialogueEvent::Back { rejoined: true } => "the agent is back, as a new participant".into(),
        DialogueEvent::Back { rejoined: false } => "the connection to the room is back".into(),
        _ => return None,
    })
}

/// What an action means, and why it was taken.
fn note(word: &str, event: &DialogueEvent) -> Option<String> {
    let (action, what) = word.split_once(' ').unwrap_or((word, ""));
    Some(match action {
        "ask" => format!("turn {what} is put to the model"),
        "ask_preemptively" => format!("turn {what} is put to the model before it has ended"),
        "adopt" => format!("turn {what} ended with the same words: that reply is its own"),
        "discard" => "the turn goes on with other words: the reply to the first ones is discarded".into(),
        "unheard" => match event {
            DialogueEvent::Unheard { class, .. } => format!("turn {what} was not understood ({class})"),
            _ => format!("turn {what} was not understood"),
        },
        "cancel" => format!("the model's answer to turn {what} is cancelled: {}", cause(event)),
        "cut_segment" => format!("the reply is cut: {}", cause(event)),
        "open_segment" => match event {
            DialogueEvent::Delta { turn, .. } => format!("the reply to turn {turn} begins"),
            _ => "the agent says something of its own".into(),
        },
        "open_written_segment" => "the agent writes that its voice fails".into(),
        "finish" => finished(what, event),
        "overtaken" => format!("turn {what} is overtaken by the next before it is put to the model"),
        "deleted" => format!("turn {what} is taken back by its speaker"),
        "end" => match event {
            DialogueEvent::End(reason) => format!("the session ends: {reason}"),
            _ => "the session ends".into(),
        },
        _ => return None,
    })
}

fn finished(what: &str, event: &DialogueEvent) -> String {
    let (turn, outcome) = what.split_once(' ').unwrap_or((what, ""));
    match event {
        DialogueEvent::Answered { outcome: Outcome::Failed(class) | Outcome::Aborted(class), .. } => {
            format!("turn {turn} is over: {outcome} ({class})")
        }
        _ => format!("turn {turn} is over: {outcome}"),
    }
}

/// Why a reply ends before its end.
fn cause(event: &DialogueEvent) -> &'static str {
    match event {
        DialogueEvent::UserTurn(_) => "a person said something else",
        DialogueEvent::Grown(_) => "its turn goes on",
        DialogueEvent::Corrected { .. } => "its question was changed",
        DialogueEvent::SegmentEnded { .. } => "its words could not be delivered",
        DialogueEvent::End(_) | DialogueEvent::Tick => "the session ends",
        _ => "something came between",
    }
}
