//! Who writes to the agent, and how: frontends of all ages, people with secrets, second thoughts and odd names. They use the official
//! Python SDK unless something takes more than it can do.

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

/// What the model was asked last: the contents of its messages, the instructions aside.
fn prompt(world: &World) -> Vec<String> {
    let request = world.model.requests().pop().expect("the model was asked");
    let messages: Vec<Value> = request.body["messages"].as_array().unwrap().clone();
    let said = messages.iter().filter(|message| message["role"] != "system");
    said.map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

fn says(text: &str) -> String {
    format!("You said: {text}")
}
