//! LiveKit's own Python SDK, unmodified, talks with the worker through a real server.

use scripted_model::{Reply, Script, Step};
use serde_json::{Value, json};

use crate::support::python::Python;
use crate::support::world::{AGENT_NAME, World};

/// The Python caller of `tests/python/caller.py`.
struct PythonCaller(Python);

impl PythonCaller {
    fn join(world: &World, room: &str) -> Self {
        Self(Python::start(&world.livekit, "caller.py", &[room, AGENT_NAME]))
    }

    fn order(&mut self, order: Value) -> Value {
        self.0.order(order)
    }

    fn say(&mut self, text: &str, on: &str) -> Value {
        self.order(json!({ "say": text, "on": on }))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_sdk_is_answered_on_chat_and_on_transcription() {
    let step = Step { reply: Reply::Echo, pause_ms: 30, ..Step::default() };
    let world = World::start(Script::always(step)).await;
    let worker = world.worker(&["agent.name=Tess"]);
    let mut python = PythonCaller::join(&world, "official");

    let reply = python.say("hello from Python", "chat");
    assert_eq!(reply["reply"], "You said: hello from Python", "{}", worker.log());
    assert!(reply["chunks"].as_u64().unwrap() > 1, "the reply is streamed: {reply}");
    assert_eq!(reply["attributes"]["lk.transcription_final"], "true");
    assert!(reply["attributes"]["lk.segment_id"].as_str().unwrap().starts_with("SG_"));

    let reply = python.say("spoken and transcribed", "transcription");
    assert_eq!(reply["reply"], "You said: spoken and transcribed");
    // Nothing of this is a turn: it never becomes final.
    python.say("never finished", "interim");
    let reply = python.say("the end", "chat");
    assert_eq!(reply["reply"], "You said: the end");

    let states = python.order(json!({ "states": 3 }));
    let states: Vec<_> =
        states["states"].as_array().unwrap().iter().map(|state| state.as_str().unwrap()).collect();
    let (before, turns) = states.split_at(states.iter().position(|state| *state == "listening").unwrap());
    assert!(before.iter().all(|state| *state == "initializing"), "{states:?}");
    let turn = ["listening", "thinking", "speaking"];
    assert_eq!(turns, [turn, turn, turn].concat().into_iter().chain(["listening"]).collect::<Vec<_>>());

    let traces = world.traces(3);
    let questions: Vec<_> = traces.iter().map(|trace| trace.root.text("livekit.question").unwrap()).collect();
    assert_eq!(
        questions,
        ["hello from Python", "spoken and transcribed", "the end"],
        "each segment counts once"
    );
}
