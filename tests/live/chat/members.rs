//! Participants of the official Python SDK: `tests/python/chat.py`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::python::Python;
use crate::support::world::{AGENT_NAME, PATIENCE, World};

/// The forms in which a reply reaches a participant.
const FORMS: [&str; 3] = ["replies", "json", "messages"];
const PAUSE: Duration = Duration::from_millis(20);

/// The participants of one room.
pub(crate) struct Members(Python);

/// The messages that reached a participant.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) replies: Vec<String>,
    /// As `lk-chat-topic`.
    pub(crate) json: Vec<String>,
    /// As `ChatMessage`.
    pub(crate) messages: Vec<String>,
}

// === impl Members ===

impl Members {
    /// The first participant creates the room, and the agent is dispatched to it.
    pub(crate) fn of(world: &World, room: &str) -> Self {
        Self(Python::start(&world.livekit, "chat.py", &[room, AGENT_NAME]))
    }

    /// [`Members::of`] with these participants joined.
    pub(crate) fn joined(world: &World, room: &str, people: &[&str]) -> Self {
        let mut members = Self::of(world, room);
        people.iter().for_each(|person| members.join(person, "standard"));
        members
    }

    pub(crate) fn join(&mut self, identity: &str, kind: &str) {
        self.order(json!({ "join": identity, "kind": kind }));
    }

    pub(crate) fn order(&mut self, order: Value) -> Value {
        self.0.order(order)
    }

    pub(crate) fn json(&mut self, who: &str, topic: &str, message: Value) {
        self.order(json!({ "as": who, "data": message.to_string(), "topic": topic }));
    }

    pub(crate) fn text(&mut self, who: &str, text: &str) {
        self.order(json!({ "as": who, "text": text, "topic": "lk.chat" }));
    }

    /// Waits until `number` replies have reached participant `who`.
    pub(crate) fn replies(&mut self, who: &str, number: usize) -> Vec<String> {
        strings(&self.order(json!({ "as": who, "replies": number }))["replies"])
    }

    /// The messages that reached participant `who` since the last call.
    pub(crate) fn seen(&mut self, who: &str) -> Seen {
        Seen::of(&self.news(who))
    }

    /// A reply and its copies with all their fields, once all have reached participant `who`.
    pub(crate) fn copied(&mut self, who: &str) -> Value {
        self.gather(who, Seen::has_all_forms)
    }

    /// The messages that reached participant `who` since the last call, as soon as `enough` accepts them.
    pub(crate) fn wait(&mut self, who: &str, enough: impl Fn(&Seen) -> bool) -> Seen {
        Seen::of(&self.gather(who, enough))
    }

    fn gather(&mut self, who: &str, enough: impl Fn(&Seen) -> bool) -> Value {
        let (mut all, deadline) = (self.news(who), Instant::now() + PATIENCE);
        while !enough(&Seen::of(&all)) {
            assert!(Instant::now() < deadline, "{who} waited in vain for more than {all}");
            std::thread::sleep(PAUSE);
            let mut more = self.news(who);
            for form in FORMS {
                all[form].as_array_mut().unwrap().append(more[form].as_array_mut().unwrap());
            }
        }
        all
    }

    fn news(&mut self, who: &str) -> Value {
        self.order(json!({ "as": who, "seen": true }))
    }
}

// === impl Seen ===

impl Seen {
    fn of(seen: &Value) -> Self {
        let [replies, json, messages] =
            FORMS.map(|form| seen[form].as_array().unwrap().iter().map(message).collect());
        Self { replies, json, messages }
    }

    /// A reply comes in its forms by two channels, in any order.
    pub(crate) fn has_all_forms(&self) -> bool {
        [&self.replies, &self.json, &self.messages].iter().all(|texts| !texts.is_empty())
    }
}

fn message(seen: &Value) -> String {
    seen["message"].as_str().unwrap().to_owned()
}

fn strings(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect()
}
