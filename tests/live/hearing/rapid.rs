//! A person who interrupts again and again.

use std::time::Duration;

use scripted_model::{Script, Step};

use crate::hearing::{replies, turns};
use crate::support::sounds::{SECOND, between, voice_of};
use crate::support::voice::Person;
use crate::support::world::World;

const ANSWER: &str = "Now I listen.";
const STORY: &str =
    "This is a long story about a town on a river. Many people live there and are happy. It goes on.";

#[tokio::test(flavor = "multi_thread")]
async fn ten_interruptions_in_five_seconds_wedge_nothing() {
    let Some(question) = voice_of("rms", "what will the weather be tomorrow", 1.0) else { return };
    let Some(stop) = voice_of("rms", "stop", 1.0) else { return };
    let question = between(SECOND / 5, &question, SECOND / 5);
    let world = World::start(Script::default().otherwise(Step::reply(STORY))).await;
    let url = world.model.base_url();
    let [stt, tts] = ["stt", "tts"].map(|part| format!("{part}.base_url={url}"));
    let names = ["stt.provider=openai", "stt.model=whisper", "tts.provider=openai", "tts.model=kokoro"];
    let worker = world.worker(&[&names, &["agent.greeting=", &*stt, &*tts][..]].concat());
    let ada = Person::join(&world, "rapid").await;
    ada.say(&question).await;
    ada.wait_until("the story has begun", |seen| !seen.sounds.is_empty()).await;
    for _ in 0..10 {
        let mut burst = stop.clone();
        burst.resize(SECOND / 2, 0);
        ada.say(&burst).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    world.model.push(vec![Step::reply(ANSWER)]);
    ada.say(&question).await;
    ada.wait_until("the next question is answered", |seen| replies(seen).iter().any(|reply| reply == ANSWER))
        .await;
    ada.wait_until("the agent listens again", |seen| {
        seen.states.last().is_some_and(|(_, state)| state == "listening")
    })
    .await;
    let turns = ada.look(turns).len();
    ada.leave().await;
    // Each turn ended once.
    assert_eq!(world.traces(turns).len(), turns, "{}", worker.log());
}
