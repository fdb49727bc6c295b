//! Participants who write to the agent: frontends of all ages, people with secrets, edits and odd names. They use the
//! official Python SDK unless a case needs more than it can do.

mod edits;
mod members;
mod oddities;
mod packets;
mod private;

use scripted_model::{Reply, Script, Step};
use serde_json::Value;

use crate::support::world::World;

fn echo() -> Script {
    Script::always(Step { reply: Reply::Echo, ..Step::default() })
}

/// The message contents of the last model request, without the instructions.
fn prompt(world: &World) -> Vec<String> {
    let request = world.model.requests().pop().expect("the model was asked");
    let messages: Vec<Value> = request.body["messages"].as_array().unwrap().clone();
    let said = messages.iter().filter(|message| message["role"] != "system");
    said.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

fn says(text: &str) -> String {
    format!("You said: {text}")
}
