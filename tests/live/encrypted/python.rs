//! A participant of the official Python SDK: `tests/python/encrypted.py`.

use serde_json::{Value, json};
use testbed::LivekitServer;

use crate::encrypted::{Derivation, RATCHET_WINDOW};
use crate::support::python;

pub(crate) const ROOM: &str = "encrypted";

pub(crate) struct Python(python::Python);

// === impl Python ===

impl Python {
    pub(crate) fn join(livekit: &LivekitServer, identity: &str, key: &str, derivation: Derivation) -> Self {
        let window = RATCHET_WINDOW.to_string();
        let arguments = [ROOM, identity, key, derivation.python(), &window];
        let mut python = python::Python::start(livekit, "encrypted.py", &arguments);
        assert_eq!(python.answer(), json!({ "joined": true }));
        Self(python)
    }

    /// Sends the text as a text stream, and again as a data packet.
    pub(crate) fn say(&mut self, text: &str) {
        self.order(json!({ "say": text }));
    }

    /// The next texts, sorted; those of packets are in brackets.
    pub(crate) fn hear(&mut self, count: usize) -> Vec<String> {
        let answer = self.order(json!({ "hear": count }));
        serde_json::from_value(answer["heard"].clone()).unwrap()
    }

    /// Plays a tone from now on.
    pub(crate) fn play(&mut self, hertz: u32) {
        self.order(json!({ "play": hertz }));
    }

    /// Waits until hardly anything but this tone is heard from participant `from`.
    pub(crate) fn hears_tone(&mut self, from: &str, hertz: u32) {
        let answer = self.order(json!({ "tone": hertz, "from": from }));
        assert_eq!(answer, json!({ "tone": hertz }), "no {hertz} Hz from {from}");
    }

    /// Waits until nothing is heard from participant `from`, who has a track.
    pub(crate) fn hears_silence(&mut self, from: &str) {
        assert_eq!(self.order(json!({ "quiet": from })), json!({ "quiet": true }), "{from} is not silent");
    }

    /// Moves the shared key on, and returns it in hexadecimal.
    pub(crate) fn ratchet(&mut self) -> String {
        self.order(json!({ "ratchet": 0 }))["key"].as_str().unwrap().to_owned()
    }

    fn order(&mut self, order: Value) -> Value {
        self.0.order(order)
    }
}
