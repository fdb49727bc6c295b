//! A participant of the official Python SDK: `tests/python/encrypted.py`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use testbed::LivekitServer;

use crate::encrypted::{Derivation, RATCHET_WINDOW};

pub(crate) const ROOM: &str = "encrypted";

pub(crate) struct Python {
    child: Child,
    answers: BufReader<ChildStdout>,
}

// === impl Python ===

impl Python {
    pub(crate) fn join(livekit: &LivekitServer, identity: &str, key: &str, derivation: Derivation) -> Self {
        let python = testbed::venv::python().expect("the Python environment; `cargo xtask setup` makes it");
        let script = testbed::root().join("tests/python/encrypted.py");
        let mut child = Command::new(python)
            .arg(script)
            .args([ROOM, identity, key, derivation.python(), &RATCHET_WINDOW.to_string()])
            .envs(livekit.environment())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        let mut python = Self { child, answers };
        assert_eq!(python.answer(), json!({ "joined": true }));
        python
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
        let stdin = self.child.stdin.as_mut().unwrap();
        writeln!(stdin, "{order}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the Python participant broke off: {line:?}"))
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
