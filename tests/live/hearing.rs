//! What becomes a turn and what does not: a microphone in a room, over the network, through the detector and a recogniser,
//! to the model. The tests of `crates/speech` hold the detector alone to more sounds.

mod echo;
mod local;
mod rapid;
mod telephone;
mod unspoken;

use scripted_model::{Script, Step};

use crate::support::voice::Seen;
use crate::support::world::{Worker, World};

/// A worker that hears, and writes what it says; the recogniser understands this in everything.
async fn hears(understood: &str, settings: &[&str]) -> (World, Worker) {
    let mut script = Script::default().otherwise(Step::reply("All right."));
    script.transcriptions.otherwise = Step::reply(understood);
    let world = World::start(script).await;
    let stt = format!("stt.base_url={}", world.model.base_url());
    let usual = ["stt.provider=openai", "stt.model=whisper", "agent.greeting=", &stt];
    let worker = world.worker(&[&usual, settings].concat());
    (world, worker)
}

/// What was understood of the person's turns, in their order.
fn turns(seen: &Seen) -> Vec<String> {
    let turns = seen.texts.iter().filter(|text| text.sender == "ada" && text.is_final);
    turns.map(|text| text.text.clone()).collect()
}

/// The replies, in their order.
fn replies(seen: &Seen) -> Vec<String> {
    seen.texts.iter().filter(|text| text.sender != "ada").map(|text| text.text.clone()).collect()
}
