//! The conversation's events as an event log has them, and back; its actions in a word each.

use conversation::{Correction, Failure, SegmentEnd, Utterance};
use redaction::Recorded;

use super::machine::{Action, EndReason, Event, Rules, UserTurn};
use crate::event_log::Recorder;
use crate::event_log::line::{self, AgentRules, DialogueEvent};
use crate::event_log::said::Content;
use crate::llm::Answer;

// === impl Recorder ===

impl Recorder {
    /// An event of the conversation; None where nothing is recorded.
    pub(crate) fn event(&self, event: &Event) -> Option<DialogueEvent> {
        self.dialogue_event(|recorder| recorder.form(event))
    }

    fn form(&self, event: &Event) -> DialogueEvent {
        let people = |people: &[String]| people.iter().map(|it| self.person(it)).collect();
        match event {
            Event::Joined { people: here, coming } => {
                DialogueEvent::Joined { people: people(here), coming: people(coming) }
            }
            Event::PersonComing(person) => DialogueEvent::PersonComing(self.person(person)),
            Event::PersonJoined(person) => DialogueEvent::PersonJoined(self.person(person)),
            Event::PersonLeft(person) => DialogueEvent::PersonLeft(self.person(person)),
            Event::UserTurn(said) => DialogueEvent::UserTurn(self.utterance(&said.utterance)),
            Event::Preemptive(said) => DialogueEvent::Preemptive(self.utterance(&said.utterance)),
            Event::Grown(said) => DialogueEvent::Grown(self.utterance(&said.utterance)),
            Event::Unheard(said, failure) => {
                DialogueEvent::Unheard { said: self.utterance(&said.utterance), class: failure.class.clone() }
            }
            Event::Corrected(correction, _) => DialogueEvent::Corrected {
                speaker: self.person(&correction.speaker),
                ids: correction.ids.iter().map(|id| self.message(id)).collect(),
                text: correction.text.as_ref().map(|text| self.content(text.expose())),
            },
            Event::Delta { turn, text } => {
                DialogueEvent::Delta { turn: *turn, text: self.part(text.expose()) }
            }
            Event::Answered { turn, answer } => DialogueEvent::Answered {
                turn: *turn,
                outcome: line::Outcome::from(&answer.outcome),
                text: self.part(answer.text.expose()),
                thought_bytes: answer.thought_bytes,
            },
            Event::SegmentEnded { segment, end } => DialogueEvent::SegmentEnded {
                segment: *segment,
                fate: line::Fate::from(&end.fate),
                delivered: end.delivered,
            },
            Event::Away => DialogueEvent::Away,
            Event::Back { rejoined } => DialogueEvent::Back { rejoined: *rejoined },
            Event::VoiceFailed => DialogueEvent::VoiceFailed,
            Event::VoiceWorks => DialogueEvent::VoiceWorks,
            Event::End(reason) => DialogueEvent::End(reason.to_string()),
            Event::Tick => DialogueEvent::Tick,
        }
    }

    fn utterance(&self, said: &Utterance) -> line::Utterance {
        let people = |people: &Vec<String>| people.iter().map(|it| self.person(it)).collect();
        line::Utterance {
            speaker: self.person(&said.speaker),
            text: self.content(said.text.expose()),
            segment: said.segment.as_deref().map(|id| self.message(id)),
            among: said.among.as_ref().map(people),
            way: said.way.into(),
        }
    }
}

/// The event that was recorded; None where the machine is told by a call.
pub(crate) fn replayed(event: &DialogueEvent) -> Option<Event> {
    let text = |content: &Content| content.text().into();
    Some(match event {
        DialogueEvent::Resumed { .. } | DialogueEvent::InOtherRoom => return None,
        DialogueEvent::Joined { people, coming } => {
            Event::Joined { people: people.clone(), coming: coming.clone() }
        }
        DialogueEvent::PersonComing(person) => Event::PersonComing(person.clone()),
        DialogueEvent::PersonJoined(person) => Event::PersonJoined(person.clone()),
        DialogueEvent::PersonLeft(person) => Event::PersonLeft(person.clone()),
        DialogueEvent::UserTurn(said) => Event::UserTurn(said.into()),
        DialogueEvent::Preemptive(said) => Event::Preemptive(said.into()),
        DialogueEvent::Grown(said) => Event::Grown(said.into()),
        DialogueEvent::Unheard { said, class } => Event::Unheard(said.into(), Failure::new(class, "")),
        DialogueEvent::Corrected { speaker, ids, text: new } => {
            let (speaker, ids, text) = (speaker.clone(), ids.clone(), new.as_ref().map(text));
            Event::Corrected(Correction { speaker, ids, text }, Recorded::restored(None))
        }
        DialogueEvent::Delta { turn, text: delta } => Event::Delta { turn: *turn, text: text(delta) },
        DialogueEvent::Answered { turn, outcome, text: whole, thought_bytes } => {
            let (text, thought_bytes) = (text(whole), *thought_bytes);
            let answer = Answer { text, thought_bytes, ..Answer::nothing(outcome.into()) };
            Event::Answered { turn: *turn, answer }
        }
        DialogueEvent::SegmentEnded { segment, fate, delivered } => {
            let end = SegmentEnd { fate: (*fate).into(), delivered: *delivered };
            Event::SegmentEnded { segment: *segment, end }
        }
        DialogueEvent::Away => Event::Away,
        DialogueEvent::Back { rejoined } => Event::Back { rejoined: *rejoined },
        DialogueEvent::VoiceFailed => Event::VoiceFailed,
        DialogueEvent::VoiceWorks => Event::VoiceWorks,
        DialogueEvent::End(reason) => Event::End(EndReason::RoomClosed(reason.clone())),
        DialogueEvent::Tick => Event::Tick,
    })
}

/// An action in a word, with its numbers.
pub(crate) fn word(action: &Action) -> String {
    match action {
        Action::SetState(state) => format!("state {}", state.as_str()),
        Action::Ask { turn, .. } => format!("ask {turn}"),
        Action::AskPreemptively { turn, .. } => format!("ask_preemptively {turn}"),
        Action::Adopt { turn, .. } => format!("adopt {turn}"),
        Action::Discard => "discard".into(),
        Action::Unheard { turn, .. } => format!("unheard {turn}"),
        Action::Cancel { turn } => format!("cancel {turn}"),
        Action::OpenSegment { segment, is_spoken: false, .. } => format!("open_written_segment {segment}"),
        Action::OpenSegment { segment, .. } => format!("open_segment {segment}"),
        Action::Say(_) => "say".into(),
        Action::CloseSegment { .. } => "close_segment".into(),
        Action::CutSegment { segment, .. } => format!("cut_segment {segment}"),
        Action::Corrected { known, .. } => format!("corrected {known}"),
        Action::Finish { turn, result } => format!("finish {turn} {}", result.outcome.as_str()),
        Action::Overtaken { turn, .. } => format!("overtaken {turn}"),
        Action::Deleted { turn, .. } => format!("deleted {turn}"),
        Action::End(_) => "end".into(),
    }
}

// === impl Rules ===

impl Rules {
    /// The rules as an event log has them: no content of a conversation.
    pub(crate) fn recorded(&self) -> AgentRules {
        let text = |text: &str| Content { text: Some(text.to_owned()), ..Content::default() };
        AgentRules {
            greeting: text(&self.greeting),
            apology: text(&self.apology),
            resume_notice: text(&self.resume_notice),
            text_notice: text(&self.text_notice),
            leave_grace_us: line::us(self.leave_grace),
        }
    }
}

// === impl UserTurn ===

impl From<&line::Utterance> for UserTurn {
    fn from(said: &line::Utterance) -> Self {
        let utterance = Utterance {
            speaker: said.speaker.clone(),
            text: said.text.text().into(),
            segment: said.segment.clone(),
            traceparent: None,
            among: said.among.clone(),
            way: said.way.into(),
        };
        Self { utterance, recorded: Recorded::restored(None) }
    }
}
